"""The plan as its author writes it, and what it decides."""

from __future__ import annotations

import datetime as dt

import pytest

from voipgw.call.events import Released
from voipgw.call.model import CallRequest, Party, Source, SourceKind, TargetKind
from voipgw.causes import Cause
from voipgw.routing import (
    CompiledPlan,
    Decision,
    Plan,
    PlanState,
    anything,
    at,
    called,
    calling,
    dial,
    e164_digits,
    first,
    header,
    line,
    national,
    number_class,
    prepend,
    reject,
    replace,
    source,
    strip,
    trunk,
)
from voipgw.routing.explain import decide_text

NOON = dt.datetime(2026, 1, 5, 12, 0, tzinfo=dt.UTC)  # a Monday


def office() -> Plan:
    plan = Plan(country="us", area="212", trust=["192.0.2.0/24"])
    plan.trunk("carrier-a", "sip:127.0.0.1:5070", trust=["198.51.100.0/24"])
    plan.trunk("carrier-b", "sip:127.0.0.1:5071", called=e164_digits, calling=national("us"))
    plan.line(1, extension="101", did="+12125550101", display_name="Front desk")
    plan.line(2, extension="102")
    plan.route("emergency", when=number_class.emergency, to=first("carrier-a", "carrier-b"))
    plan.route("world", when=called.prefix("+"), to=first("carrier-a", "carrier-b"))
    return plan


def decide(
    plan: Plan | CompiledPlan, call: str, moment: dt.datetime = NOON, state: PlanState | None = None
) -> Decision:
    snapshot = plan if isinstance(plan, CompiledPlan) else plan.compile()
    return decide_text(snapshot, call, moment, state)


def targets(decision: Decision) -> list[str]:
    return [str(route.target) for route in decision.routes]


def sent(decision: Decision) -> list[str]:
    return [route.called for route in decision.routes]


def test_a_dialled_number_is_sent_as_each_trunk_writes_it() -> None:
    decision = decide(office(), "line:1 2125551234")
    assert decision.called.text == "+12125551234"
    assert targets(decision) == ["trunk:carrier-a", "trunk:carrier-b"]
    assert sent(decision) == ["+12125551234", "12125551234"]
    assert [route.calling.number for route in decision.routes] == ["+12125550101", "12125550101"]
    assert decision.routes[0].calling.display_name == "Front desk"
    assert decision.routes[0].rule == decision.rule == "world"


def test_an_extension_and_a_did_reach_their_line_without_a_rule() -> None:
    assert targets(decide(office(), "line:1 102")) == ["line:2"]
    assert decide(office(), "line:1 102").routes[0].calling.number == "101"
    inbound = decide(office(), "198.51.100.9 +12125550101 from +442079460000")
    assert inbound.request.source == Source(SourceKind.TRUNK, "carrier-a", "198.51.100.9", True)
    assert targets(inbound) == ["line:1"]
    assert inbound.routes[0].calling.number == "+442079460000"


def test_strangers_get_nothing_not_even_emergency_calls() -> None:
    for number in ("101", "+12125551234", "911"):
        decision = decide(office(), f"203.0.113.1 {number}")
        assert decision.routes == ()
        assert decision.refusal is not None
        assert decision.refusal.sip_status == 403


def test_a_rule_may_be_opened_to_strangers() -> None:
    plan = office()
    plan.route("door", when=called.exact("102"), to=line(2), priority=1, strangers=True)
    assert targets(decide(plan, "203.0.113.1 102")) == ["line:2"]


def test_a_trusted_address_may_call() -> None:
    decision = decide(office(), "192.0.2.77 +12125551234")
    assert decision.request.source.trusted
    assert targets(decision) == ["trunk:carrier-a", "trunk:carrier-b"]


def test_the_longest_prefix_wins_wherever_it_stands() -> None:
    plan = office()
    plan.route("london", when=called.prefix("+4420"), to="carrier-b")
    plan.route("britain", when=called.prefix("+44"), to="carrier-a")
    assert decide(plan, "line:1 011442079460000").rule == "london"
    assert decide(plan, "line:1 011441632960000").rule == "britain"
    assert decide(plan, "line:1 01133123456789").rule == "world"


def test_the_source_counts_before_the_prefix_and_the_window_after_it() -> None:
    plan = office()
    plan.route("line 2", when=source.line(2), to="carrier-b")
    plan.route("london", when=called.prefix("+4420"), to="carrier-a")
    hours = at("mon-fri", "09:00", "17:00", tz="Europe/London")
    plan.route("london by day", when=called.prefix("+4420") & hours, to="carrier-b")
    assert decide(plan, "line:2 011442079460000").rule == "line 2"
    assert decide(plan, "line:1 011442079460000").rule == "london by day"
    assert decide(plan, "line:1 011442079460000", NOON.replace(hour=20)).rule == "london"


