"""Why the plan decided as it did: every rule with what holds and what does not, every attempt with what would follow it.

This is worked out from the rules as written, one by one, without the index that the live decision uses; that both agree is
what the property tests hold them to.
"""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Mapping
from typing import TYPE_CHECKING

import attrs

from voipgw.call.events import Released
from voipgw.call.model import CallRequest, Refusal, Route, TargetKind
from voipgw.routing.branches import Branch, Rank
from voipgw.routing.decision import Decision, Skipped
from voipgw.routing.failover import ON_CAUSE, Action, CauseClass
from voipgw.routing.index import CompiledRule, is_stranger
from voipgw.routing.numbers import Number, NumberKind
from voipgw.routing.predicates import And, CallView, Not, Or, Predicate

if TYPE_CHECKING:
    from voipgw.routing.compiled import CompiledPlan

_MEASURES = (
    "a more specific source", "a longer prefix", "a narrower pattern", "a time window", "a more specific calling number",
    "more conditions",
)  # fmt: skip


class Verdict(enum.Enum):
    """What became of a rule."""

    CHOSEN = "chosen"
    SHADOWED = "shadowed"  #: its condition holds, another rule is more specific
    EXCLUDED = "excluded"  #: its condition holds, yet it may not take this call
    FAILED = "failed"


@attrs.frozen
class ConditionTrace:
    """A predicate, whether it holds, and what the call has there."""

    text: str
    holds: bool
    found: str = ""
    parts: tuple[ConditionTrace, ...] = ()


@attrs.frozen
class RuleTrace:
    """One rule and what became of it."""

    name: str
    place: str
    verdict: Verdict
    why: str
    target: str
    condition: ConditionTrace


@attrs.frozen
class LookupTrace:
    """One number that was looked up: the called one, then each that a rule dialled instead."""

    number: str
    kind: str
    how: str
    forbids: tuple[RuleTrace, ...]
    rules: tuple[RuleTrace, ...]


@attrs.frozen
class CauseTrace:
    """What follows a class of failures, or one cause or status where a trunk says so itself."""

    cause: str
    action: Action
    leads_to: str


@attrs.frozen
class AttemptTrace:
    """One attempt, with the numbers on the wire."""

    route: Route
    destination: str  #: URI of the trunk, "" for a line
    on_cause: tuple[CauseTrace, ...]


@attrs.frozen
class Explanation:
    """The whole of it. Equal for equal plans, calls and moments."""

    request: CallRequest
    at: dt.datetime
    fingerprint: str  #: of the plan
    called: Number
    calling: Number
    lookups: tuple[LookupTrace, ...]
    skipped: tuple[Skipped, ...]
    attempts: tuple[AttemptTrace, ...]
    refusal: Refusal | None


@attrs.frozen
class AssumedStep:
    """One attempt of a what-if: how it fails, and what follows."""

    target: str
    failure: str  #: "" when it is taken to succeed
    cause: str  #: class of the failure
    leads_to: str


def explain_decision(decision: Decision) -> Explanation:
    """The explanation of a decision, from the plan, call and moment that it keeps."""
    from voipgw.routing.compiled import usable

    plan, request = decision.plan, decision.request
    lookups, last = _lookups(decision)
    skipped = usable(last.attempts, request.source, decision.state)[1] if last is not None and last.attempts else []
    attempts = tuple(_attempt(decision, index) for index in range(len(decision.routes)))
    return Explanation(
        request, decision.at, plan.fingerprint, decision.called, decision.calling, lookups, tuple(skipped), attempts,
        decision.refusal,
    )  # fmt: skip


def _lookups(decision: Decision) -> tuple[tuple[LookupTrace, ...], CompiledRule | None]:
    plan, request = decision.plan, decision.request
    number, last = decision.called, None
    found: list[LookupTrace] = []
    if number.kind is NumberKind.INVALID or request.hops <= 0:
        return (), None
    while len(found) <= len(decision.rules):
        view = CallView(request.source, number, decision.calling, request.headers, decision.at, plan.classes)
        trace, last = _lookup(plan, view)
        found.append(trace)
        if last is None or last.dial is None:
            break
        number = last.dial
    return tuple(found), last


