"""RFC 3263 as a plan of look-ups, over a table that says what DNS would."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from voipgw.errors import TransportError
from voipgw.sip.location import Answer, Naptr, Question, Srv, Target, in_order, locate
from voipgw.sip.transport import destination_of_uri
from voipgw.sip.uri import Uri

ZONE: dict[tuple[str, str], tuple[Any, ...]] = {
    ("rig.test", "NAPTR"): (
        Naptr(20, 10, "s", "SIP+D2T", "_sip._tcp.rig.test"),
        Naptr(10, 10, "S", "SIPS+D2T", "_sips._tcp.rig.test"),
        Naptr(30, 10, "s", "SIP+D2U", "_sip._udp.rig.test"),
        Naptr(1, 1, "u", "E2U+sip", ""),
        Naptr(2, 1, "s", "SIP+D2S", "_sip._sctp.rig.test"),
    ),
    ("_sip._udp.rig.test", "SRV"): (Srv(20, 0, 5072, "c.rig.test"), Srv(10, 0, 5070, "a.rig.test")),
    ("_sip._tcp.rig.test", "SRV"): (Srv(10, 0, 5071, "a.rig.test"),),
    ("_sips._tcp.rig.test", "SRV"): (Srv(10, 0, 5061, "b.rig.test"),),
    ("rig.test", "A"): ("192.0.2.9",),
    ("a.rig.test", "A"): ("192.0.2.1",),
    ("b.rig.test", "A"): ("192.0.2.2",),
    ("c.rig.test", "A"): ("192.0.2.3",),
    ("a.rig.test", "AAAA"): ("2001:db8::1",),
    ("_sip._udp.closed.test", "SRV"): (Srv(0, 0, 0, ""),),
    ("closed.test", "A"): ("192.0.2.9",),
    ("_sip._tcp.only-tcp.test", "SRV"): (Srv(0, 0, 5060, "a.rig.test"),),
    ("plain.test", "A"): ("192.0.2.7", "192.0.2.8"),
    ("plain.test", "AAAA"): ("2001:db8::7",),
    ("six.test", "AAAA"): ("2001:db8::6",),
    ("_sip._udp.literal.test", "SRV"): (Srv(0, 0, 5060, "192.0.2.4"),),
}
UDP, TCP, TLS = ("udp", False), ("tcp", False), ("tls", False)
ALL = {UDP, TCP, TLS, ("ws", False)}


def find(
    uri: str,
    *,
    have: set[tuple[str, bool]] = ALL,
    draw: Callable[[], float] = lambda: 0.0,
    failed: str = "",
    asked: list[Question] | None = None,
) -> list[str]:
    """The targets of a URI, each as ``transport host port``."""
    plan = locate(destination_of_uri(Uri.parse(uri)), lambda transport, six: (transport, six) in have, draw)
    answers: tuple[Answer, ...] | None = None
    while True:
        try:
            questions = next(plan) if answers is None else plan.send(answers)
        except StopIteration as done:
            targets: list[Target] = done.value
            return [f"{one.transport} {one.host} {one.port}" for one in targets]
        if asked is not None:
            asked += questions
        answers = tuple(
            Answer(failed=failed) if failed else Answer(ZONE.get((one.name, one.kind), ()), 30.0) for one in questions
        )


@pytest.mark.parametrize(
    ("uri", "targets"),
    [
        ("sip:192.0.2.1", ["udp 192.0.2.1 5060"]),
        ("sips:[2001:db8::1]", ["tls 2001:db8::1 5061"]),
        ("sip:192.0.2.1:5070;transport=tcp", ["tcp 192.0.2.1 5070"]),
        ("sip:plain.test:5080", ["udp 192.0.2.7 5080", "udp 192.0.2.8 5080"]),
        ("sip:rig.test:5080", ["udp 192.0.2.9 5080"]),
        ("sips:rig.test:5080", ["tls 192.0.2.9 5080"]),
        ("sip:rig.test;transport=tcp", ["tcp 192.0.2.1 5071"]),
        ("sip:RIG.test.;transport=udp", ["udp 192.0.2.1 5070", "udp 192.0.2.3 5072"]),
        ("sip:rig.test", ["tls 192.0.2.2 5061"]),
        ("sips:rig.test", ["tls 192.0.2.2 5061"]),
        ("sip:plain.test", ["udp 192.0.2.7 5060", "udp 192.0.2.8 5060"]),
        ("sips:plain.test", ["tls 192.0.2.7 5061", "tls 192.0.2.8 5061"]),
        ("sip:plain.test;transport=ws", ["ws 192.0.2.7 80", "ws 192.0.2.8 80"]),
        ("sip:only-tcp.test", ["tcp 192.0.2.1 5060"]),
        ("sip:literal.test", ["udp 192.0.2.4 5060"]),
        ("sip:x.test;maddr=192.0.2.6", ["udp 192.0.2.6 5060"]),
    ],
)
def test_a_uri_leads_to_targets(uri: str, targets: list[str]) -> None:
    assert find(uri) == targets


@pytest.mark.parametrize(
    ("have", "targets"),
    [
        ({UDP}, ["udp 192.0.2.1 5070", "udp 192.0.2.3 5072"]),
        ({TCP}, ["tcp 192.0.2.1 5071"]),
        ({UDP, TCP}, ["tcp 192.0.2.1 5071"]),
        ({UDP, TCP, TLS}, ["tls 192.0.2.2 5061"]),
    ],
)
def test_naptr_chooses_among_the_transports_that_we_have(have: set[tuple[str, bool]], targets: list[str]) -> None:
    assert find("sip:rig.test", have=have) == targets


def test_sips_is_never_followed_to_a_transport_without_tls() -> None:
    assert find("sips:rig.test", have={UDP, TCP}) == ["tls 192.0.2.2 5061"]
    asked: list[Question] = []
    find("sips:plain.test", asked=asked)
    assert {one.name for one in asked if one.kind == "SRV"} == {"_sips._tcp.plain.test"}


def test_only_the_families_that_we_have_are_asked_for_and_ipv4_comes_first() -> None:
    both = {UDP, ("udp", True)}
    assert find("sip:plain.test", have=both) == ["udp 192.0.2.7 5060", "udp 192.0.2.8 5060", "udp 2001:db8::7 5060"]
    assert find("sip:plain.test", have={("udp", True)}) == ["udp 2001:db8::7 5060"]
    asked: list[Question] = []
    with pytest.raises(TransportError, match=r"^six\.test: no such name, or it has no address that we can reach$"):
        find("sip:six.test", have={UDP}, asked=asked)
    assert "AAAA" not in {one.kind for one in asked}


def test_a_gateway_without_udp_goes_by_tcp_where_nobody_names_a_transport() -> None:
    assert find("sip:plain.test", have={TCP}) == ["tcp 192.0.2.7 5060", "tcp 192.0.2.8 5060"]


def test_a_service_that_the_domain_closes_is_not_looked_for_elsewhere() -> None:
    with pytest.raises(TransportError, match=r"^closed\.test: its domain says that it has no such service$"):
        find("sip:closed.test", have={UDP})


def test_dns_that_does_not_answer_is_told_from_a_name_that_is_not_there() -> None:
    with pytest.raises(TransportError, match=r"^rig\.test: DNS does not answer$"):
        find("sip:rig.test", failed="DNS does not answer")
    with pytest.raises(TransportError, match=r"^nobody\.test: no such name"):
        find("sip:nobody.test")


def test_equal_priorities_are_drawn_in_proportion_to_their_weights() -> None:
    records = [Srv(10, 75, 1, "a"), Srv(10, 25, 2, "b"), Srv(10, 0, 3, "zero"), Srv(20, 0, 4, "backup")]
    steps = 1010
    firsts = Counter(in_order(records, lambda at=step / steps: at)[0].target for step in range(steps))  # type: ignore[misc]
    assert firsts["a"] == pytest.approx(750, abs=2)
    assert firsts["b"] == pytest.approx(250, abs=2)
    assert firsts["zero"] == pytest.approx(10, abs=2)  # a chance, but a very small one (RFC 2782)
    for step in range(20):
        ordered = in_order(records, lambda at=step / 20: at)  # type: ignore[misc]
        assert ordered[3].target == "backup" and len(set(ordered)) == 4


def test_no_name_has_more_targets_than_are_tried() -> None:
    ZONE["_sip._udp.many.test", "SRV"] = tuple(Srv(number, 0, 5060, "plain.test") for number in range(100))
    ZONE["_sip._udp.wide.test", "SRV"] = (Srv(0, 0, 5060, "wide.test"),)
    ZONE["wide.test", "A"] = tuple(f"192.0.2.{number}" for number in range(1, 100))
    assert len(find("sip:many.test;transport=udp")) == 2
    assert len(find("sip:wide.test;transport=udp")) == 16
