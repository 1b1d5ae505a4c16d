"""The route plan: a small DSL, compiled, that can explain itself."""

from voipgw.pstn.dialling import DigitMatch
from voipgw.routing.compiled import CompiledPlan
from voipgw.routing.decision import Decision, PlanState
from voipgw.routing.digit_map import DigitMap
from voipgw.routing.failover import Action, CauseClass
from voipgw.routing.numbers import Number, Numbering, NumberKind
from voipgw.routing.plan import Line, Plan, Rule, Trunk
from voipgw.routing.predicates import anything, at, called, calling, header, number_class, source
from voipgw.routing.targets import app, dial, first, line, redirect, reject, span, trunk, user
from voipgw.routing.transforms import e164, e164_digits, national, prepend, replace, strip

__all__ = [
    "Action",
    "CauseClass",
    "CompiledPlan",
    "Decision",
    "DigitMap",
    "DigitMatch",
    "Line",
    "Number",
    "NumberKind",
    "Numbering",
    "Plan",
    "PlanState",
    "Rule",
    "Trunk",
    "anything",
    "app",
    "at",
    "called",
    "calling",
    "dial",
    "e164",
    "e164_digits",
    "first",
    "header",
    "line",
    "national",
    "number_class",
    "prepend",
    "redirect",
    "reject",
    "replace",
    "source",
    "span",
    "strip",
    "trunk",
    "user",
]
