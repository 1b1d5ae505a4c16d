"""What explain says, and the calls it reads."""

from __future__ import annotations

import datetime as dt
import json

import pytest

from voipgw.call.model import CallRequest, Party, Source, SourceKind
from voipgw.errors import ConfigurationError, ParseError
from voipgw.routing import CompiledPlan, Plan, at, called, first, number_class, reject, source
from voipgw.routing.diff import differences
from voipgw.routing.explain import explain, parse_call, parse_source
from voipgw.routing.explanation import Explanation, RuleTrace, Verdict
from voipgw.routing.report import html_report, json_report, text_report

NOON = dt.datetime(2026, 1, 5, 12, 0, tzinfo=dt.UTC)


def office() -> Plan:
    plan = Plan(country="gb", trust=["192.0.2.0/24"])
    plan.trunk("carrier-a", "sip:198.51.100.7:5070", trust=["198.51.100.0/24"])
    plan.trunk("carrier-b", "sip:198.51.100.8", codecs=["PCMA"], headers={"X-Account": "7"}, on_cause={486: "next"})
    plan.line(1, extension="101", did="+442079460101")
    plan.route("emergency", when=number_class.emergency, to=first("carrier-a"))
    plan.route("world", when=called.prefix("+"), to=first("carrier-a", "carrier-b"))
    plan.route("night", when=called.prefix("+44") & at("mon-sun", "20:00", "06:00", tz="Europe/London"), to="carrier-b")
    plan.route("barred", when=source.line(1) & called.exact("150"), to=reject())
    plan.forbid("no premium", when=number_class.premium)
    return plan


def rules(explanation: Explanation) -> dict[str, RuleTrace]:
    return {trace.name: trace for trace in explanation.lookups[0].rules}


def test_each_rule_says_what_became_of_it_and_why() -> None:
    explanation, _ = explain(office().compile(), "line:1 02079460000", NOON)
    found = rules(explanation)
    assert found["world"].verdict is Verdict.CHOSEN
    assert found["night"].verdict is Verdict.FAILED
    assert "it is Mon 12:00 in Europe/London" in found["night"].why
    assert found["emergency"].why == "number_class.emergency fails: called is +442079460000 (E.164)"
    assert found["world"].place.startswith(__file__)
    by_night = rules(explain(office().compile(), "line:1 02079460000", NOON.replace(hour=21))[0])
    assert by_night["night"].verdict is Verdict.CHOSEN
    assert by_night["world"].verdict is Verdict.SHADOWED
    assert by_night["world"].why.startswith("'night' at ")
    assert by_night["world"].why.endswith("has a longer prefix")


def test_what_is_forbidden_and_who_is_a_stranger() -> None:
    forbidden, _ = explain(office().compile(), "line:1 09061234567", NOON)
    assert forbidden.refusal is not None
    assert forbidden.refusal.rule == "no premium"
    assert forbidden.lookups[0].forbids[0].verdict is Verdict.CHOSEN
    assert rules(forbidden)["world"].why == "'no premium' forbids this call"
    stranger, _ = explain(office().compile(), "203.0.113.9 +442079460000", NOON)
    assert rules(stranger)["world"].verdict is Verdict.EXCLUDED
    assert "strangers" in rules(stranger)["world"].why


def test_each_attempt_says_its_numbers_and_what_each_cause_leads_to() -> None:
    explanation, _ = explain(office().compile(), "line:1 02079460000", NOON)
    one, two = explanation.attempts
    assert (one.destination, one.route.called, one.route.calling.number) == (
        "sip:198.51.100.7:5070", "+442079460000", "+442079460101",
    )  # fmt: skip
    causes = {row.cause: row.leads_to for row in one.on_cause}
    assert causes["busy"] == "the call fails"
    assert causes["congestion"] == "attempt 2: trunk:carrier-b"
    assert {row.cause: row.action.value for row in two.on_cause}["SIP 486"] == "next"


def test_failures_can_be_assumed() -> None:
    snapshot = office().compile()
    _, steps = explain(snapshot, "line:1 02079460000", NOON, ["carrier-a=503"])
    assert [(step.target, step.leads_to) for step in steps] == [
        ("trunk:carrier-a", "next: trunk:carrier-b"),
        ("trunk:carrier-b", "the call goes here"),
    ]
    _, steps = explain(snapshot, "line:1 02079460000", NOON, ["carrier-a=busy"])
    assert [(step.cause, step.leads_to) for step in steps] == [("busy", "the call fails")]
    _, steps = explain(snapshot, "line:1 02079460000", NOON, ["carrier-a=no-response", "carrier-b=500"])
    assert [step.leads_to for step in steps] == ["next: trunk:carrier-b", "the call fails"]


