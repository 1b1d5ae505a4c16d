"""The frozen plan: rules in an index by source and by called prefix, and the decision for a call."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

import attrs

from voipgw.call.model import CallRequest, Party, Refusal, Route, Source, SourceKind, Target, TargetKind
from voipgw.causes import Cause
from voipgw.routing import digit_map, validate
from voipgw.routing import pattern as patterns
from voipgw.routing.branches import Branch
from voipgw.routing.decision import NOTHING_DOWN, Decision, PlanState, Skipped
from voipgw.routing.index import Attempt, CompiledRule, RuleIndex, is_stranger
from voipgw.routing.numbers import Number, Numbering, NumberKind, class_patterns
from voipgw.routing.pattern import Pattern
from voipgw.routing.predicates import CallView, within
from voipgw.routing.targets import Dial, First, Redirect, Reject, ToApp, ToLine, ToSpan, ToUser
from voipgw.routing.transforms import AsE164, Chain, Transform

if TYPE_CHECKING:
    from voipgw.routing.plan import Line, Plan, Rule, Trunk

MOST_DIALS = 8  #: rules that dial another number, one after the other


class CompiledPlan:
    """A snapshot of a plan: checked, frozen, and fast. Made by ``Plan.compile``.

    Attributes:
        trunks: by name.
        lines: by number, as text.
        rules: in the order written.
        forbids: likewise.
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
        self.classes = number_classes(plan)
        branches, forbidden = validate.require_sound(plan, self.classes, self.numbering)
        self.rules = tuple(
            self._compiled_rule(rule, tuple(found)) for rule, found in zip(plan.rules, branches, strict=True)
        )
        self._dids = {
            line.number: Number(NumberKind.E164, line.did, f"the number of line {line.number}")
            for line in plan.lines
            if line.did
        }
        self.forbids = tuple(
            CompiledRule(rule, tuple(found), refusal=_refusal(rule))
            for rule, found in zip(plan.forbids, forbidden, strict=True)
        )
        self._index = RuleIndex(self.rules)
        self._forbidden = RuleIndex(self.forbids) if self.forbids else None
        written = "\n".join(map(repr, (plan.country, plan.area, plan.trust, plan.emergency, *plan.trunks, *plan.lines)))
        rules = "\n".join(map(repr, (*plan.rules, *plan.forbids)))
        self.fingerprint = hashlib.sha256(f"{written}\n{rules}".encode()).hexdigest()[:12]
        self._rejects = frozenset(
            index for index, rule in enumerate(self.rules) if rule.refusal is not None and not rule.refusal.contacts
        )
        self._reaches: dict[tuple[object, ...], digit_map.Reach] = {}
        self._digit_maps: dict[tuple[str, str], digit_map.DigitMap] = {}

    def _compiled_rule(self, rule: Rule, branches: tuple[Branch, ...]) -> CompiledRule:
        to = rule.to
        if isinstance(to, (Reject, Redirect)):
            return CompiledRule(rule, branches, refusal=_refusal(rule))
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
        if isinstance(to, (ToApp, ToUser)):
            kind = TargetKind.APP if isinstance(to, ToApp) else TargetKind.USER
            return Attempt(
                Target(kind, to.name), _chain(rule.called), _chain(rule.calling),
                rule.ring_timeout_s or 60.0, 4.0, rule.codecs, rule.headers,
            )  # fmt: skip
        if isinstance(to, ToSpan):
            return Attempt(
                Target(TargetKind.SPAN, to.name), _chain(rule.called), _chain(rule.calling),
                rule.ring_timeout_s or 60.0, 10.0, rule.codecs, rule.headers,
            )  # fmt: skip
        name, called, calling = to.name, to.called, to.calling  # type: ignore[attr-defined]
        trunk = self.trunks[name]
        return Attempt(
            Target(TargetKind.TRUNK, name), _chain(rule.called, called or trunk.called),
            _chain(rule.calling, calling or trunk.calling), rule.ring_timeout_s or trunk.ring_timeout_s,
            trunk.response_timeout_s, rule.codecs or trunk.codecs, trunk.headers + rule.headers,
        )  # fmt: skip

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
        rules, routes, refused = self._follow(request, view, state)
        return Decision(self, request, at, state, called, calling, rules, routes, refused)

    def _follow(
        self, request: CallRequest, view: CallView, state: PlanState
    ) -> tuple[tuple[CompiledRule, ...], tuple[Route, ...], Refusal | None]:
        """The rules that a call goes through, and what comes of it."""
        followed: tuple[CompiledRule, ...] = ()
        while len(followed) <= MOST_DIALS:
            if self._forbidden is not None and view.called.kind is not NumberKind.EMERGENCY:
                forbidden = self._forbidden.match_any(view)
                if forbidden is not None:
                    return (*followed, forbidden), (), forbidden.refusal
            compiled = self._index.match(view)
            if compiled is None:
                return followed, (), self._no_rule(view)
            followed = (*followed, compiled)
            if compiled.dial is None:
                return (followed, *self._routes(request, view, compiled, state))
            view.called = compiled.dial
        return followed, (), Refusal(Cause.EXCHANGE_ROUTING_ERROR, f"{followed[-1].rule.name}: dials without end", 482)

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
        target = attempt.target if attempt.target.name else attrs.evolve(attempt.target, name=called.text)
        return Route(
            target, called.text, self._shown(request, view.calling, attempt), name,
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

    def reach(self, branches: Sequence[Branch], numbering: Numbering) -> digit_map.Reach:
        """The numbers that ``branches`` reach, worked out once for all sources that have them in common."""
        key = (id(numbering), *map(id, branches))
        if key not in self._reaches:
            self._reaches[key] = digit_map.Reach(branches, numbering, self._rejects)
        return self._reaches[key]

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


def number_classes(plan: Plan) -> dict[str, tuple[Pattern, ...]]:
    """The called numbers of each class in a plan, as patterns; ``national`` and ``international`` need its country."""
    names = ["toll_free", "premium", "mobile", *(["national", "international"] if plan.country else [])]
    readings = (plan.numbering, *(trunk.numbering for trunk in plan.trunks))
    emergency = {number for reading in readings for number in reading.emergency}
    return {name: class_patterns(name, plan.country) for name in names} | {
        "emergency": tuple(map(patterns.exact, sorted(emergency))),
        "extension": tuple(patterns.exact(line.extension) for line in plan.lines if line.extension),
    }


def _refusal(rule: Rule) -> Refusal:
    if isinstance(rule.to, Redirect):
        status = 301 if rule.to.permanent else 302
        uris = rule.to.contacts
        contacts = [f"<{uri}>;q={max(1.0 - 0.1 * at, 0.1):.1f}" for at, uri in enumerate(uris)]
        shown = (f"<{uris[0]}>",) if len(uris) == 1 else tuple(contacts)
        return Refusal(Cause.REDIRECTION_TO_NEW_DESTINATION, rule.name, status, shown)
    assert isinstance(rule.to, Reject)
    return Refusal(rule.to.cause, rule.name, rule.to.status)


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