def _lookup(plan: CompiledPlan, view: CallView) -> tuple[LookupTrace, CompiledRule | None]:
    forbidden = None
    forbids = []
    for compiled in plan.forbids:
        condition = trace_condition(compiled.rule.when, view)
        verdict, why = Verdict.FAILED, _first_failure(condition)
        if condition.holds and view.called.kind is NumberKind.EMERGENCY:
            verdict, why = Verdict.EXCLUDED, "an emergency call is never forbidden"
        elif condition.holds:
            verdict, why, forbidden = Verdict.CHOSEN, "forbids this call", forbidden or compiled
        forbids.append(_rule_trace(compiled, verdict, why, condition))
    conditions = [trace_condition(compiled.rule.when, view) for compiled in plan.rules]
    best = None if forbidden is not None else _best(plan, view, conditions)
    rules = []
    for compiled, condition in zip(plan.rules, conditions, strict=True):
        verdict, why = _verdict(compiled, condition, view, best, forbidden)
        rules.append(_rule_trace(compiled, verdict, why, condition))
    number = view.called
    return (
        LookupTrace(number.text, number.kind.value, number.how, tuple(forbids), tuple(rules)),
        best[0] if best is not None else None,
    )


_Best = tuple[CompiledRule, bool, Rank]


def _best(plan: CompiledPlan, view: CallView, conditions: list[ConditionTrace]) -> _Best | None:
    """The rule that decides: the most specific of those that may, emergency numbers by name first, then by priority."""
    best: _Best | None = None
    for compiled, condition in zip(plan.rules, conditions, strict=True):
        if not condition.holds or _excluded(compiled, view):
            continue
        for branch in matching(compiled, view):
            named = branch.named and view.called.kind is NumberKind.EMERGENCY
            if view.called.kind is NumberKind.UNKNOWN and not branch.named:
                continue
            key = (named, branch.rank, compiled.rule.priority or 0)
            if best is None or key > (best[1], best[2], best[0].rule.priority or 0):
                best = compiled, named, branch.rank
    return best


def matching(compiled: CompiledRule, view: CallView) -> list[Branch]:
    """The branches of a rule that a call satisfies."""
    return [
        branch
        for branch in compiled.branches
        if branch.pattern.matches(view.called.text)
        and (branch.source is None or branch.source.test(view))
        and all(atom.test(view) is wanted for atom, wanted in branch.conditions)
    ]


def _excluded(compiled: CompiledRule, view: CallView) -> str:
    kind = view.called.kind
    if is_stranger(view.source) and not compiled.rule.strangers:
        return "it is not open to strangers, and nothing is known of this source but its address"
    if kind is NumberKind.EMERGENCY and compiled.refusal is not None:
        return "an emergency call is never rejected"
    if kind is NumberKind.UNKNOWN and not any(branch.named for branch in matching(compiled, view)):
        return f"{view.called.text} is {view.called.how}"
    return ""


def _verdict(
    compiled: CompiledRule,
    condition: ConditionTrace,
    view: CallView,
    best: _Best | None,
    forbidden: CompiledRule | None,
) -> tuple[Verdict, str]:
    if not condition.holds:
        return Verdict.FAILED, _first_failure(condition)
    excluded = _excluded(compiled, view)
    if excluded:
        return Verdict.EXCLUDED, excluded
    if best is None:
        assert forbidden is not None
        return Verdict.EXCLUDED, f"{forbidden.rule.name!r} forbids this call"
    winner, named, rank = best
    if compiled is winner:
        return Verdict.CHOSEN, "the most specific rule that matches"
    mine = max(matching(compiled, view), key=lambda branch: branch.rank)
    if named and not mine.named:
        return Verdict.SHADOWED, f"{winner.rule.name!r} names this emergency number"
    for measure, theirs, ours in zip(_MEASURES, rank, mine.rank, strict=True):
        if theirs != ours:
            return Verdict.SHADOWED, f"{winner.rule.name!r} at {winner.rule.place} has {measure}"
    return Verdict.SHADOWED, f"{winner.rule.name!r} at {winner.rule.place} has a higher priority"


