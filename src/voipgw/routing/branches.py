"""A rule's predicate taken apart into branches: each is one set of called numbers, one source and a list of conditions.

Branches are what can be indexed, ranked by how specific they are, and compared with those of other rules.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import attrs

from voipgw.errors import ConfigurationError
from voipgw.routing import pattern as patterns
from voipgw.routing.pattern import Pattern
from voipgw.routing.predicates import And, Anything, At, ClassIs, HeaderIs, Not, NumberIs, Or, Predicate, SourceIs

MOST = 4096  #: branches of one rule

Literal = tuple[Predicate, bool]
Rank = tuple[int, int, int, int, int, int]
_NAMED = 200


@attrs.frozen
class InPattern(Predicate):
    """One set of called numbers, out of a predicate that has several."""

    pattern: Pattern


@attrs.frozen(eq=False)
class Branch:
    """One way for a call to match a rule."""

    index: int  #: which rule
    pattern: Pattern  #: called numbers
    named: bool  #: the rule says something of the called number
    without: tuple[Pattern, ...]  #: called numbers that are excepted
    source: SourceIs | None
    conditions: tuple[Literal, ...]  #: what has to be tested besides pattern and source
    rank: Rank  #: source, literal prefix, further positions, window, calling prefix, number of other conditions
    regex: re.Pattern[str] | None  #: tests the called number where its literal prefix does not decide

    @property
    def literal(self) -> str:
        """The literal beginning of the called number."""
        return self.pattern.literal


def branches_of(index: int, when: Predicate, classes: Mapping[str, tuple[Pattern, ...]]) -> list[Branch]:
    """The branches of a rule; none when it contradicts itself.

    Raises:
        ConfigurationError: the predicate has too many alternatives, or needs a country that the plan does not name.
    """
    found = []
    for literals in _expand(when, True, classes):
        branch = _branch(index, literals, classes)
        if branch is not None:
            found.append(branch)
    return found


def _class(name: str, classes: Mapping[str, tuple[Pattern, ...]]) -> tuple[Pattern, ...]:
    if name not in classes:
        raise ConfigurationError(
            f"found number_class.{name} in a plan without a country; right would be Plan(country='us')"
        )
    return classes[name]


def _expand(when: Predicate, wanted: bool, classes: Mapping[str, tuple[Pattern, ...]]) -> list[tuple[Literal, ...]]:
    """Disjunctive normal form: alternatives, each a list of atoms with the truth they must have."""
    if isinstance(when, Not):
        return _expand(when.part, not wanted, classes)
    if isinstance(when, Anything):
        return [()] if wanted else []
    if isinstance(when, (And, Or)):
        parts = [_expand(part, wanted, classes) for part in when.parts]
        if isinstance(when, And) is not wanted:
            return [alternative for part in parts for alternative in part]
        whole: list[tuple[Literal, ...]] = [()]
        for part in parts:
            if len(whole) * len(part) > MOST:
                raise ConfigurationError(
                    f"found a condition with more than {MOST} alternatives; right would be several rules"
                )
            whole = [one + other for one in whole for other in part]
        return whole
    if wanted and isinstance(when, NumberIs) and when.party == "called":
        return [((InPattern(pattern), True),) for pattern in when.patterns]
    if isinstance(when, ClassIs):
        found = _class(when.name, classes)
        if wanted:
            kept: tuple[Literal, ...] = ((when, True),) if when.name in {"emergency", "extension"} else ()
            return [((InPattern(pattern), True), *kept) for pattern in found]
    return [((when, wanted),)]


def _branch(index: int, literals: tuple[Literal, ...], classes: Mapping[str, tuple[Pattern, ...]]) -> Branch | None:
    pattern: Pattern | None = patterns.ANY
    named, source = False, None
    without: list[Pattern] = []
    conditions: list[Literal] = []
    for atom, wanted in dict.fromkeys(literals):
        if isinstance(atom, InPattern):
            assert pattern is not None
            pattern, named = pattern.intersect(atom.pattern), True
            if pattern is None:
                return None
        elif wanted and isinstance(atom, SourceIs):
            kept = _narrower(source, atom)
            if kept is None:
                return None
            if source is not None:  # two networks, or a network and a name: the index takes one, the other is tested
                conditions.append((source if kept is atom else atom, True))
            source = kept
        else:
            if not wanted:
                without += _patterns_of(atom, classes)
            conditions.append((atom, wanted))
    assert pattern is not None
    if any(each.contains(pattern) for each in without) or not _possible(source, conditions):
        return None
    rank = _rank(source, pattern, named, conditions)
    regex = None if pattern.is_prefix or not named else re.compile(pattern.regex)
    return Branch(index, pattern, named, tuple(without), source, tuple(conditions), rank, regex)


def _patterns_of(atom: Predicate, classes: Mapping[str, tuple[Pattern, ...]]) -> tuple[Pattern, ...]:
    if isinstance(atom, NumberIs) and atom.party == "called":
        return atom.patterns
    return _class(atom.name, classes) if isinstance(atom, ClassIs) and atom.name != "emergency" else ()


def _narrower(one: SourceIs | None, other: SourceIs) -> SourceIs | None:
    """The more specific of two sources that one call can have both, None where no call can."""
    if one is None or one == other:
        return other
    if one.network is None and other.network is None:
        if one.kind is not other.kind or None not in (one.name, other.name):
            return None
        return one if one.name is not None else other
    return max(one, other, key=_source_rank) if sources_meet(one, other) else None


def sources_meet(one: SourceIs | None, other: SourceIs | None) -> bool:
    """Whether some call can come from both."""
    if one is None or other is None:
        return True
    if one.network is not None and other.network is not None:
        return one.network.version == other.network.version and one.network.overlaps(other.network)
    if one.network is not None or other.network is not None:
        return True
    return one.kind is other.kind and (one.name is None or other.name is None or one.name == other.name)


def source_within(inner: SourceIs | None, outer: SourceIs | None) -> bool:
    """Whether every call from ``inner`` is one from ``outer``."""
    if outer is None or inner == outer:
        return True
    if inner is None or inner.network is not None or outer.network is not None:
        return False
    return inner.kind is outer.kind and outer.name is None


def _possible(source: SourceIs | None, conditions: list[Literal]) -> bool:
    held = set(conditions)
    for atom, wanted in conditions:
        if (atom, not wanted) in held:
            return False
        if not wanted and source is not None and isinstance(atom, SourceIs) and source_within(source, atom):
            return False
    return True


def _source_rank(source: SourceIs | None) -> int:
    if source is None:
        return 0
    if source.network is not None:
        return 2 + source.network.prefixlen + (96 if source.network.version == 4 else 0)
    return 1 if source.name is None else _NAMED


def _rank(source: SourceIs | None, pattern: Pattern, named: bool, conditions: list[Literal]) -> Rank:
    literal = len(pattern.literal) if named else 0
    narrow = sum(1 for value in pattern.head[literal:] if value != patterns.DIGITS) if named else 0
    bounded = 1 if named and pattern.longest < patterns.LONGEST else 0
    window = calling = other = 0
    for atom, wanted in conditions:
        if isinstance(atom, At):
            window = 1
        elif isinstance(atom, NumberIs) and atom.party == "calling" and wanted:
            calling = max(calling, 1 + min(len(each.literal) for each in atom.patterns))
        elif not (isinstance(atom, ClassIs) and wanted):
            other += 1
    return _source_rank(source), literal, 2 * narrow + bounded, window, calling, other


def meet(one: Branch, other: Branch) -> bool:
    """Whether some call can match both; where that cannot be told, it counts as yes."""
    if not sources_meet(one.source, other.source):
        return False
    both = one.pattern.intersect(other.pattern)
    if both is None or any(each.contains(both) for each in (*one.without, *other.without)):
        return False
    return not any(_exclude(mine, theirs) for mine in one.conditions for theirs in other.conditions) and not any(
        _source_excluded(source, conditions)
        for source, conditions in ((one.source, other.conditions), (other.source, one.conditions))
    )


def _source_excluded(source: SourceIs | None, conditions: tuple[Literal, ...]) -> bool:
    return source is not None and any(
        isinstance(atom, SourceIs) and not wanted and source_within(source, atom) for atom, wanted in conditions
    )


def _exclude(one: Literal, other: Literal) -> bool:
    (mine, wanted), (theirs, also) = one, other
    if mine == theirs:
        return wanted is not also
    if not (wanted and also):
        return False
    if isinstance(mine, At) and isinstance(theirs, At) and mine.zone.key == theirs.zone.key:
        return not mine.minutes() & theirs.minutes()
    if isinstance(mine, NumberIs) and isinstance(theirs, NumberIs):
        return not any(first.intersect(second) for first in mine.patterns for second in theirs.patterns)
    if isinstance(mine, HeaderIs) and isinstance(theirs, HeaderIs) and mine.name.lower() == theirs.name.lower():
        return mine.how == theirs.how == "=="
    return isinstance(mine, ClassIs) and isinstance(theirs, ClassIs)


def covers(general: Branch, special: Branch) -> bool:
    """Whether every call that matches ``special`` surely matches ``general`` too."""
    if not source_within(special.source, general.source) or not general.pattern.contains(special.pattern):
        return False
    return all(literal in special.conditions or _implied(literal, special) for literal in general.conditions)


def _implied(literal: Literal, special: Branch) -> bool:
    atom, wanted = literal
    if not wanted and isinstance(atom, NumberIs) and atom.party == "called":
        return not any(each.intersect(special.pattern) for each in atom.patterns)
    if isinstance(atom, SourceIs) and special.source is not None:
        return not wanted and not sources_meet(special.source, atom)
    return False
