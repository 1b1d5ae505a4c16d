"""What the plan said of one call, kept with the call: its attempts or its refusal, what follows a failure, and why."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import TYPE_CHECKING

import attrs

from voipgw.call.events import Released
from voipgw.call.model import CallRequest, Refusal, Route, TargetKind
from voipgw.routing.failover import Action, CauseClass, action_for
from voipgw.routing.index import CompiledRule
from voipgw.routing.numbers import Number

if TYPE_CHECKING:
    from voipgw.routing.compiled import CompiledPlan
    from voipgw.routing.explanation import Explanation

_NO_EDITS: Mapping[CauseClass | int, Action] = {}


@attrs.frozen
class PlanState:
    """What is known outside the plan when a call is decided."""

    down: frozenset[str] = frozenset()  #: trunks that do not answer OPTIONS; passed over while another one works


NOTHING_DOWN = PlanState()


@attrs.frozen
class Skipped:
    """An attempt of the rule that is left out, and why."""

    target: str
    why: str


class Decision:
    """What the plan decided for one call. Never changed after it was made; it keeps the snapshot that made it.

    Attributes:
        plan: the snapshot that decided.
        request: the call.
        at: the moment it was decided for.
        state: what was known of the trunks.
        called: the called number as it was understood.
        calling: the calling number likewise.
        rules: the rules that were followed, the one that decided last; more than one where a rule dials another number.
        routes: attempts, in order; empty when refused.
        refusal: why there is no attempt, None when there is one.
    """

    __slots__ = ("_explanation", "at", "called", "calling", "plan", "refusal", "request", "routes", "rules", "state")

    def __init__(
        self,
        plan: CompiledPlan,
        request: CallRequest,
        at: dt.datetime,
        state: PlanState,
        called: Number,
        calling: Number,
        rules: tuple[CompiledRule, ...],
        routes: tuple[Route, ...],
        refusal: Refusal | None,
    ) -> None:
        self.plan, self.request, self.at, self.state = plan, request, at, state
        self.called, self.calling = called, calling
        self.rules, self.routes, self.refusal = rules, routes, refusal
        self._explanation: Explanation | None = None

    @property
    def rule(self) -> str:
        """Name of the rule that decided, "" when none did."""
        return self.rules[-1].rule.name if self.rules else ""

    def verdict(self, after: int, released: Released, *, rang: bool = False) -> tuple[CauseClass, Action]:
        """The class of the failure of attempt ``after`` (an index of ``routes``), and what follows it by the plan."""
        target = self.routes[after].target
        if target.kind is not TargetKind.TRUNK:
            return action_for(released, _NO_EDITS, rang=rang)
        trunk = self.plan.trunks[target.name]
        if released.contacts and trunk.redirects == "pass":
            return CauseClass.REDIRECTED, Action.FINAL
        return action_for(released, trunk.on_cause, rang=rang)

    def next(self, after: int, released: Released, *, rang: bool = False, answered: bool = False) -> Route | None:
        """The attempt that follows the failure of attempt ``after``; None when the failure is final or no attempt is left.

        After an answer there is never another attempt; ``rang`` when the far side was ringing before it failed.
        """
        if answered or after + 1 >= len(self.routes):
            return None
        _, action = self.verdict(after, released, rang=rang)
        return self.routes[after + 1] if action is Action.NEXT else None

    def next_after(self, route: Route, released: Released, *, rang: bool = False) -> Route | None:
        """``next`` for a route of this decision instead of its index.

        Raises:
            ValueError: the route is none of this decision's.
        """
        for index, known in enumerate(self.routes):
            if known is route:
                return self.next(index, released, rang=rang)
        return self.next(self.routes.index(route), released, rang=rang)

    @property
    def explanation(self) -> Explanation:
        """Why: every rule with what failed in it, the normalisation, each attempt and what each cause would lead to.

        Made when first asked for, from the same snapshot, call and moment.
        """
        if self._explanation is None:
            from voipgw.routing.explanation import explain_decision

            self._explanation = explain_decision(self)
        return self._explanation
