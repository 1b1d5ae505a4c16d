"""Each mistake that a plan can hold, seeded alone: found, named with its place, and with what would be right."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable

import pytest

from voipgw.errors import ConfigurationError
from voipgw.routing import (
    Plan,
    at,
    called,
    calling,
    dial,
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
from voipgw.routing.check import check


def sound() -> Plan:
    plan = Plan(country="gb", area="20")
    plan.trunk("carrier-a", "sip:198.51.100.7", trust=["198.51.100.0/24"])
    plan.trunk("carrier-b", "sips:carrier.example:5061;transport=tls")
    plan.line(1, extension="201", did="+442079460101")
    plan.line(2, extension="202")
    plan.route("emergency", when=number_class.emergency, to=first("carrier-a", "carrier-b"))
    plan.route("world", when=called.prefix("+"), to=first("carrier-a", "carrier-b"))
    plan.route("reception", when=called.exact("200"), to=dial("201"))
    plan.forbid("no premium", when=number_class.premium)
    return plan


def here() -> int:
    frame = inspect.currentframe()
    assert frame is not None
    assert frame.f_back is not None
    return frame.f_back.f_lineno


def test_a_sound_plan_has_no_findings() -> None:
    assert check(sound()) == []


WORK = at("mon-fri", "09:00", "17:00", tz="Europe/London")


def _twice_defined(plan: Plan) -> None:
    plan.route("one", when=called.prefix("+44"), to="carrier-a")
    plan.route("two", when=called.prefix("+44"), to="carrier-b")


def _shadowed(plan: Plan) -> None:
    plan.route("one", when=called.prefix("+44"), to="carrier-a", priority=2)
    plan.route("two", when=called.prefix("+44"), to="carrier-b", priority=1)


def _circle(plan: Plan) -> None:
    plan.route("a", when=called.exact("300"), to=dial("301"))
    plan.route("b", when=called.exact("301"), to=dial("300"))


def _part_time(plan: Plan) -> None:
    plan._rules.pop("emergency")
    plan.route("by day", when=number_class.emergency & WORK, to="carrier-a")


UNUSABLE: list[tuple[str, Callable[[Plan], object], str]] = [
    ("undefined-trunk", lambda plan: plan.route("x", when=called.exact("9"), to=first("carrier-x")), "carrier-a"),
    ("undefined-trunk", lambda plan: plan.route("x", when=source.trunk("carier-a"), to="carrier-b"), "'carrier-a'"),
    ("undefined-line", lambda plan: plan.route("x", when=called.exact("9"), to=line(7)), "one of: 1, 2"),
    ("undefined-line", lambda plan: plan.route("x", when=source.line(9), to="carrier-a"), "one of: 1, 2"),
    ("ambiguous-rules", _twice_defined, "priority"),
    ("ambiguous-rules", lambda plan: plan.route("x", when=called.exact("201"), to=line(2)), "priority"),
    ("loop", lambda plan: plan.route("x", when=source.trunk("carrier-a"), to="carrier-a"), "another target"),
    ("loop", lambda plan: plan.route("x", when=source.line(1) & called.exact("9"), to=line(1)), "another target"),
    ("loop", _circle, "reaches a trunk or a line"),
    ("loop", lambda plan: plan.route("x", when=called.exact("300"), to=dial("300")), "reaches a trunk or a line"),
    ("dial-to-nowhere", lambda plan: plan.route("x", when=called.exact("9"), to=dial("77777")), "E.164"),
]

LEGAL: list[tuple[str, Callable[[Plan], object]]] = [
    ("never-matches", lambda plan: plan.route("x", when=called.exact("8") & called.exact("9"), to=line(1))),
    ("never-matches", lambda plan: plan.route("x", when=source.line(1) & source.trunk(), to=line(2))),
    ("never-matches", lambda plan: plan.route("x", when=called.prefix("+4420") & ~called.prefix("+44"), to="carrier-a")),
    ("shadowed-rule", _shadowed),
    ("forbidden-rule", lambda plan: plan.route("x", when=called.prefix("+44906"), to="carrier-a")),
    ("toothless-reject", lambda plan: plan.route("x", when=number_class.emergency, to=reject(), priority=1)),
    (
        "toothless-reject",
        lambda plan: (
            plan.route("x", when=called.prefix("+447"), to=reject()),
            plan.route("y", when=source.line(1), to="carrier-a"),
        ),
    ),
    ("unused-trunk", lambda plan: plan.trunk("spare", "sip:192.0.2.1")),
    ("unreachable-line", lambda plan: plan.line(3)),
    ("no-emergency-route", lambda plan: plan._rules.pop("emergency")),
    ("part-time-emergency", _part_time),
    ("extension-is-emergency", lambda plan: plan.line(3, extension="999")),
    ("extension-behind-emergency", lambda plan: plan.line(3, extension="1123")),
    ("extension-is-number", lambda plan: plan.line(3, extension="02079460000")),
    ("dialled-number-in-rule", lambda plan: plan.route("x", when=called.prefix("0207"), to="carrier-a")),
    ("dialled-number-in-rule", lambda plan: plan.route("x", when=called.exact("442079460000"), to="carrier-a")),
    ("open-to-strangers", lambda plan: plan.route("x", when=called.prefix("+44"), to="carrier-a", strangers=True)),
    ("trusts-everyone", lambda plan: plan.trunk("x", "sip:192.0.2.1", trust=["0.0.0.0/0"])),
    ("shared-network", lambda plan: plan.trunk("x", "sip:192.0.2.1", trust=["198.51.100.0/24"])),
    ("twice-tried", lambda plan: plan.route("x", when=called.prefix("+1"), to=first("carrier-a", "carrier-a"))),
    ("same-destination", lambda plan: plan.trunk("x", "sip:198.51.100.7", trust=["192.0.2.0/24"])),
]  # fmt: skip


@pytest.mark.parametrize(("code", "spoil", "right"), UNUSABLE, ids=[f"{n}-{m[0]}" for n, m in enumerate(UNUSABLE)])
def test_what_makes_a_plan_unusable_is_found_and_keeps_it_from_compiling(
    code: str, spoil: Callable[[Plan], object], right: str
) -> None:
    plan = sound()
    spoil(plan)
    findings = check(plan)
    assert {found.code for found in findings} == {code}
    assert all(found.place.file == __file__ and found.place.line > 0 for found in findings)
    assert any(right in found.right for found in findings)
    with pytest.raises(ConfigurationError) as caught:
        plan.compile()
    for found in findings:
        assert f"{found.place}: found {found.found}; right would be {found.right}" in str(caught.value).split("\n")


@pytest.mark.parametrize(("code", "spoil"), LEGAL, ids=[f"{n}-{m[0]}" for n, m in enumerate(LEGAL)])
def test_what_is_surely_not_meant_is_found(code: str, spoil: Callable[[Plan], object]) -> None:
    plan = sound()
    spoil(plan)
    assert code in {found.code for found in check(plan)}
    plan.compile()


def test_mistakes_are_found_beside_each_other() -> None:
    tried = 0
    for (code, spoil), (other_code, spoil_too) in itertools.combinations(LEGAL, 2):
        plan = sound()
        try:
            spoil(plan)
            spoil_too(plan)
        except (ConfigurationError, KeyError):  # both use one name, or take away the same rule
            continue
        tried += 1
        assert {code, other_code} <= {found.code for found in check(plan)}, (code, other_code)
    assert tried > 100


def test_a_plan_without_rules_is_found() -> None:
    assert [found.code for found in check(Plan())] == ["no-rules"]


def test_an_ambiguity_names_both_places() -> None:
    plan = sound()
    plan.route("one", when=called.prefix("+44") & WORK, to="carrier-a")
    first_line = here() - 1
    plan.route("two", when=called.prefix("+44") & WORK, to="carrier-b")
    second_line = here() - 1
    with pytest.raises(ConfigurationError) as caught:
        plan.compile()
    assert f"{__file__}:{second_line}: found rule 'two' and rule 'one' at {__file__}:{first_line}" in str(caught.value)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (at("mon", tz="UTC"), at("tue", tz="UTC")),
        (at("mon", "22:00", "06:00", tz="UTC"), at("tue", "06:00", "08:00", tz="UTC")),
        (WORK, ~WORK),
        (calling.prefix("1"), calling.prefix("2")),
        (header("X") == "a", header("X") == "b"),
        (source.line(1), source.line(2)),
        (source.line(), source.trunk()),
        (number_class.premium, ~number_class.premium),
        (called.pattern("+44[1-4]X."), called.pattern("+44[5-9]X.")),
    ],
    ids=str,
)
def test_conditions_that_no_call_meets_together_are_not_ambiguous(one: object, other: object) -> None:
    plan = Plan(country="gb")
    plan.trunk("a", "sip:192.0.2.1")
    plan.line(1)
    plan.line(2)
    plan.route("one", when=called.prefix("+44") & one, to="a")  # type: ignore[operator]
    plan.route("other", when=called.prefix("+44") & other, to="a")  # type: ignore[operator]
    plan.compile()


def test_rules_that_dial_on_but_end_at_a_line_are_no_circle() -> None:
    plan = sound()
    plan.route("all the 2s", when=called.prefix("2"), to=dial("201"))
    plan.route("from 1", when=source.line(1) & called.exact("300"), to=dial("301"))
    plan.route("from 2", when=source.line(2) & called.exact("301"), to=dial("300"))
    assert check(plan) == []


WRONG: list[tuple[Callable[[], object], str]] = [
    (lambda: Plan("uk"), "found the country 'uk'; right would be one of: us ca gb"),
    (lambda: Plan("gb", area="020"), "area '020'"),
    (lambda: Plan(area="20"), "right would be both"),
    (lambda: Plan(trust=["10.0.0.1/8"]), "203.0.113.0/24"),
    (lambda: Plan(trust="10.0.0.0/8"), "a list"),
    (lambda: sound().trunk("carrier-a", "sip:1.2.3.4"), "the first one is at"),
    (lambda: sound().trunk("a b", "sip:1.2.3.4"), "a short name"),
    (lambda: sound().trunk("x", "1.2.3.4"), "a SIP URI"),
    (lambda: sound().trunk("x", "sip:bob smith@1.2.3.4"), "a SIP URI"),
    (lambda: sound().trunk("x", "sip:bob:secret@1.2.3.4"), "a SIP URI"),
    (lambda: sound().trunk("x", "sip:1.2.3.4:99999"), "a SIP URI"),
    (lambda: sound().trunk("x", "sip:1.2.3.4", numbers="raw"), "'dialled' or 'e164'"),
    (lambda: sound().trunk("x", "sip:1.2.3.4", username="u"), "environment variable"),
    (lambda: sound().trunk("x", "sip:1.2.3.4", register=True), "username"),
    (lambda: sound().trunk("x", "sip:1.2.3.4", codecs="PCMU"), "a list of names"),
    (lambda: sound().trunk("x", "sip:1.2.3.4", called="e164"), "a transform"),  # type: ignore[arg-type]
    (lambda: sound().trunk("x", "sip:1.2.3.4", ring_timeout_s=0), "seconds"),
    (lambda: sound().trunk("x", "sip:1.2.3.4", headers={"X": "a\r\nb"}), "text on one line"),
    (lambda: sound().trunk("x", "sip:1.2.3.4", headers={"X Y": "a"}), "a name such as"),
    (lambda: sound().trunk("x", "sip:1.2.3.4", on_cause={"bizy": "next"}), "busy declined"),
    (lambda: sound().trunk("x", "sip:1.2.3.4", on_cause={486: "retry"}), "'next' or 'final'"),
    (lambda: sound().trunk("x", "sip:1.2.3.4", country="xx"), "country 'xx'"),
    (lambda: sound().line(1), "the first one is at"),
    (lambda: sound().line(True), "the number of a port"),
    (lambda: sound().line(3, extension="abc"), "digits as text"),
    (lambda: sound().line(3, extension="201"), "another than line 1's at"),
    (lambda: sound().line(3, did="02079460000"), "an E.164 number"),
    (lambda: sound().route("world", to="carrier-a"), "the first one is at"),
    (lambda: sound().route("x", to=7), "first('carrier-a', ...)"),
    (lambda: sound().route("x", to="carrier-a", when=True), "a predicate"),  # type: ignore[arg-type]
    (lambda: sound().route("x", to="carrier-a", priority="1"), "a whole number"),  # type: ignore[arg-type]
    (lambda: sound().forbid("x", when=None), "a predicate"),  # type: ignore[arg-type]
    (first, "the names of trunks"),
    (lambda: first(3), "the name of a trunk"),  # type: ignore[arg-type]
    (lambda: trunk(""), "the name of a trunk"),
    (lambda: trunk("a", called="x"), "a transform"),  # type: ignore[arg-type]
    (lambda: line(""), "the number of a line"),
    (lambda: reject(999), "a cause"),
    (lambda: reject(status=200), "400 to 699"),
    (lambda: dial(""), "a number"),
    (called.prefix, "called.prefix('+44')"),
    (lambda: called.prefix("0x"), "digits"),
    (lambda: called.prefix("1+2"), "+ only in front"),
    (lambda: called.exact("a b"), "a number such as"),
    (lambda: called.pattern("NXQ"), "'Q' at position 3"),
    (lambda: called.pattern("X{5,3}"), "counts down"),
    (lambda: called.pattern("[5-2]"), "counts down"),
    (lambda: called.pattern("[]"), "[2-57]"),
    (lambda: called.pattern(""), "nothing"),
    (lambda: called.range("200", "1000"), "one length"),
    (lambda: called.range("200", "100"), "the lower number first"),
    (lambda: source.line(""), "the name of a line"),
    (lambda: source.address("10.0.0.300"), "203.0.113.0/24"),
    (lambda: header("X Y"), "the name of a header"),
    (lambda: header("X") == 7, "text to compare"),
    (lambda: at("mon-fri", "9:00", "17:00", tz="UTC"), "hours and minutes"),
    (lambda: at("monday", tz="UTC"), "'mon-fri'"),
    (lambda: at("mon", "09:00", "09:00", tz="UTC"), "another end"),
    (lambda: at("mon", tz="Mars/Olympus"), "IANA"),
    (lambda: called.exact("1") and called.exact("2"), "& instead of 'and'"),
    (lambda: called.exact("1") & True, "a predicate"),  # type: ignore[operator]
    (lambda: strip(0), "1 to 32"),
    (lambda: prepend("x"), "digits"),
    (lambda: replace("+44 20"), "digits"),
    (lambda: strip(1) >> 3, "a transform"),  # type: ignore[operator]
    (lambda: national("uk"), "one of: us ca gb"),
]


@pytest.mark.parametrize(("build", "right"), WRONG, ids=range(len(WRONG)))
def test_what_is_written_wrong_is_named_with_file_and_line(build: Callable[[], object], right: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        build()
    text = str(caught.value)
    assert text.startswith(f"{__file__}:")
    assert int(text.removeprefix(f"{__file__}:").partition(":")[0]) > 0
    assert "found " in text
    assert right in text
    assert "\n" not in text


def test_international_in_a_plan_without_a_country_is_refused() -> None:
    plan = Plan()
    plan.trunk("a", "sip:192.0.2.1")
    plan.route("x", when=number_class.international, to="a")
    with pytest.raises(ConfigurationError, match=r"without a country; right would be Plan\(country='us'\)"):
        plan.compile()