def _rule_trace(compiled: CompiledRule, verdict: Verdict, why: str, condition: ConditionTrace) -> RuleTrace:
    rule = compiled.rule
    return RuleTrace(rule.name, str(rule.place), verdict, why, str(rule.to), condition)


def trace_condition(when: Predicate, view: CallView) -> ConditionTrace:
    """A predicate with all of its parts, each tested."""
    if isinstance(when, (And, Or)):
        parts = tuple(trace_condition(part, view) for part in when.parts)
        holds = all(part.holds for part in parts) if isinstance(when, And) else any(part.holds for part in parts)
        return ConditionTrace("all of" if isinstance(when, And) else "any of", holds, "", parts)
    if isinstance(when, Not) and isinstance(when.part, (And, Or)):
        part = trace_condition(when.part, view)
        return ConditionTrace("not", not part.holds, "", (part,))
    inner = when.part if isinstance(when, Not) else when
    return ConditionTrace(str(when), when.test(view), inner.found(view))


def _first_failure(condition: ConditionTrace) -> str:
    """What to name when a condition does not hold: the innermost part that is to blame."""
    for part in condition.parts:
        if not part.holds and condition.text == "all of":
            return _first_failure(part)
    if condition.parts:
        return f"{condition.text}: " + ", ".join(part.found or part.text for part in condition.parts)
    return f"{condition.text} fails: {condition.found}"


def _attempt(decision: Decision, index: int) -> AttemptTrace:
    route = decision.routes[index]
    trunk = decision.plan.trunks[route.target.name] if route.target.kind is TargetKind.TRUNK else None
    following = f"attempt {index + 2}: {decision.routes[index + 1].target}" if index + 1 < len(decision.routes) else ""
    edits = trunk.on_cause if trunk is not None else {}
    table: dict[str, Action] = {known.value: edits.get(known, action) for known, action in ON_CAUSE.items()}
    table |= {_edited(key): action for key, action in edits.items() if not isinstance(key, CauseClass)}
    rows = []
    for cause, action in table.items():
        leads_to = following or "the call fails: no attempt is left" if action is Action.NEXT else "the call fails"
        rows.append(CauseTrace(cause, action, leads_to))
    return AttemptTrace(route, trunk.destination if trunk is not None else "", tuple(rows))


def _edited(key: int) -> str:
    return f"Q.850 {-key}" if key < 0 else f"SIP {key}"


def assume(decision: Decision, failures: Mapping[str, tuple[Released, bool]]) -> tuple[AssumedStep, ...]:
    """What happens to a call when some trunks fail: each attempt made, up to the first that is not among ``failures``."""
    steps: list[AssumedStep] = []
    for index, route in enumerate(decision.routes):
        failure = failures.get(route.target.name) if route.target.kind is TargetKind.TRUNK else None
        if failure is None:
            steps.append(AssumedStep(str(route.target), "", "", "the call goes here"))
            break
        released, rang = failure
        cause, _ = decision.verdict(index, released, rang=rang)
        following = decision.next(index, released, rang=rang)
        text = f"{released.status} (Q.850 {int(released.cause)})" + (
            "" if released.responded else ", without a response"
        )
        if following is None:
            steps.append(AssumedStep(str(route.target), text, cause.value, "the call fails"))
            break
        steps.append(AssumedStep(str(route.target), text, cause.value, f"next: {following.target}"))
    return tuple(steps)
