"""The compiled rules of a plan, indexed by source and by the beginning of the called number."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import attrs

from voipgw.call.model import Refusal, Source, SourceKind, Target
from voipgw.routing.branches import Branch
from voipgw.routing.numbers import Number, NumberKind
from voipgw.routing.predicates import CallView, Network, within
from voipgw.routing.transforms import Transform

if TYPE_CHECKING:
    from voipgw.routing.plan import Rule


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


class RuleIndex:
    """Finds the most specific rule for a call: the group of its source first, then the longest literal beginning."""

    def __init__(self, rules: Sequence[CompiledRule]) -> None:
        self.rules = tuple(rules)
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

    def match(self, view: CallView) -> CompiledRule | None:
        """The rule that decides, None when none matches.

        An emergency call takes a rule that names its number before any other, and never one that rejects; digits that are
        no number of the country are only matched by rules that name them; strangers only by rules open to them.
        """
        kind = view.called.kind
        groups = self._groups(view.source)
        stranger = is_stranger(view.source)
        if kind is NumberKind.EMERGENCY:
            return self._find(groups, view, True, stranger, True) or self._find(groups, view, False, stranger, True)
        return self._find(groups, view, kind is NumberKind.UNKNOWN, stranger, False)

    def match_any(self, view: CallView) -> CompiledRule | None:
        """Any rule whose condition holds, whatever the number is."""
        return self._find(self._groups(view.source), view, False, False, False)

    def _find(
        self, groups: list[_Group], view: CallView, named: bool, stranger: bool, emergency: bool
    ) -> CompiledRule | None:
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
                        if (stranger and not compiled.rule.strangers) or (
                            emergency and compiled.refusal is not None and not compiled.refusal.contacts
                        ):
                            continue
                        return compiled
        return None


def is_stranger(source: Source) -> bool:
    """Whether nothing is known of a source but its address."""
    return source.kind is SourceKind.ADDRESS and not source.trusted
