"""The live decision is the explained one; hostile callers change nothing; the digit map agrees with the decision."""

from __future__ import annotations

import datetime as dt
import random

import pytest

from voipgw.call.model import CallRequest, Party, Source, SourceKind
from voipgw.errors import ConfigurationError
from voipgw.routing import (
    Decision,
    DigitMatch,
    Plan,
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
    reject,
    source,
)
from voipgw.routing.explanation import Verdict
from voipgw.routing.numbers import NumberKind
from voipgw.routing.predicates import Predicate
from voipgw.routing.report import as_data, html_report, text_report

COUNTRIES = ("us", "gb", "de", "fr", "it", "br", "ru", "cn", "")
PREFIXES = (
    "+",
    "+1",
    "+1212",
    "+1900",
    "+44",
    "+4420",
    "+4479",
    "+49",
    "+4930",
    "+33",
    "+7",
    "+86",
    "1",
    "10",
    "2",
    "*",
    "*6",
    "0",
)
PATTERNS = ("+1NXXNXXXXXX", "1XX", "2[0-4]X", "[1-3]XX", "+44[1-3]X{8,9}", "*XX", "NXX", "+4930X{4,8}")
EXACT = ("101", "102", "200", "911", "112", "+12125551234", "+442079460000", "+4930123456", "*67", "alice", "123456")
ZONES = ("UTC", "America/New_York", "Asia/Tokyo")


def random_atom(draw: random.Random, country: str) -> Predicate:
    classes = [
        number_class.emergency,
        number_class.premium,
        number_class.mobile,
        number_class.toll_free,
        number_class.extension,
    ]
    if country:
        classes += [number_class.national, number_class.international]
    kinds = [
        lambda: called.prefix(*draw.sample(PREFIXES, draw.choice((1, 1, 2)))),
        lambda: called.pattern(draw.choice(PATTERNS)),
        lambda: called.exact(*draw.sample(EXACT, draw.choice((1, 2)))),
        lambda: called.range("100", draw.choice(("104", "149", "255"))),
        lambda: calling.prefix(draw.choice(("1", "+1", "+44"))),
        lambda: draw.choice(classes),
        lambda: source.line(draw.choice((1, 2, None))),
        lambda: source.trunk(draw.choice(("a", "b", None))),
        lambda: source.user(draw.choice(("alice", None))),
        lambda: source.address(draw.choice(("192.0.2.0/24", "192.0.2.128/25", "2001:db8::/32"))),
        lambda: header("X-Tag") == draw.choice(("a", "b")),
        lambda: at(draw.choice(("mon-fri", "sat sun", "fri-mon")), draw.choice(("00:00", "08:00", "22:00")),
                   draw.choice(("06:00", "18:30", "24:00")), tz=draw.choice(ZONES)),
        lambda: anything,
    ]  # fmt: skip
    return draw.choice(kinds)()


def random_predicate(draw: random.Random, country: str, depth: int = 2) -> Predicate:
    if depth == 0 or draw.random() < 0.4:
        atom = random_atom(draw, country)
        return ~atom if draw.random() < 0.2 else atom
    one, other = random_predicate(draw, country, depth - 1), random_predicate(draw, country, depth - 1)
    return one & other if draw.random() < 0.7 else one | other


def random_plan(seed: int) -> Plan:
    draw = random.Random(seed)
    country = draw.choice(COUNTRIES)
    area = {"us": "212", "gb": "20", "de": "30"}.get(country, "") if draw.random() < 0.5 else ""
    plan = Plan(country, area=area, trust=["192.0.2.0/25"])
    plan.trunk("a", "sip:198.51.100.1", trust=["198.51.100.0/24"], called=e164_digits)
    plan.trunk("b", "sip:198.51.100.2", numbers=draw.choice(("dialled", "e164")), calling=national("gb"))
    plan.line(1, extension="101", did="+12125550101")
    plan.line(2, extension="102")
    plan.line(3)
    for index in range(draw.randrange(1, 14)):
        to = draw.choice((first("a", "b"), first("b", "a", line(3)), line(2), reject(), "a", dial(draw.choice(EXACT))))
        when = random_predicate(draw, country)
        plan.route(f"rule {index}", when=when, to=to, priority=index + 1, strangers=draw.random() < 0.1)
    for index in range(draw.choice((0, 0, 1, 2))):
        plan.forbid(f"forbid {index}", when=random_predicate(draw, country))
    return plan