def test_a_priority_decides_between_equals_only() -> None:
    plan = office()
    plan.route("one", when=called.prefix("+4420"), to="carrier-a", priority=1)
    plan.route("two", when=called.prefix("+4420"), to="carrier-b", priority=2)
    plan.route("loud", when=called.prefix("+44"), to="carrier-b", priority=99)
    assert decide(plan, "line:1 011442079460000").rule == "two"


@pytest.mark.parametrize(
    ("when", "matches"),
    [
        (called.exact("+12125551234"), True),
        (called.range("+12125551200", "+12125551299"), True),
        (called.range("+12125551300", "+12125551399"), False),
        (called.pattern("+1NXXNXXXXXX"), True),
        (called.pattern("+1212555XXX"), False),
        (~called.prefix("+1900"), True),
        (called.prefix("+1900") | called.prefix("+1212"), True),
        (calling.exact("101"), True),
        (calling.exact("102"), False),
        (number_class.national, True),
        (number_class.international, False),
        (source.line(), True),
        (source.trunk(), False),
        (source.line(1) & ~calling.prefix("9"), True),
        (header("X-Account") == "gold", False),
        (anything, True),
    ],
    ids=str,
)  # fmt: skip
def test_predicates(when: object, matches: bool) -> None:
    plan = Plan(country="us")
    plan.trunk("a", "sip:127.0.0.1")
    plan.line(1, extension="101")
    plan.route("it", when=when, to="a")  # type: ignore[arg-type]
    assert (decide(plan, "line:1 2125551234").rule == "it") is matches


def test_a_header_decides() -> None:
    plan = office()
    plan.route("gold", when=(header("X-Account") == "gold") & called.prefix("+"), to="carrier-b")
    request = CallRequest("1", Source(SourceKind.LINE, "1"), "2125551234", headers=(("x-account", "gold"),))
    assert plan.compile().decide(request, NOON).rule == "gold"


def test_a_refusal_carries_its_cause_and_status() -> None:
    plan = office()
    plan.route("no premium", when=number_class.premium, to=reject(Cause.CALL_REJECTED, status=403))
    decision = decide(plan, "line:1 19005551234")
    assert decision.routes == ()
    assert decision.refusal is not None
    assert (decision.refusal.cause, decision.refusal.sip_status, decision.refusal.rule) == (21, 403, "no premium")


def test_an_emergency_call_passes_whatever_rejects() -> None:
    plan = office()
    plan.route("barred", when=source.line(2), to=reject())
    assert decide(plan, "line:2 2125551234").refusal is not None
    assert decide(plan, "line:2 911").rule == "emergency"
    assert sent(decide(plan, "line:2 911")) == ["911", "911"]


def test_an_emergency_call_takes_the_rule_that_names_it_before_one_for_its_source() -> None:
    plan = office()
    plan.route("line 2", when=source.line(2), to="carrier-b")
    assert decide(plan, "line:2 911").rule == "emergency"


def test_a_rule_that_dials_asks_the_plan_again() -> None:
    plan = office()
    plan.route("reception", when=called.exact("100"), to=dial("102"))
    decision = decide(plan, "line:1 100")
    assert targets(decision) == ["line:2"]
    assert [compiled.rule.name for compiled in decision.rules] == ["reception", "line 2 (extension 102)"]


def test_a_call_never_goes_back_to_where_it_came_from() -> None:
    assert targets(decide(office(), "trunk:carrier-a +12125559999")) == ["trunk:carrier-b"]
    own = decide(office(), "line:1 101")
    assert own.refusal is not None
    assert own.refusal.cause is Cause.USER_BUSY


def test_a_trunk_that_is_down_is_passed_over_unless_all_are() -> None:
    one = decide(office(), "line:1 2125551234", state=PlanState(frozenset({"carrier-a"})))
    assert targets(one) == ["trunk:carrier-b"]
    both = decide(office(), "line:1 2125551234", state=PlanState(frozenset({"carrier-a", "carrier-b"})))
    assert targets(both) == ["trunk:carrier-a", "trunk:carrier-b"]


