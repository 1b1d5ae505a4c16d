"""When a number that somebody is dialling is complete, derived from the plan (what H.248.1 section 7.1.14 calls a digit map)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import attrs

from voipgw.call.model import Source, SourceKind
from voipgw.pstn.dialling import DigitMatch
from voipgw.routing import pattern as patterns
from voipgw.routing.branches import Branch
from voipgw.routing.numbers import Number, Numbering, NumberKind
from voipgw.routing.pattern import Pattern
from voipgw.routing.predicates import At, ClassIs, HeaderIs, NumberIs, Predicate, SourceIs, within

if TYPE_CHECKING:
    from voipgw.routing.compiled import CompiledPlan

__all__ = ["DigitMap", "DigitMatch"]

_MOST_CACHED = 4096
_LONGEST_SHORT = 32
_SHORT = Pattern((), 1, _LONGEST_SHORT, patterns.DIALLED)
_PLAIN = Pattern((), 1, _LONGEST_SHORT, patterns.class_of("0123456789*"))
_DIALLED = frozenset("0123456789*#+")
_PLUS = (patterns.parse("+ZX{2,14}"),)
_BARE_E164 = (patterns.parse("ZX{6,14}"),)


@attrs.frozen
class _Way:
    """Dialled strings that some rule takes."""

    dialled: Pattern
    without: tuple[Pattern, ...] = ()

    def grows(self, digits: str) -> bool:
        """Whether a longer string of this set begins with ``digits``."""
        rest = self.dialled.starting(digits)
        if rest is None or rest.longest <= len(digits):
            return False
        longer = rest.intersect(Pattern((), len(digits) + 1, patterns.LONGEST, patterns.ALL))
        return longer is not None and not any(each.contains(longer) for each in self.without)


class Reach:
    """The numbers that some branches of a plan reach, indexed by how they begin. Sources share it."""

    def __init__(self, branches: Sequence[Branch], numbering: Numbering, rejects: frozenset[int]) -> None:
        self._rejects = rejects
        self._branches: dict[str, list[Branch]] = {}
        for branch in branches:
            self._branches.setdefault(branch.literal if branch.named else "", []).append(branch)
        self._ways: dict[str, list[_Way]] = {}
        self._excepted: list[_Way] = []
        self._beginnings: set[str] = set()
        for way in dict.fromkeys(self._all_ways(branches, numbering)):
            literal = way.dialled.literal
            if way.without:
                self._excepted.append(way)
                continue
            self._ways.setdefault(literal, []).append(way)
            self._beginnings.update(literal[:size] for size in range(len(literal)))

    @property
    def empty(self) -> bool:
        """Whether no number is reached."""
        return not (self._ways or self._excepted)

    def _all_ways(self, branches: Sequence[Branch], numbering: Numbering) -> Iterator[_Way]:
        for text in sorted(numbering.extensions | numbering.emergency):
            if self.routable(numbering.normalise(text)):
                yield _Way(patterns.exact(text))
        for branch in branches:
            if not any(isinstance(atom, ClassIs) and wanted for atom, wanted in branch.conditions):
                yield from _ways_of(branch, numbering)

    def routable(self, number: Number) -> bool:
        """Whether a branch takes the number, at some time and from some calling number."""
        kind, text = number.kind, number.text
        if kind is NumberKind.INVALID:
            return False
        return any(
            branch.pattern.matches(text)
            and _of_kind(branch, kind)
            and not any(each.matches(text) for each in branch.without)
            and not (kind is NumberKind.EMERGENCY and branch.index in self._rejects)
            and not (kind is NumberKind.UNKNOWN and not branch.named)
            for size in range(len(text) + 1)
            for branch in self._branches.get(text[:size], ())
        )

    def grows(self, digits: str) -> bool:
        """Whether a longer number than ``digits`` begins so."""
        return (
            digits in self._beginnings
            or any(way.grows(digits) for size in range(len(digits) + 1) for way in self._ways.get(digits[:size], ()))
            or any(way.grows(digits) for way in self._excepted)
        )


class DigitMap:
    """The numbers that one source can dial. It follows the plan's normalisation, its rules and the lengths of the country.

    It looks at called numbers and at the source; time windows and calling numbers count as perhaps. What it calls complete
    is what ``CompiledPlan.decide`` finds a rule for; what it calls impossible, no further digit makes possible.
    """

    def __init__(self, plan: CompiledPlan, source: Source) -> None:
        self.source = source
        self._numbering = plan.numbering_of(source)
        stranger = source.kind is SourceKind.ADDRESS and not source.trusted
        shared: list[Branch] = []
        own: list[Branch] = []
        for rule in plan.rules:
            for branch in rule.branches:
                if (rule.rule.strangers or not stranger) and _applies(branch, source):
                    named = branch.source is not None and branch.source.name is not None
                    (own if named else shared).append(branch)
        self._reaches = (plan.reach(shared, self._numbering), plan.reach(own, self._numbering))
        self._cache: dict[str, DigitMatch] = {}

    def match(self, digits: str) -> DigitMatch:
        """What ``digits``, dialled so far, amount to."""
        found = self._cache.get(digits)
        if found is None:
            if len(self._cache) >= _MOST_CACHED:
                self._cache.clear()
            found = self._cache[digits] = self._match(digits)
        return found

    def _match(self, digits: str) -> DigitMatch:
        if not digits:
            possible = any(not reach.empty for reach in self._reaches)
            return DigitMatch.INCOMPLETE if possible else DigitMatch.IMPOSSIBLE
        if not set(digits) <= _DIALLED:
            return DigitMatch.IMPOSSIBLE
        number = self._numbering.normalise(digits)
        complete = any(reach.routable(number) for reach in self._reaches)
        if complete and number.kind is NumberKind.EMERGENCY:
            return DigitMatch.COMPLETE  # nobody waits for a longer number here
        grows = any(reach.grows(digits) for reach in self._reaches)
        if complete:
            return DigitMatch.COMPLETE_MAY_GROW if grows else DigitMatch.COMPLETE
        return DigitMatch.INCOMPLETE if grows else DigitMatch.IMPOSSIBLE


def _ways_of(branch: Branch, numbering: Numbering) -> Iterator[_Way]:
    free = numbering.country is None and not numbering.e164
    if branch.named or free:
        short = branch.pattern.intersect(_SHORT if branch.named else _PLAIN)
        if short is not None:
            yield _Way(short, branch.without)
    yield from _through(branch, Pattern(), "", _PLUS)
    if numbering.e164:
        yield from _through(branch, Pattern(), "+", _BARE_E164)
    for form in numbering.forms:
        yield from _through(branch, form.dialled, form.text, form.rest)


def _through(branch: Branch, dialled: Pattern, text: str, rest: tuple[Pattern, ...]) -> Iterator[_Way]:
    """The ways to dial a branch's numbers when ``dialled`` in front stands for ``text``."""
    wanted = branch.pattern.after(text)
    if wanted is None:
        return
    without = tuple(
        _behind(dialled, each) for each in (each.after(text) for each in branch.without) if each is not None
    )
    for each in rest:
        both = each.intersect(wanted)
        if both is not None:
            yield _Way(_behind(dialled, both), without)