def usable_plans(seeds: range) -> list[tuple[int, Plan]]:
    found = []
    for seed in seeds:
        plan = random_plan(seed)
        try:
            plan.compile()
        except ConfigurationError as error:
            assert "loop" in str(error) or "dial(" in str(error), (seed, str(error))
        else:
            found.append((seed, plan))
    return found


NUMBERS = (
    *EXACT, "2125551234", "12125551234", "5551234", "19005551234", "18005551234", "011442079460000", "02079460000",
    "07400123456", "00442079460000", "03012345", "999", "110", "103", "149", "150", "249", "*", "*67#", "", "bob", "a b",
    "+4930123",
    "+33142685300", "0142685300", "+861012345678", "810442079460000", "84951234567", "0021442079460000", "7",
)  # fmt: skip


def random_call(draw: random.Random) -> tuple[CallRequest, dt.datetime]:
    origin = draw.choice(
        (
            Source(SourceKind.LINE, draw.choice("123"), trusted=True),
            Source(SourceKind.TRUNK, draw.choice("ab"), "198.51.100.9", True),
            Source(SourceKind.USER, draw.choice(("alice", "bob")), "192.0.2.200", True),
            Source(SourceKind.ADDRESS, "192.0.2.9", "192.0.2.9", True),
            Source(SourceKind.ADDRESS, "203.0.113.9", "203.0.113.9"),
            Source(SourceKind.ADDRESS, "2001:db8::1", "2001:db8::1", True),
        )
    )
    party = Party(draw.choice(("", "101", "+12125550000", "+442079461111", "anonymous")), draw.choice(("", "Alice")))
    headers = draw.choice(((), (("X-Tag", "a"),), (("x-tag", "b"), ("X-Tag", "a"))))
    moment = dt.datetime(2026, 3, 1, tzinfo=dt.UTC) + dt.timedelta(minutes=draw.randrange(60 * 24 * 60))
    return CallRequest("call", origin, draw.choice(NUMBERS), party, headers=headers), moment


def chosen(decision: Decision) -> list[str]:
    explanation = decision.explanation
    names = []
    for lookup in explanation.lookups:
        forbidden = [trace.name for trace in lookup.forbids if trace.verdict is Verdict.CHOSEN]
        picked = [trace.name for trace in lookup.rules if trace.verdict is Verdict.CHOSEN]
        assert len(picked) <= 1
        assert not (forbidden and picked)
        names.append(forbidden if forbidden else picked)
    flat = []
    for at_, each in enumerate(names):
        if not each:
            continue
        live = decision.rules[at_].rule.name
        assert live in each
        flat.append(live)
    return flat


def test_the_live_decision_is_the_explained_one() -> None:
    plans = usable_plans(range(1, 200))
    assert len(plans) > 80
    draw = random.Random(1)
    for seed, plan in plans:
        snapshot = plan.compile()
        for _ in range(60):
            request, moment = random_call(draw)
            decision = snapshot.decide(request, moment)
            assert chosen(decision) == [each.rule.name for each in decision.rules], (seed, request, moment)
            explanation = decision.explanation
            assert tuple(attempt.route for attempt in explanation.attempts) == decision.routes
            assert explanation.refusal == decision.refusal
            assert bool(decision.routes) is (decision.refusal is None)
            assert decision.explanation is explanation
            assert snapshot.decide(request, moment).explanation == explanation


def test_reports_can_be_made_of_any_decision() -> None:
    draw = random.Random(2)
    for _, plan in usable_plans(range(300, 320)):
        for _ in range(5):
            request, moment = random_call(draw)
            explanation = plan.compile().decide(request, moment).explanation
            assert text_report(explanation)
            assert as_data(explanation)["verdict"]
            assert html_report(explanation).endswith("</html>\n")


HOSTILE = (
    "+12125551234@evil.example", "+12125551234;user=phone@evil", "sip:evil@evil.example", "+12125551234\r\nRoute: <sip:evil>",
    "+12125551234>", "<sip:x@y>", "../../etc", "+1212555%40evil", "\x00", "trunk:b", "carrier@", "+1 (212) 555-1234;tgrp=evil",
    "٠١٢", "a" * 5000, "+" * 70, "1" * 5000,
)  # fmt: skip