def test_a_failure_takes_the_next_route_by_the_class_of_its_cause() -> None:
    decision = decide(office(), "line:1 2125551234")
    congested, busy = Released.from_status(503), Released.from_status(486)
    assert decision.next(0, congested) is decision.routes[1]
    assert decision.next(0, busy) is None
    assert decision.next(0, congested, answered=True) is None
    assert decision.next(1, congested) is None
    assert decision.next_after(decision.routes[0], congested) is decision.routes[1]


def test_a_trunk_edits_the_table() -> None:
    plan = Plan()
    plan.trunk("a", "sip:127.0.0.1:5070", on_cause={486: "next", "congestion": "final", Cause.NO_ANSWER: "next"})
    plan.trunk("b", "sip:127.0.0.1:5071")
    plan.route("all", to=first("a", "b"))
    decision = decide(plan, "user:alice 1234")
    assert decision.next(0, Released.from_status(486)) is decision.routes[1]
    assert decision.next(0, Released.from_status(503)) is None
    assert decision.next(0, Released(Cause.NO_ANSWER)) is decision.routes[1]


def test_transforms_apply_in_order_and_emergency_numbers_stay() -> None:
    plan = Plan(country="gb")
    plan.trunk("a", "sip:127.0.0.1", called=national("gb"))
    plan.line(1)
    plan.route("e", when=number_class.emergency, to="a", called=prepend("9"))
    plan.route("home", when=number_class.national, to="a")
    plan.route("abroad", when=number_class.international, to=trunk("a", called=strip(1) >> prepend("011")))
    plan.route("codes", when=called.exact("77"), to="a", called=replace("+442079460000"))
    assert sent(decide(plan, "line:1 02079460000")) == ["02079460000"]
    assert sent(decide(plan, "line:1 0012125551234")) == ["01112125551234"]
    assert sent(decide(plan, "line:1 77")) == ["02079460000"]
    assert sent(decide(plan, "line:1 999")) == ["999"]


def test_a_plan_without_a_country_leaves_numbers_as_they_are() -> None:
    plan = Plan()
    plan.trunk("a", "sip:127.0.0.1")
    plan.route("all", to="a")
    for number in ("5551234", "+12125551234", "service", "*67"):
        assert sent(decide(plan, f"user:x {number}")) == [number]


def test_digits_that_are_no_number_of_the_country_need_a_rule_that_names_them() -> None:
    plan = office()
    plan.route("anything else", to="carrier-b")
    unknown = decide(plan, "line:1 12345")
    assert unknown.refusal is not None
    assert unknown.refusal.cause is Cause.INVALID_NUMBER_FORMAT
    plan.route("internal", when=called.prefix("123"), to="carrier-b")
    assert decide(plan, "line:1 12345").rule == "internal"


def test_a_trunk_reads_numbers_its_own_way() -> None:
    plan = Plan(country="us")
    plan.trunk("a", "sip:127.0.0.1", numbers="e164")
    plan.trunk("b", "sip:127.0.0.1", country="gb")
    plan.line(1, did="+442079460000")
    assert targets(decide(plan, "trunk:a 442079460000")) == ["line:1"]
    assert targets(decide(plan, "trunk:b 02079460000")) == ["line:1"]
    assert decide(plan, "line:1 02079460000").refusal is not None


def test_max_forwards_used_up_is_refused() -> None:
    request = CallRequest("1", Source(SourceKind.LINE, "1"), "102", hops=0)
    refusal = office().compile().decide(request, NOON).refusal
    assert refusal is not None
    assert refusal.sip_status == 483


def test_a_snapshot_does_not_change_when_the_plan_does() -> None:
    plan = office()
    before = plan.compile()
    assert plan.compile() is before
    plan.route("more", when=called.prefix("+4420"), to="carrier-b")
    assert decide(before, "line:1 011442079460000").rule == "world"
    after = plan.compile()
    assert decide(after, "line:1 011442079460000").rule == "more"
    assert before.fingerprint != after.fingerprint
    assert office().compile().fingerprint == before.fingerprint


def test_a_restricted_calling_number_stays_restricted() -> None:
    request = CallRequest("1", Source(SourceKind.LINE, "1"), "2125551234", Party("101", "A\r\nB", restricted=True))
    route = office().compile().decide(request, NOON).routes[0]
    assert route.calling == Party("+12125550101", "AB", restricted=True)
    assert route.target.kind is TargetKind.TRUNK


def test_a_naive_moment_is_refused() -> None:
    request = CallRequest("1", Source(SourceKind.LINE, "1"), "102")
    with pytest.raises(ValueError, match="time zone"):
        office().compile().decide(request, NOON.replace(tzinfo=None))