def _behind(dialled: Pattern, rest: Pattern) -> Pattern:
    return attrs.evolve(rest, head=dialled.head + rest.head)


def _applies(branch: Branch, source: Source) -> bool:
    """Whether a call from ``source`` can match, as far as its source and headers say; a telephone sends no headers."""
    if branch.source is not None and not _comes_from(branch.source, source):
        return False
    for atom, wanted in branch.conditions:
        known = _known(atom, source)
        if known is not None and known is not wanted:
            return False
    return True


def _known(atom: Predicate, source: Source) -> bool | None:
    if isinstance(atom, SourceIs):
        return _comes_from(atom, source)
    if isinstance(atom, HeaderIs) and source.kind is SourceKind.LINE:
        return False
    assert isinstance(atom, (At, NumberIs, ClassIs, HeaderIs)), atom
    return None


def _comes_from(atom: SourceIs, source: Source) -> bool:
    if atom.network is not None:
        return within(source.address or source.name, atom.network)
    return source.kind is atom.kind and (atom.name is None or source.name == atom.name)


def _of_kind(branch: Branch, kind: NumberKind) -> bool:
    for atom, wanted in branch.conditions:
        special = isinstance(atom, ClassIs) and atom.name in {"emergency", "extension"}
        if special and (kind.value == atom.name) is not wanted:  # type: ignore[attr-defined]
            return False
    return True
