"""What ``voipgw check`` finds in a plan: everything that makes it unusable, and what is legal but surely not meant."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import attrs

from voipgw.call.model import Source, SourceKind
from voipgw.routing import pattern as patterns
from voipgw.routing.branches import Branch, covers, meet
from voipgw.routing.compiled import number_classes
from voipgw.routing.numbers import Numbering, NumberKind
from voipgw.routing.plan import Plan, Rule
from voipgw.routing.predicates import At, ClassIs, NumberIs, SourceIs
from voipgw.routing.targets import First, Reject, ToLine, ToTrunk
from voipgw.routing.validate import Finding, atoms, faults

__all__ = ["Finding", "check"]


@attrs.frozen
class _Checked:
    """A plan with what the checks share."""

    plan: Plan
    numbering: Numbering
    branches: list[list[Branch]]
    forbidden: list[list[Branch]]

    def pairs(self) -> Iterator[tuple[Rule, list[Branch]]]:
        return zip(self.plan.rules, self.branches, strict=True)

    @property
    def every(self) -> list[Branch]:
        return [branch for found in self.branches for branch in found]


def check(plan: Plan) -> list[Finding]:
    """Every mistake in a plan, in the order of its lines. A plan without mistakes gives an empty list.

    The kinds, by code: ``undefined-trunk undefined-line ambiguous-rules loop dial-to-nowhere unusable-condition`` (these
    keep a plan from being compiled), ``never-matches shadowed-rule forbidden-rule toothless-reject unused-trunk
    unreachable-line no-emergency-route part-time-emergency extension-is-emergency extension-behind-emergency
    extension-is-number dialled-number-in-rule open-to-strangers trusts-everyone shared-network twice-tried same-destination
    no-rules``.
    """
    extensions = [line.extension for line in plan.lines if line.extension]
    numbering = plan.numbering.extended(extensions)
    findings, branches, forbidden = faults(plan, number_classes(plan), numbering)
    if not findings:
        checked = _Checked(plan, numbering, branches, forbidden)
        for each in _CHECKS:
            findings += each(checked)
    return sorted(findings, key=lambda found: (found.place.file, found.place.line, found.code))


def _rules_without_effect(checked: _Checked) -> Iterator[Finding]:
    rules = checked.plan.rules
    strong = sorted(checked.every, key=lambda branch: (branch.rank, rules[branch.index].priority or 0), reverse=True)
    for index, (rule, branches) in enumerate(checked.pairs()):
        if not branches:
            yield Finding(
                "never-matches", rule.place, f"rule {rule.name!r}, whose condition contradicts itself: {rule.when}",
                "a condition that some call can meet",
            )  # fmt: skip
            continue
        by: set[int] = set()
        if all(_overtaken(rules, strong, branch, by) for branch in branches):
            others = ", ".join(f"{rules[other].name!r} at {rules[other].place}" for other in sorted(by - {index}))
            yield Finding(
                "shadowed-rule", rule.place, f"rule {rule.name!r}, all of whose calls {others} takes first",
                "a narrower condition there, a higher priority here, or no such rule",
            )  # fmt: skip
        elif all(any(covers(each, branch) for found in checked.forbidden for each in found) for branch in branches):
            found = f"rule {rule.name!r}, all of whose calls are forbidden"
            yield Finding("forbidden-rule", rule.place, found, "a narrower plan.forbid(), or no such rule")


def _overtaken(rules: Sequence[Rule], strong: list[Branch], branch: Branch, by: set[int]) -> bool:
    mine = (branch.rank, rules[branch.index].priority or 0)
    for other in strong:
        if (other.rank, rules[other.index].priority or 0) < mine:
            return False
        open_to_as_many = rules[other.index].strangers or not rules[branch.index].strangers
        if other.index != branch.index and open_to_as_many and covers(other, branch):
            by.add(other.index)
            return True
    return False


def _toothless(checked: _Checked) -> Iterator[Finding]:
    """A reject rule beside an accepting one that wins because it names a source: the author surely meant to forbid."""
    rules = checked.plan.rules
    for rule, branches in checked.pairs():
        if not isinstance(rule.to, Reject):
            continue
        if branches and all(_only_emergency(branch) for branch in branches):
            found = f"rule {rule.name!r}, which rejects emergency calls, and those are never rejected"
            yield Finding("toothless-reject", rule.place, found, "no such rule")
            continue
        for branch in branches:
            other = next((each for each in checked.every if _beats_reject(rules, each, branch)), None)
            if other is not None:
                winner = rules[other.index]
                yield Finding(
                    "toothless-reject", rule.place,
                    f"rule {rule.name!r}, which rejects calls that {winner.name!r} at {winner.place} takes first because it "
                    f"names {other.source}",
                    f"plan.forbid({rule.name!r}, when=...), which wins over every rule",
                )  # fmt: skip
                break


def _beats_reject(rules: Sequence[Rule], accept: Branch, refuse: Branch) -> bool:
    return (
        not isinstance(rules[accept.index].to, Reject)
        and refuse.named
        and accept.rank[0] > refuse.rank[0]
        and accept.rank[1:] < refuse.rank[1:]
        and meet(accept, refuse)
    )


def _only_emergency(branch: Branch) -> bool:
    return any(isinstance(atom, ClassIs) and atom.name == "emergency" and wanted for atom, wanted in branch.conditions)


def _unused(checked: _Checked) -> Iterator[Finding]:
    plan = checked.plan
    used = {attempt for rule in plan.rules if isinstance(rule.to, First) for attempt in rule.to.attempts}
    asked = {
        atom.name for rule in (*plan.rules, *plan.forbids) for atom in atoms(rule.when) if isinstance(atom, SourceIs)
    }
    trunks = {attempt.name for attempt in used if isinstance(attempt, ToTrunk)}
    lines = {attempt.name for attempt in used if isinstance(attempt, ToLine)}
    for trunk in plan.trunks:
        if trunk.name not in trunks and trunk.name not in asked and not trunk.trust and not trunk.trust_registrar:
            found = f"trunk {trunk.name!r}, which no rule sends a call to, and no network is trusted as"
            yield Finding("unused-trunk", trunk.place, found, "a rule with it, trust=[...], or no such trunk")
    for line in plan.lines:
        if line.number not in lines:
            found = f"line {line.number}, which no call can reach"
            yield Finding("unreachable-line", line.place, found, "extension='...', did='+...', or a rule to=line(...)")
    if not plan.rules:
        yield Finding("no-rules", plan.place, "a plan without a rule: every call is refused", "plan.route(...)")


def _emergency(checked: _Checked) -> Iterator[Finding]:
    plan, numbering = checked.plan, checked.numbering
    if not numbering.emergency or not plan.rules:
        return
    for line in plan.lines or (None,):
        source = Source(SourceKind.LINE, line.number) if line else Source(SourceKind.USER, "")
        for number in sorted(numbering.emergency):
            routes = [branch for branch in checked.every if _takes_emergency(plan.rules, branch, number, source)]
            who = f"line {line.number}" if line else "a user"
            if not routes:
                yield Finding(
                    "no-emergency-route", plan.place, f"no rule that takes {number} from {who}",
                    "plan.route('emergency', when=number_class.emergency, to=first(...))",
                )  # fmt: skip
                break
            if not any(_always(branch) for branch in routes):
                rule = plan.rules[routes[0].index]
                found = f"{number} from {who} taken only by rules with a time window, a header or a calling number"
                yield Finding("part-time-emergency", rule.place, found, "a rule for emergency calls without conditions")
                break
        else:
            continue
        break


def _takes_emergency(rules: Sequence[Rule], branch: Branch, number: str, source: Source) -> bool:
    mine = branch.source
    if isinstance(rules[branch.index].to, Reject) or not branch.pattern.matches(number):
        return False
    if mine is not None and (mine.network is not None or mine.kind is not source.kind):
        return False
    if mine is not None and mine.name is not None and mine.name != source.name:
        return False
    if any(isinstance(atom, ClassIs) and not wanted and atom.name == "emergency" for atom, wanted in branch.conditions):
        return False
    return not any(each.matches(number) for each in branch.without)


def _always(branch: Branch) -> bool:
    for atom, wanted in branch.conditions:
        if isinstance(atom, At) or not isinstance(atom, (ClassIs, NumberIs, SourceIs)):
            return False
        if isinstance(atom, NumberIs) and atom.party == "calling" and wanted:
            return False
    return True


def _extensions(checked: _Checked) -> Iterator[Finding]:
    plain = checked.plan.numbering
    for line in checked.plan.lines:
        text = line.extension
        if not text:
            continue
        if text in plain.emergency:
            found = f"extension {text!r} of line {line.number}, an emergency number here"
            right = "another extension, or Plan(emergency=[...]) without that number"
            yield Finding("extension-is-emergency", line.place, found, right)
            continue
        before = [number for number in plain.emergency if text.startswith(number)]
        if before:
            found = (
                f"extension {text!r} of line {line.number}: dialling it calls the emergency number {before[0]} half way"
            )
            yield Finding("extension-behind-emergency", line.place, found, "an extension that begins otherwise")
        elif plain.normalise(text).kind is NumberKind.E164:
            number = plain.normalise(text).text
            found = f"extension {text!r} of line {line.number}, which hides the number {number}"
            yield Finding(
                "extension-is-number", line.place, found, "a shorter extension, or did= for a number from outside"
            )


def _dialled_numbers(checked: _Checked) -> Iterator[Finding]:
    country = checked.numbering.country
    if country is None:
        return
    fronts = [front for front in (country.international, country.trunk) if front]
    for rule in (*checked.plan.rules, *checked.plan.forbids):
        for atom in atoms(rule.when):
            if not isinstance(atom, NumberIs):
                continue
            for pattern in atom.patterns:
                text = pattern.literal
                long = pattern.shortest >= 7 or len(text) >= 7
                dialled = next((front for front in fronts if front[0] == "0" and text.startswith(front)), None)
                if not text.startswith("+") and (long or dialled) and pattern.head[:1] != (patterns.class_of("+"),):
                    found = f"{atom} in rule {rule.name!r}, a number as it is dialled"
                    right = f"E.164 as the plan looks numbers up, such as {'+' + country.code!r} in front"
                    yield Finding("dialled-number-in-rule", rule.place, found, right)
                    break


def _openness(checked: _Checked) -> Iterator[Finding]:
    plan = checked.plan
    for rule in plan.rules:
        if rule.strangers and isinstance(rule.to, First) and any(isinstance(to, ToTrunk) for to in rule.to.attempts):
            found = f"rule {rule.name!r}, by which anybody on the network can call out by a trunk"
            yield Finding("open-to-strangers", rule.place, found, "strangers=True only for rules to lines")
    for place, networks in ((plan.place, plan.trust), *((trunk.place, trunk.trust) for trunk in plan.trunks)):
        for network in networks:
            if network.prefixlen == 0:
                yield Finding(
                    "trusts-everyone", place, f"trust in {network}, the whole network", "the addresses of your peers"
                )
    seen: dict[object, str] = {}
    for trunk in plan.trunks:
        for network in trunk.trust:
            other = seen.setdefault(network, trunk.name)
            if other != trunk.name:
                found = (
                    f"{network} trusted as trunk {trunk.name!r} and as trunk {other!r}: a call from there may be either"
                )
                yield Finding("shared-network", trunk.place, found, "a network for each, or one trunk")


def _repetitions(checked: _Checked) -> Iterator[Finding]:
    for rule in checked.plan.rules:
        attempts = rule.to.attempts if isinstance(rule.to, First) else ()
        twice = next((each for at, each in enumerate(attempts) if each in attempts[:at]), None)
        if twice is not None:
            found = f"{twice} more than once in rule {rule.name!r}"
            yield Finding("twice-tried", rule.place, found, "each target once")
    seen: dict[str, str] = {}
    for trunk in checked.plan.trunks:
        other = seen.setdefault(trunk.destination, trunk.name)
        if other != trunk.name:
            found = f"trunk {trunk.name!r} with the destination of trunk {other!r}, {trunk.destination}"
            yield Finding("same-destination", trunk.place, found, "a destination for each, or one trunk")


_CHECKS = (
    _rules_without_effect, _toothless, _unused, _emergency, _extensions, _dialled_numbers, _openness, _repetitions,
)  # fmt: skip