def test_what_a_caller_sends_changes_nothing_but_the_number_looked_up() -> None:
    alphabet = "0123456789+*#;@<>:%\r\n\x00 ./-abcé\"'(),?&="
    draw = random.Random(3)
    allowed = set("0123456789+*#") | set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ._-")
    plans = [plan.compile() for _, plan in usable_plans(range(400, 430))]
    known = {"trunk:a", "trunk:b", "line:1", "line:2", "line:3"}
    for _ in range(4000):
        text = draw.choice(HOSTILE) if draw.random() < 0.2 else "".join(draw.choices(alphabet, k=draw.randrange(25)))
        request, moment = random_call(draw)
        party = Party("".join(draw.choices(alphabet, k=draw.randrange(15))), "".join(draw.choices(alphabet, k=9)))
        hostile = CallRequest("x", request.source, text, party, headers=((text, text),))
        decision = draw.choice(plans).decide(hostile, moment)
        for route in decision.routes:
            assert str(route.target) in known
            assert route.called
            assert set(route.called) <= allowed
            assert set(route.calling.number) <= allowed
            assert route.calling.display_name.isprintable()
            assert route.headers == ()
        assert set(decision.called.text) <= allowed


def _rule_found(decision: Decision) -> bool:
    lookups = decision.explanation.lookups
    return bool(lookups) and any(trace.verdict is Verdict.CHOSEN for trace in lookups[0].rules)


def simple_plan(seed: int) -> Plan:
    """Without windows, calling numbers or forbids, so that one decision tells all there is."""
    draw = random.Random(seed)
    country = draw.choice(COUNTRIES)
    area = {"us": "212", "gb": "20", "de": "30"}.get(country, "") if draw.random() < 0.5 else ""
    plan = Plan(country, area=area)
    plan.trunk("a", "sip:198.51.100.1")
    plan.line(1, extension="101")
    plan.line(2, extension="1023")
    for index in range(draw.randrange(0, 6)):
        parts = []
        while len(parts) < 2:
            atom = random_atom(draw, country)
            if not any(word in str(atom) for word in ("at(", "calling", "header")):
                parts.append(~atom if draw.random() < 0.15 else atom)
        when = parts[0] & parts[1] if draw.random() < 0.6 else parts[0]
        plan.route(f"rule {index}", when=when, to=draw.choice((first("a"), reject())), priority=index + 1)
    return plan


@pytest.mark.parametrize("seed", range(40))
def test_the_digit_map_agrees_with_the_decision(seed: int) -> None:
    plan = simple_plan(seed)
    try:
        snapshot = plan.compile()
    except ConfigurationError as error:
        assert "no trunk of that name" in str(error) or "loop" in str(error)
        return
    draw = random.Random(seed + 1000)
    origin = Source(SourceKind.LINE, "1", trusted=True)
    digit_map = snapshot.digit_map(origin)
    moment = dt.datetime(2026, 3, 3, 12, tzinfo=dt.UTC)

    def routable(digits: str) -> bool:
        return _rule_found(snapshot.decide(CallRequest("x", origin, digits, Party("101")), moment))

    dialled = [number for number in NUMBERS if number and set(number) <= set("0123456789*#")]
    for _ in range(40):
        whole = draw.choice(dialled) + "".join(draw.choices("0123456789", k=draw.randrange(4)))
        matched = [digit_map.match(whole[:size]) for size in range(len(whole) + 1)]
        for size, found in enumerate(matched):
            digits = whole[:size]
            complete = found in {DigitMatch.COMPLETE, DigitMatch.COMPLETE_MAY_GROW}
            assert complete == (size > 0 and routable(digits)), (digits, found)
            emergency = snapshot.numbering.normalise(digits).kind is NumberKind.EMERGENCY
            if found in {DigitMatch.COMPLETE, DigitMatch.IMPOSSIBLE} and not emergency:
                for longer in (whole[:more] for more in range(size + 1, len(whole) + 1)):
                    assert not routable(longer), (digits, found, longer)
