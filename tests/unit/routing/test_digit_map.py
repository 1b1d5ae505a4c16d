"""When a dialled number is complete."""

from __future__ import annotations

import pytest

from voipgw.routing import DigitMap, DigitMatch, Plan, called, first, number_class, reject, source


def office(country: str = "us", **options: str) -> Plan:
    plan = Plan(country, **options)  # type: ignore[arg-type]
    plan.trunk("a", "sip:192.0.2.1")
    plan.line(1, extension="101")
    plan.line(2, extension="102")
    plan.route("emergency", when=number_class.emergency, to="a")
    plan.route("world", when=source.line() & called.prefix("+"), to=first("a"))
    return plan


C, G, P, X = DigitMatch.COMPLETE, DigitMatch.COMPLETE_MAY_GROW, DigitMatch.INCOMPLETE, DigitMatch.IMPOSSIBLE


@pytest.mark.parametrize(
    ("country", "digits", "found"),
    [
        ("us", "", P), ("us", "1", P), ("us", "10", P), ("us", "101", C), ("us", "103", X), ("us", "9", P), ("us", "91", P),
        ("us", "911", C), ("us", "212555123", P), ("us", "2125551234", C), ("us", "1212555123", P), ("us", "12125551234", C),
        ("us", "121255512345", X), ("us", "011", P), ("us", "01144207946000", P), ("us", "011442079460000", C),
        ("us", "0112121234567", G), ("us", "*", X), ("us", "#", X), ("us", "0", P), ("us", "02", X),
        ("gb", "0", P), ("gb", "999", C), ("gb", "112", C), ("gb", "0207946000", P), ("gb", "02079460000", C),
        ("gb", "016977234", P), ("gb", "0169772345", G), ("gb", "2", X),
        ("de", "110", C), ("de", "03012", P), ("de", "030123", G), ("de", "0301234", G), ("de", "030123456789", C),
        ("fr", "17", C), ("fr", "014268530", P), ("fr", "0142685300", C), ("fr", "0033142685300", C),
        ("no", "2212345", P), ("no", "22123456", C), ("ru", "810", P), ("ru", "8495123456", P), ("ru", "84951234567", C),
    ],
)  # fmt: skip
def test_what_digits_amount_to(country: str, digits: str, found: DigitMatch) -> None:
    assert office(country).digit_map("line:1").match(digits) is found


def test_local_numbers_may_grow_where_national_ones_begin_alike() -> None:
    digit_map = office(area="212").digit_map("line:1")
    assert digit_map.match("5551234") is C  # no exchange code begins with 1
    assert digit_map.match("5552345") is G
    assert digit_map.match("5552345678") is C


def test_a_source_without_a_country_dials_what_the_rules_say() -> None:
    plan = Plan()
    plan.trunk("a", "sip:192.0.2.1")
    plan.line(1, extension="101")
    plan.route("nine", when=called.pattern("9XXX"), to="a")
    plan.route("codes", when=called.exact("*67"), to=reject())
    digit_map = plan.digit_map("line:1")
    assert [digit_map.match(text) for text in ("9", "912", "9123", "91234", "*", "*6", "*67", "5", "10", "101")] == [
        P, P, C, X, P, P, C, X, P, C,
    ]  # fmt: skip
    plan.route("all", to="a")
    assert plan.digit_map("line:1").match("5") is G


def test_a_rule_for_another_source_does_not_count() -> None:
    plan = office()
    plan.route("line 2", when=source.line(2) & called.exact("55"), to="a")
    assert plan.digit_map("line:1").match("55") is P
    assert plan.digit_map("line:2").match("55") is G


def test_an_emergency_number_is_complete_at_once_even_where_longer_numbers_begin_so() -> None:
    plan = office("gb")
    plan.route("nines", when=called.prefix("999"), to="a")
    assert plan.digit_map("line:1").match("999") is C


def test_exceptions_are_left_out() -> None:
    plan = Plan()
    plan.trunk("a", "sip:192.0.2.1")
    plan.line(1)
    plan.route("ones", when=called.pattern("1XX") & ~called.prefix("19"), to="a")
    digit_map = plan.digit_map("line:1")
    assert [digit_map.match(text) for text in ("1", "18", "180", "19", "190")] == [P, P, C, X, X]


def test_a_map_is_made_once_and_by_source() -> None:
    snapshot = office().compile()
    assert isinstance(snapshot.digit_map("line:1"), DigitMap)
    assert snapshot.digit_map("line:1") is snapshot.digit_map("line:1")
    assert snapshot.digit_map("line:1") is not snapshot.digit_map("line:2")


def test_nobody_dials_in_an_empty_plan() -> None:
    plan = Plan()
    plan.line(1)
    assert plan.digit_map("line:1").match("") is X
    assert plan.digit_map("line:1").match("1") is X