def test_text_json_and_html_tell_the_same() -> None:
    explanation, steps = explain(office().compile(), "line:1 02079460000 from 101", NOON, ["carrier-a=503"])
    text = text_report(explanation, steps)
    assert "line:1 calls 02079460000" in text
    assert "02079460000 is +442079460000: national prefix 0 became +44" in text
    assert "attempt 2: trunk:carrier-b at sip:198.51.100.8" in text
    assert "X-Account: 7" in text
    assert text.endswith("verdict: try trunk:carrier-a, then trunk:carrier-b")
    data = json.loads(json_report(explanation, steps))
    assert data["verdict"] == "try trunk:carrier-a, then trunk:carrier-b"
    assert data["attempts"][0]["on_cause"]["busy"] == {"action": "final", "leads_to": "the call fails"}
    page = html_report(explanation, steps)
    assert page.startswith("<!doctype html>")
    assert "http" not in page
    assert "<script" not in page


def test_html_escapes_what_a_caller_sent() -> None:
    request = CallRequest("x", Source(SourceKind.ADDRESS, "203.0.113.9"), "<script>alert(1)</script>", Party("<b>"))
    page = html_report(office().compile().decide(request, NOON).explanation)
    assert "<script" not in page
    assert "<b>:" not in page


def test_a_call_from_a_line_shows_its_extension_and_an_address_is_its_trunk() -> None:
    snapshot = office().compile()
    assert parse_call("line:1 100", snapshot).calling.number == "101"
    assert parse_call("198.51.100.3 100 from +4912345678", snapshot).source.name == "carrier-a"
    assert parse_source("address:192.0.2.7", snapshot) == Source(SourceKind.ADDRESS, "192.0.2.7", "192.0.2.7", True)
    assert parse_source("2001:db8::1", snapshot).trusted is False
    assert parse_source("user:alice", snapshot) == Source(SourceKind.USER, "alice", trusted=True)


@pytest.mark.parametrize(
    ("call", "right"),
    [
        ("", "source called [from calling]"), ("line:1", "source called"), ("line:1 100 by 101", "source called"),
        ("line:7 100", "one of: 1"), ("trunk:carrier-x 100", "carrier-a, carrier-b"), ("lines:1 100", "line:1, trunk:NAME"),
        ("1.2.3 100", "an IP address"), ("line: 100", "line:1, trunk:NAME"),
    ],
)  # fmt: skip
def test_a_call_that_cannot_be_read_says_what_would_be_right(call: str, right: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_call(call, office().compile())
    assert "found " in str(caught.value)
    assert right in str(caught.value)


@pytest.mark.parametrize(
    ("text", "right"), [("carrier-a", "TRUNK=CAUSE"), ("x=503", "one of"), ("carrier-a=bizy", "busy")]
)
def test_a_failure_that_cannot_be_read_says_what_would_be_right(text: str, right: str) -> None:
    with pytest.raises(ConfigurationError, match=right):
        explain(office().compile(), "line:1 101", NOON, [text])


def test_the_port_tells_trunks_on_one_address_apart() -> None:
    plan = Plan()
    plan.trunk("a", "sip:127.0.0.1:5070", trust=["127.0.0.1"])
    plan.trunk("b", "sip:127.0.0.1:5071;transport=udp", trust=["127.0.0.1"])
    snapshot: CompiledPlan = plan.compile()
    assert snapshot.identify("127.0.0.1", 5071).name == "b"
    assert snapshot.identify("127.0.0.1", 9).name == "a"
    assert snapshot.identify("127.0.0.1").name == "a"


RECORDS = [
    {"call_id": "1", "start": "2026-01-05T12:00:00Z", "source": "line:1", "calling": "101", "called": "02079460000"},
    {"call_id": "2", "start": "2026-01-05T12:00:00Z", "source": "line:1", "calling": "101", "called": "+12125551234"},
    {"call_id": "3", "start": "2026-01-05T12:00:00Z", "source": "address:198.51.100.9", "calling": "", "called": "101"},
]


def test_two_plans_differ_where_their_decisions_do() -> None:
    changed = office()
    changed.route("home", when=called.prefix("+44"), to="carrier-b")
    found = list(differences(office().compile(), changed.compile(), RECORDS))
    assert [each.call_id for each in found] == ["1"]
    assert "trunk:carrier-a" in found[0].before
    assert found[0].after.startswith("trunk:carrier-b called +442079460000")
    assert list(differences(office().compile(), office().compile(), RECORDS)) == []


@pytest.mark.parametrize("spoil", [{"start": "yesterday"}, {"start": "2026-01-05T12:00:00"}, {"called": None}])
def test_a_record_that_is_wrong_is_named(spoil: dict[str, object]) -> None:
    with pytest.raises(ParseError, match="record 1: found"):
        list(differences(office().compile(), office().compile(), [{**RECORDS[0], **spoil}]))
