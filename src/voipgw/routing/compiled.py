"""The frozen plan: rules in an index by source and by called prefix, and the decision for a call."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

import attrs

from voipgw.call.model import CallRequest, Party, Refusal, Route, Source, SourceKind, Target, TargetKind
from voipgw.causes import Cause
from voipgw.routing import digit_map, validate
from voipgw.routing import pattern as patterns
from voipgw.routing.branches import Branch
from voipgw.routing.decision import NOTHING_DOWN, Decision, PlanState, Skipped
from voipgw.routing.numbers import Number, Numbering, NumberKind, class_patterns
from voipgw.routing.pattern import Pattern
from voipgw.routing.predicates import CallView, Network, within
from voipgw.routing.targets import Dial, First, Reject, ToLine
from voipgw.routing.transforms import AsE164, Chain, Transform

if TYPE_CHECKING:
    from voipgw.routing.plan import Line, Plan, Rule, Trunk

MOST_DIALS = 8  #: rules that dial another number, one after the other


@attrs.frozen
class Attempt:
    """One attempt of a rule, with everything that does not depend on the call."""

    target: Target
    called: Transform | None  #: None leaves the number as it is
    calling: Transform | None
    ring_timeout_s: float
    response_timeout_s: float
    codecs: tuple[str, ...]
    headers: tuple[tuple[str, str], ...]


@attrs.frozen(eq=False)
class CompiledRule:
    """A rule, its branches and what it leads to."""

    rule: Rule
    branches: tuple[Branch, ...]
    attempts: tuple[Attempt, ...] = ()
    refusal: Refusal | None = None
    dial: Number | None = None


class _Group:
    """The branches of one source, by the literal beginning of the called number."""

    __slots__ = ("lengths", "table")

    def __init__(self, branches: Iterable[Branch], priorities: Mapping[int, int]) -> None:
        table: dict[str, list[Branch]] = {}
        for branch in branches:
            table.setdefault(branch.literal if branch.named else "", []).append(branch)
        for bucket in table.values():
            bucket.sort(key=lambda found: (found.rank, priorities[found.index], -found.index), reverse=True)
        self.table = {literal: tuple(bucket) for literal, bucket in table.items()}
        self.lengths = tuple(sorted({len(literal) for literal in table}, reverse=True))


class CompiledPlan:
    """A snapshot of a plan: checked, frozen, and fast. Made by ``Plan.compile``.

    Attributes:
        trunks: by name.
        lines: by number, as text.
        rules: in the order written.
        country: the plan's country, "" when it has none.
        fingerprint: 12 hexadecimal digits that differ between plans that differ.
    """

    def __init__(self, plan: Plan) -> None:
        self.country = plan.country
        self.trunks: Mapping[str, Trunk] = MappingProxyType({trunk.name: trunk for trunk in plan.trunks})
        self.lines: Mapping[str, Line] = MappingProxyType({line.number: line for line in plan.lines})
        self.trust = plan.trust
        extensions = [line.extension for line in plan.lines if line.extension]
        self.numbering: Numbering = plan.numbering.extended(extensions)
        self._numberings = {trunk.name: trunk.numbering.extended(extensions) for trunk in plan.trunks}
        self.classes = self._classes(plan, extensions)
        branches = validate.require_sound(plan, self.classes, self.numbering)
        self.rules = tuple(
            self._compiled_rule(rule, tuple(found)) for rule, found in zip(plan.rules, branches, strict=True)
        )
        self._dids = {
            line.number: Number(NumberKind.E164, line.did, f"the number of line {line.number}")
            for line in plan.lines
            if line.did
        }
        self._index()
        written = "\n".join(map(repr, (plan.country, plan.area, plan.trust, plan.emergency, *plan.trunks, *plan.lines)))
        rules = "\n".join(map(repr, plan.rules))
        self.fingerprint = hashlib.sha256(f"{written}\n{rules}".encode()).hexdigest()[:12]
        self._digit_maps: dict[tuple[str, str], digit_map.DigitMap] = {}

    def _classes(self, plan: Plan, extensions: list[str]) -> dict[str, tuple[Pattern, ...]]:
        names = ["toll_free", "premium", "mobile", *(["national", "international"] if plan.country else [])]
        emergency = {
            number for numbering in (self.numbering, *self._numberings.values()) for number in numbering.emergency
        }
        return {name: class_patterns(name, plan.country) for name in names} | {
            "emergency": tuple(map(patterns.exact, sorted(emergency))),
            "extension": tuple(map(patterns.exact, extensions)),
        }

    def _compiled_rule(self, rule: Rule, branches: tuple[Branch, ...]) -> CompiledRule:
        to = rule.to
        if isinstance(to, Reject):
            return CompiledRule(rule, branches, refusal=Refusal(to.cause, rule.name, to.status))
        if isinstance(to, Dial):
            return CompiledRule(rule, branches, dial=self.numbering.normalise(to.number))
        return CompiledRule(rule, branches, tuple(self._attempt(rule, each) for each in _attempts(to)))

    def _attempt(self, rule: Rule, to: object) -> Attempt:
        if isinstance(to, ToLine):
            line = self.lines[to.name]
            return Attempt(
                Target(TargetKind.LINE, to.name), _chain(rule.called), _chain(rule.calling),
                rule.ring_timeout_s or line.ring_timeout_s, 4.0, rule.codecs, rule.headers,
            )  # fmt: skip
        name, called, calling = to.name, to.called, to.calling  # type: ignore[attr-defined]
        trunk = self.trunks[name]
        return Attempt(
            Target(TargetKind.TRUNK, name), _chain(rule.called, called or trunk.called),
            _chain(rule.calling, calling or trunk.calling), rule.ring_timeout_s or trunk.ring_timeout_s,
            trunk.response_timeout_s, rule.codecs or trunk.codecs, trunk.headers + rule.headers,
        )  # fmt: skip

    def _index(self) -> None:
        priorities = {index: compiled.rule.priority or 0 for index, compiled in enumerate(self.rules)}
        named: dict[tuple[str, str], list[Branch]] = {}
        kinds: dict[str, list[Branch]] = {}
        networks: dict[Network, list[Branch]] = {}
        anywhere: list[Branch] = []
        for branch in (branch for compiled in self.rules for branch in compiled.branches):
            source = branch.source
            if source is None:
                anywhere.append(branch)
            elif source.network is not None:
                networks.setdefault(source.network, []).append(branch)
            elif source.name is None:
                kinds.setdefault(source.kind.value, []).append(branch)
            else:
                named.setdefault((source.kind.value, source.name), []).append(branch)
        self._named = {key: _Group(found, priorities) for key, found in named.items()}
        self._kinds = {key: _Group(found, priorities) for key, found in kinds.items()}
        self._anywhere = _Group(anywhere, priorities)
        order = sorted(networks, key=lambda network: network.max_prefixlen - network.prefixlen)
        self._networks = tuple((network, _Group(networks[network], priorities)) for network in order)

    def _groups(self, source: Source) -> list[_Group]:
        kind = source.kind.value
        found = []
        group = self._named.get((kind, source.name))
        if group is not None:
            found.append(group)
        if self._networks:
            address = source.address or source.name
            found += [group for network, group in self._networks if within(address, network)]
        group = self._kinds.get(kind)
        if group is not None:
            found.append(group)
        found.append(self._anywhere)
        return found

    def _match(self, view: CallView) -> Branch | None:
        number = view.called
        groups = self._groups(view.source)
        stranger = is_stranger(view.source)
        if number.kind is NumberKind.EMERGENCY:
            return self._find(groups, view, True, stranger, True) or self._find(groups, view, False, stranger, True)
        return self._find(groups, view, number.kind is NumberKind.UNKNOWN, stranger, False)

    def _find(
        self, groups: list[_Group], view: CallView, named: bool, stranger: bool, emergency: bool
    ) -> Branch | None:
        text = view.called.text
        size = len(text)
        for group in groups:
            table = group.table
            for length in group.lengths:
                if length > size:
                    continue
                for branch in table.get(text[:length], ()):
                    if branch.regex is not None and branch.regex.fullmatch(text) is None:
                        continue
                    if named and not branch.named:
                        continue
                    for atom, wanted in branch.conditions:
                        if atom.test(view) is not wanted:
                            break
                    else:
                        compiled = self.rules[branch.index]
                        if stranger and not compiled.rule.strangers:
                            continue
                        if emergency and compiled.refusal is not None:
                            continue
                        return branch
        return None

    def numbering_of(self, source: Source) -> Numbering:
        """How numbers from ``source`` are read."""
        if source.kind is SourceKind.TRUNK:
            return self._numberings.get(source.name, self.numbering)
        return self.numbering

    def decide(self, request: CallRequest, at: dt.datetime, state: PlanState | None = None) -> Decision:
        """What to do with a call at a moment (aware). Never raises, whatever the caller sent.

        Raises:
            ValueError: ``at`` is naive.
        """
        if at.tzinfo is None:
            raise ValueError("found a moment without a time zone; right would be an aware datetime")
        state = state or NOTHING_DOWN
        numbering = self.numbering_of(request.source)
        called = numbering.normalise(request.called)
        calling = numbering.normalise(request.calling.number)
        if called.kind is NumberKind.INVALID:
            refusal = Refusal(Cause.INVALID_NUMBER_FORMAT, f"the called number: {called.how}")
            return Decision(self, request, at, state, called, calling, (), (), refusal)
        if request.hops <= 0:
            refusal = Refusal(Cause.EXCHANGE_ROUTING_ERROR, "Max-Forwards is used up", 483)
            return Decision(self, request, at, state, called, calling, (), (), refusal)
        view = CallView(request.source, called, calling, request.headers, at, self.classes)
        followed: tuple[CompiledRule, ...] = ()
        while True:
            branch = self._match(view)
            if branch is None:
                routes: tuple[Route, ...] = ()
                refusal_: Refusal | None = self._no_rule(view)
                break
            compiled = self.rules[branch.index]
            followed = (*followed, compiled)
            if compiled.dial is None:
                routes, refusal_ = self._routes(request, view, compiled, state)
                break
            view.called = compiled.dial
            if len(followed) > MOST_DIALS:
                routes, refusal_ = (
                    (),
                    Refusal(Cause.EXCHANGE_ROUTING_ERROR, f"{compiled.rule.name}: goes in circles", 482),
                )
                break
        return Decision(self, request, at, state, called, calling, followed, routes, refusal_)

    def _no_rule(self, view: CallView) -> Refusal:
        if is_stranger(view.source):
            return Refusal(Cause.CALL_REJECTED, f"nothing is open to strangers such as {view.source.name}", 403)
        if view.called.kind is NumberKind.UNKNOWN:
            return Refusal(Cause.INVALID_NUMBER_FORMAT, f"no rule names {view.called.text}: {view.called.how}")
        return Refusal(Cause.NO_ROUTE_TO_DESTINATION, f"no rule matches {view.called.text}")

    def _routes(
        self, request: CallRequest, view: CallView, compiled: CompiledRule, state: PlanState
    ) -> tuple[tuple[Route, ...], Refusal | None]:
        if compiled.refusal is not None:
            return (), compiled.refusal
        attempts, skipped = usable(compiled.attempts, request.source, state)
        if not attempts:
            if compiled.attempts[0].target.kind is TargetKind.LINE:
                return (), Refusal(Cause.USER_BUSY, f"{compiled.rule.name}: {skipped[0].why}")
            return (), Refusal(Cause.EXCHANGE_ROUTING_ERROR, f"{compiled.rule.name}: {skipped[0].why}", 482)
        name = compiled.rule.name
        return tuple([self._route(request, view, attempt, name) for attempt in attempts]), None

    def _route(self, request: CallRequest, view: CallView, attempt: Attempt, name: str) -> Route:
        called = view.called if attempt.called is None else attempt.called.apply(view.called)
        return Route(
            attempt.target, called.text, self._shown(request, view.calling, attempt), name,
            attempt.ring_timeout_s, attempt.response_timeout_s, attempt.codecs, attempt.headers,
        )  # fmt: skip

    def _shown(self, request: CallRequest, calling: Number, attempt: Attempt) -> Party:
        party = request.calling
        line = self.lines.get(request.source.name) if request.source.kind is SourceKind.LINE else None
        display_name = party.display_name
        if line is not None:
            if attempt.target.kind is TargetKind.TRUNK and calling.kind is not NumberKind.E164:
                calling = self._dids.get(line.number, calling)
            if not calling.text and line.extension:
                calling = Number(NumberKind.EXTENSION, line.extension)
            display_name = display_name or line.display_name
        if attempt.calling is not None:
            calling = attempt.calling.apply(calling)
        if display_name and not display_name.isprintable():
            display_name = "".join(symbol for symbol in display_name if symbol.isprintable())
        if calling.text == party.number and display_name == party.display_name:
            return party
        return Party(calling.text, display_name, party.restricted)

    def identify(self, address: str, port: int | None = None) -> Source:
        """The source that signalling from an IP address is: the trunk with the narrowest network that trusts it, a trusted
        address, or a stranger. Between trunks that trust the same network, ``port`` of the destination decides, then order.
        """
        best: tuple[int, bool, Trunk] | None = None
        for trunk in self.trunks.values():
            for network in trunk.trust:
                if within(address, network):
                    found = (
                        network.prefixlen,
                        port is not None and trunk.destination.partition(";")[0].endswith(f":{port}"),
                    )
                    if best is None or found > best[:2]:
                        best = (*found, trunk)
        if best is not None:
            return Source(SourceKind.TRUNK, best[2].name, address, trusted=True)
        trusted = any(within(address, network) for network in self.trust)
        return Source(SourceKind.ADDRESS, address, address, trusted)

    def digit_map(self, source: Source | str) -> digit_map.DigitMap:
        """When a number dialled by ``source`` (``"line:1"``) is complete.

        Raises:
            ConfigurationError: the text names no source of this plan.
        """
        if isinstance(source, str):
            from voipgw.routing.explain import parse_source

            source = parse_source(source, self)
        key = (source.kind.value, source.name)
        if key not in self._digit_maps:
            self._digit_maps[key] = digit_map.DigitMap(self, source)
        return self._digit_maps[key]


def is_stranger(source: Source) -> bool:
    """Whether nothing is known of a source but its address."""
    return source.kind is SourceKind.ADDRESS and not source.trusted


def usable(
    attempts: tuple[Attempt, ...], source: Source, state: PlanState
) -> tuple[tuple[Attempt, ...], list[Skipped]]:
    """The attempts that make sense for a source, and those left out: back to where it came from, or known to be down."""
    kind, name = source.kind.value, source.name
    skipped: list[Skipped] = []
    found = attempts
    if any(attempt.target.name == name and attempt.target.kind.value == kind for attempt in attempts):
        back = [attempt for attempt in attempts if attempt.target.name == name and attempt.target.kind.value == kind]
        skipped += [Skipped(str(attempt.target), f"the call came from {attempt.target}") for attempt in back]
        found = tuple(attempt for attempt in attempts if attempt not in back)
    if state.down and found:
        up = tuple(
            attempt
            for attempt in found
            if attempt.target.kind.value != "trunk" or attempt.target.name not in state.down
        )
        if up:  # with every trunk down, all are tried: health checks can be wrong
            skipped += [Skipped(str(attempt.target), "it is down") for attempt in found if attempt not in up]
            found = up
    return found, skipped


def _attempts(to: object) -> tuple[object, ...]:
    assert isinstance(to, First)
    return to.attempts


def _chain(*transforms: Transform | None) -> Transform | None:
    kept = tuple(each for each in transforms if each is not None and not isinstance(each, AsE164))
    if not kept:
        return None
    return kept[0] if len(kept) == 1 else Chain(kept)
