"""What makes a plan unusable: names that are not defined, rules that nobody can tell apart, calls that go in circles."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import attrs

from voipgw.call.model import SourceKind
from voipgw.errors import ConfigurationError
from voipgw.routing.branches import Branch, branches_of, covers, meet, sources_meet
from voipgw.routing.numbers import Numbering, NumberKind
from voipgw.routing.pattern import Pattern
from voipgw.routing.place import Place, nearest
from voipgw.routing.predicates import And, Not, Or, Predicate, SourceIs
from voipgw.routing.targets import Dial, First, ToApp, ToLine, ToSpan, ToTrunk, ToUser

if TYPE_CHECKING:
    from voipgw.routing.plan import Plan, Rule

Classes = Mapping[str, tuple[Pattern, ...]]


@attrs.frozen
class Finding:
    """A mistake in a plan."""

    code: str  #: which kind, stable, e.g. ``shadowed-rule``
    place: Place
    found: str
    right: str

    def __str__(self) -> str:
        return f"{self.place}: {self.code}: found {self.found}; right would be {self.right}"


def require_sound(plan: Plan, classes: Classes, numbering: Numbering) -> tuple[list[list[Branch]], list[list[Branch]]]:
    """The branches of every rule, and of everything forbidden, of a plan that can be used.

    Raises:
        ConfigurationError: it cannot; every mistake stands on a line of its own.
    """
    findings, branches, forbidden = faults(plan, classes, numbering)
    if findings:
        raise ConfigurationError(
            "\n".join(f"{each.place}: found {each.found}; right would be {each.right}" for each in findings)
        )
    return branches, forbidden


def faults(
    plan: Plan, classes: Classes, numbering: Numbering
) -> tuple[list[Finding], list[list[Branch]], list[list[Branch]]]:
    """Everything that makes the plan unusable, the branches of its rules, and those of what it forbids."""
    findings: list[Finding] = []
    branches = _apart(plan, plan.rules, classes, findings)
    forbidden = _apart(plan, plan.forbids, classes, findings)
    findings += _ambiguous(plan.rules, branches)
    if not findings:
        findings += _back_to_source(plan.rules, branches)
        findings += _circles(plan.rules, branches, numbering)
    return findings, branches, forbidden


def _apart(plan: Plan, rules: Sequence[Rule], classes: Classes, findings: list[Finding]) -> list[list[Branch]]:
    branches: list[list[Branch]] = []
    for index, rule in enumerate(rules):
        findings += _undefined(plan, rule)
        try:
            branches.append(branches_of(index, rule.when, classes))
        except ConfigurationError as error:
            found, _, right = str(error).removeprefix("found ").partition("; right would be ")
            findings.append(Finding("unusable-condition", rule.place, f"in rule {rule.name!r}: {found}", right))
            branches.append([])
    return branches


def atoms(when: Predicate) -> Iterator[Predicate]:
    """Every predicate inside ``when`` that has no parts."""
    if isinstance(when, (And, Or)):
        for part in when.parts:
            yield from atoms(part)
    elif isinstance(when, Not):
        yield from atoms(when.part)
    else:
        yield when


def _undefined(plan: Plan, rule: Rule) -> Iterator[Finding]:
    trunks, lines = {trunk.name for trunk in plan.trunks}, {line.number for line in plan.lines}
    for atom in atoms(rule.when):
        if not isinstance(atom, SourceIs) or atom.name is None or atom.network is not None:
            continue
        known = {SourceKind.TRUNK: trunks, SourceKind.LINE: lines}.get(atom.kind)
        if known is not None and atom.name not in known:
            kind = atom.kind.value
            found = f"{atom} in rule {rule.name!r}, and no {kind} of that name"
            yield Finding(f"undefined-{kind}", rule.place, found, nearest(atom.name, known, kind))
    for to in rule.to.attempts if isinstance(rule.to, First) else ():
        if isinstance(to, (ToApp, ToSpan, ToUser)):
            continue  # the gateway knows its applications, spans and users
        kind, known = ("trunk", trunks) if isinstance(to, ToTrunk) else ("line", lines)
        if to.name not in known:
            found = f"{to} in rule {rule.name!r}, and no {kind} of that name"
            yield Finding(f"undefined-{kind}", rule.place, found, nearest(to.name, known, kind))


def _ambiguous(rules: Sequence[Rule], branches: list[list[Branch]]) -> Iterator[Finding]:
    alike: dict[tuple[object, ...], list[Branch]] = {}
    for branch in (branch for found in branches for branch in found):
        key = (
            branch.rank,
            rules[branch.index].priority or 0,
            branch.literal if branch.named else "",
            _source_key(branch),
        )
        alike.setdefault(key, []).append(branch)
    reported = set()
    for bucket in alike.values():
        for at, one in enumerate(bucket):
            for other in bucket[:at]:
                pair = (other.index, one.index)
                if one.index != other.index and pair not in reported and meet(one, other):
                    reported.add(pair)
                    mine, theirs = rules[one.index], rules[other.index]
                    found = (
                        f"rule {mine.name!r} and rule {theirs.name!r} at {theirs.place}, equally specific for the same calls "
                        f"(called {one.pattern.intersect(other.pattern) if one.named else 'anything'})"
                    )
                    yield Finding(
                        "ambiguous-rules", mine.place, found, "a priority on one of them, or a narrower condition"
                    )


def _source_key(branch: Branch) -> object:
    source = branch.source
    return None if source is None else (source.kind, source.name, source.network)


def _back_to_source(rules: Sequence[Rule], branches: list[list[Branch]]) -> Iterator[Finding]:
    for rule, found in zip(rules, branches, strict=True):
        for to in rule.to.attempts if isinstance(rule.to, First) else ():
            kind = _SOURCES[type(to)]
            for branch in found:
                source = branch.source
                if source is not None and source.kind is kind and source.name == to.name:
                    text = f"rule {rule.name!r}, which sends calls from {kind.value} {to.name!r} back to it: a loop"
                    yield Finding("loop", rule.place, text, "another target, or another source")
                    break


def _circles(rules: Sequence[Rule], branches: list[list[Branch]], numbering: Numbering) -> Iterator[Finding]:
    ordered = sorted(
        (branch for found in branches for branch in found),
        key=lambda branch: (branch.rank, rules[branch.index].priority or 0),
        reverse=True,
    )
    reported: set[frozenset[int]] = set()
    for index, rule in enumerate(rules):
        if not isinstance(rule.to, Dial):
            continue
        number = numbering.normalise(rule.to.number)
        if number.kind in {NumberKind.INVALID, NumberKind.UNKNOWN} and not _reached(ordered, number.text):
            yield Finding(
                "dial-to-nowhere", rule.place, f"dial({rule.to.number!r}) in rule {rule.name!r}: {number.how}",
                "a number that a rule or a line takes, in E.164 or as an extension",
            )  # fmt: skip
            continue
        for branch in branches[index]:
            circle = _walk(rules, ordered, numbering, [branch])
            if circle is not None and frozenset(circle) not in reported:
                reported.add(frozenset(circle))
                names = ", then ".join(f"{rules[at].name!r} at {rules[at].place}" for at in circle)
                text = f"rules that dial each other without end: {names}: a loop"
                yield Finding("loop", rule.place, text, "a number at the end that reaches a trunk or a line")


def _reached(ordered: list[Branch], text: str) -> bool:
    return any(branch.named and branch.pattern.matches(text) for branch in ordered)


def _walk(rules: Sequence[Rule], ordered: list[Branch], numbering: Numbering, path: list[Branch]) -> list[int] | None:
    """The rules of a circle that a call can get into along ``path``, None when there is none."""
    last = rules[path[-1].index].to
    if not isinstance(last, Dial):
        return None
    text = numbering.normalise(last.number).text
    for branch in ordered:
        if not branch.pattern.matches(text) or any(each.matches(text) for each in branch.without):
            continue
        if not all(_together(branch, earlier) for earlier in path):
            continue
        seen = [earlier.index for earlier in path]
        if branch.index in seen:
            return seen[seen.index(branch.index) :]
        circle = _walk(rules, ordered, numbering, [*path, branch])
        if circle is not None:
            return circle
        if any(_always(branch, earlier) for earlier in path):
            return None
    return None


def _together(one: Branch, other: Branch) -> bool:
    """Whether one call can satisfy the conditions of both, whatever number it has by then."""
    free = Pattern((), 0, 64)
    mine, theirs = (attrs.evolve(each, pattern=free, without=()) for each in (one, other))
    return sources_meet(one.source, other.source) and meet(mine, theirs)


_SOURCES = {
    ToTrunk: SourceKind.TRUNK, ToLine: SourceKind.LINE, ToApp: SourceKind.APP, ToSpan: SourceKind.SPAN, ToUser: SourceKind.USER,
}  # fmt: skip


def _always(branch: Branch, earlier: Branch) -> bool:
    """Whether every call that came by ``earlier`` takes ``branch`` too, its number apart."""
    return covers(attrs.evolve(branch, pattern=earlier.pattern), earlier)
