"""The server side of REGISTER: what RFC 3261 section 10.3, RFC 3327 and RFC 5626 ask of a registrar."""

from __future__ import annotations

import pytest

from voipgw.entropy import SeededEntropy
from voipgw.sip import Request, Response, parse
from voipgw.sip.bindings import q_of, reached_by_flow
from voipgw.sip.effects import Arrival
from voipgw.sip.headers import NameAddr
from voipgw.sip.registrar import Registered, Registrar, RegistrarSettings
from voipgw.stores.registrations import MemoryRegistrations

HERE = Arrival(("192.0.2.9", 5060), ("192.0.2.1", 5060), "udp", 1)


class Phone:
    """Somebody who sends REGISTER requests of one Call-ID."""

    def __init__(self, settings: RegistrarSettings | None = None, most: int = 100) -> None:
        self.bindings = MemoryRegistrations(most)
        self.registrar = Registrar(self.bindings, SeededEntropy(1), settings)
        self.cseq = 0

    def register(
        self, *contacts: str, to: str = "sip:alice@a.example", user: str = "alice", call_id: str = "c1", cseq: int = 0,
        now: float = 0.0, arrival: Arrival = HERE, via: str = "192.0.2.9:5060", **fields: str,
    ) -> Registered:  # fmt: skip
        self.cseq = cseq or self.cseq + 1
        head = [
            ("Via", f"SIP/2.0/UDP {via};branch=z9hG4bK{self.cseq};rport"),
            ("From", f"<{to}>;tag=f"),
            ("To", f"<{to}>"),
        ]
        head += [("Call-ID", call_id), ("CSeq", f"{self.cseq} REGISTER"), ("Max-Forwards", "70")]
        head += [("Contact", contact) for contact in contacts]
        head += [(name.replace("_", "-"), value) for name, value in fields.items()]
        request = parse(bytes(Request.create("REGISTER", "sip:a.example", head)))
        assert isinstance(request, Request)
        return self.registrar.receive(request, arrival, user, now)

    def where(self, now: float = 0.0) -> list[str]:
        return [binding.contact for binding in self.registrar.of("alice", now)]


def shown(response: Response) -> list[str]:
    return list(response.headers("Contact"))


def test_a_binding_is_made_and_shown_with_what_was_granted() -> None:
    phone = Phone()
    registered = phone.register("<sip:alice@192.0.2.9:5060>;q=0.5", Expires="600")
    assert registered.response.status == 200
    assert shown(registered.response) == ["<sip:alice@192.0.2.9:5060>;q=0.5;expires=600"]
    assert [(change.aor, change.what) for change in registered.changes] == [("alice", "added")]
    assert phone.where() == ["sip:alice@192.0.2.9:5060"]


def test_without_contact_it_is_a_question_and_changes_nothing() -> None:
    phone = Phone()
    phone.register("<sip:a@192.0.2.9>;expires=100")
    asked = phone.register(now=40.0)
    assert shown(asked.response) == ["<sip:a@192.0.2.9>;expires=60"]
    assert asked.changes == ()


def test_the_answer_has_all_bindings_the_preferred_one_first() -> None:
    phone = Phone()
    phone.register("<sip:desk@192.0.2.9>;q=0.2", "<sip:mobile@192.0.2.9>;q=0.9")
    answer = phone.register("<sip:home@192.0.2.9>;q=0.5", call_id="c2").response
    assert [NameAddr.parse(value).uri.user for value in shown(answer)] == ["mobile", "home", "desk"]


@pytest.mark.parametrize(
    ("contact", "header", "granted"),
    [
        ("<sip:a@h>;expires=120", "600", 120),
        ("<sip:a@h>", "600", 600),
        ("<sip:a@h>", None, 3600),
        ("<sip:a@h>", "100000", 3600),
        ("<sip:a@h>", "soon", 3600),
        ("<sip:a@h>;expires=99999999999999", None, 3600),
    ],
)
def test_how_long_a_binding_holds(contact: str, header: str | None, granted: int) -> None:
    fields = {} if header is None else {"Expires": header}
    assert shown(Phone().register(contact, **fields).response) == [f"<sip:a@h>;expires={granted}"]


def test_too_short_is_refused_423_with_the_least_that_would_do() -> None:
    phone = Phone()
    refused = phone.register("<sip:a@h>;expires=59", "<sip:b@h>").response
    assert (refused.status, refused.header("Min-Expires")) == (423, "60")
    assert phone.where() == []


def test_expires_zero_removes_one_and_a_star_removes_all() -> None:
    phone = Phone()
    phone.register("<sip:a@h>", "<sip:b@h>", "<sip:c@h>")
    removed = phone.register("<sip:b@h>;expires=0")
    assert [change.what for change in removed.changes] == ["removed"]
    assert sorted(phone.where()) == ["sip:a@h", "sip:c@h"]
    emptied = phone.register("*", Expires="0", call_id="c2")
    assert (emptied.response.status, shown(emptied.response), phone.where()) == (200, [], [])
    assert phone.register("<sip:never@h>;expires=0").response.status == 200


@pytest.mark.parametrize("fields", [{}, {"Expires": "60"}, {"Expires": "nothing"}])
def test_a_star_needs_expires_zero(fields: dict[str, str]) -> None:
    phone = Phone()
    phone.register("<sip:a@h>")
    assert phone.register("*", **fields).response.status == 400
    assert phone.where() == ["sip:a@h"]


def test_a_star_stands_alone() -> None:
    phone = Phone()
    phone.register("<sip:a@h>")
    for contacts in (("*", "<sip:b@h>"), ("<sip:b@h>", "*")):
        try:
            status = phone.register(*contacts, Expires="0").response.status
        except Exception as error:  # the parser may have refused it before
            status = getattr(error, "status", 0)
        assert status == 400
    assert phone.where() == ["sip:a@h"]


def test_requests_of_one_call_id_take_effect_in_order_only() -> None:
    phone = Phone()
    phone.register("<sip:a@h>;expires=600", cseq=5)
    for late in (4, 5):
        assert phone.register("<sip:a@h>;expires=0", cseq=late).response.status == 500
    assert phone.register("*", Expires="0", cseq=5).response.status == 500
    assert phone.where() == ["sip:a@h"]
    assert phone.register("<sip:a@h>;expires=0", cseq=1, call_id="after-a-restart").response.status == 200
    assert phone.where() == []


def test_an_update_is_taken_as_a_whole_or_not_at_all() -> None:
    phone = Phone(RegistrarSettings(bindings_per_user=3))
    phone.register("<sip:a@h>;expires=600", cseq=7)
    assert phone.register("<sip:b@h>", "<sip:a@h>;expires=0", cseq=7).response.status == 500
    assert phone.register("<sip:b@h>", "<sip:c@h>;q=2", cseq=8).response.status == 400
    assert phone.register("<sip:b@h>", "<sip:c@h>", "<sip:d@h>", cseq=9).response.status == 403
    assert phone.where() == ["sip:a@h"]


def test_a_user_and_the_whole_registrar_have_a_bound() -> None:
    phone = Phone(most=2)
    assert phone.register("<sip:a@h>", "<sip:b@h>").response.status == 200
    full = phone.register("<sip:c@h>").response
    assert (full.status, full.header("Retry-After")) == (503, "60")
    assert phone.register("<sip:a@h>").response.status == 200


def test_uris_are_compared_as_rfc_3261_says() -> None:
    phone = Phone()
    phone.register("<sip:alice@Host.Example:5060;transport=TCP>")
    phone.register('"Alice" <sip:alice@host.example:5060;transport=tcp>;q=0.1')
    assert phone.where() == ["sip:alice@host.example:5060;transport=tcp"]


def test_only_its_own_bindings_and_only_in_our_domains() -> None:
    phone = Phone(RegistrarSettings(domains=frozenset({"a.example"})))
    assert phone.register("<sip:a@h>", user="mallory").response.status == 403
    assert phone.register("<sip:a@h>", to="sip:alice@b.example").response.status == 404
    assert phone.register("<sip:a@h>", to="tel:+4420").response.status == 404
    assert phone.register("<sip:a@h>", to="sip:alice@A.Example").response.status == 200


def test_an_unknown_extension_is_refused_by_name() -> None:
    refused = Phone().register("<sip:a@h>", Require="path, teleport").response
    assert (refused.status, refused.header("Unsupported")) == (420, "teleport")


def test_path_is_kept_and_shown() -> None:
    phone = Phone()
    answer = phone.register(
        "<sip:a@10.0.0.1>", Path="<sip:p1.example;lr>, <sip:p2.example;lr>", Supported="path"
    ).response
    assert answer.headers("Path") == ("<sip:p1.example;lr>", "<sip:p2.example;lr>")
    (binding,) = phone.registrar.of("alice", 0)
    assert binding.path == ("<sip:p1.example;lr>", "<sip:p2.example;lr>")
    assert not binding.by_flow


def test_a_service_route_is_given() -> None:
    phone = Phone(RegistrarSettings(service_route=("<sip:edge.example;lr>",)))
    assert phone.register("<sip:a@h>").response.headers("Service-Route") == ("<sip:edge.example;lr>",)


FLOW = '<sip:a@{host}>;+sip.instance="<urn:uuid:1>";reg-id={reg_id}'


def test_a_flow_replaces_its_binding_whatever_address_it_has_now() -> None:
    phone = Phone()
    first = phone.register(FLOW.format(host="10.0.0.1", reg_id=1), Supported="path, outbound")
    assert first.response.header("Require") == "outbound"
    phone.register(FLOW.format(host="10.0.0.2", reg_id=1), Supported="outbound", call_id="after-a-reboot")
    phone.register(FLOW.format(host="10.0.0.2", reg_id=2), Supported="outbound")
    bindings = phone.registrar.of("alice", 0)
    assert [(one.contact, one.key) for one in bindings] == [
        ("sip:a@10.0.0.2", "<urn:uuid:1>;1"),
        ("sip:a@10.0.0.2", "<urn:uuid:1>;2"),
    ]
    assert all(one.by_flow for one in bindings)


def test_outbound_through_a_proxy_that_does_not_know_it_is_refused_439() -> None:
    phone = Phone()
    fields = {"Supported": "path, outbound", "Via": "SIP/2.0/UDP proxy;branch=z9hG4bKp"}
    contact = FLOW.format(host="10.0.0.1", reg_id=1)
    assert phone.register(contact, **fields, Path="<sip:p.example;lr>").response.status == 439
    assert phone.register(contact, **fields, Path="<sip:p.example;lr;ob>").response.status == 200


def test_a_binding_runs_out() -> None:
    phone = Phone()
    phone.register("<sip:a@h>;expires=60", "<sip:b@h>;expires=90")
    assert phone.registrar.next_deadline() == 60
    assert phone.where(59.9) == ["sip:b@h", "sip:a@h"]
    assert phone.where(60.0) == ["sip:b@h"]
    (gone,) = phone.registrar.handle_deadline(60.0)
    assert (gone.aor, gone.binding.contact, gone.what) == ("alice", "sip:a@h", "expired")
    assert phone.registrar.next_deadline() == 90


@pytest.mark.parametrize(
    ("contact", "via", "source", "transport", "by_flow"),
    [
        ("sip:a@10.0.0.1:5060", "10.0.0.1:5060", ("192.0.2.9", 40000), "udp", True),  # behind a translator
        ("sip:a@10.0.0.1", "10.0.0.1:5060", ("192.0.2.9", 5060), "udp", True),  # 5060 is what is meant
        ("sip:a@192.0.2.9:5062", "192.0.2.9:5062", ("192.0.2.9", 5062), "udp", False),  # as it says
        ("sip:a@10.0.0.7:5060", "192.0.2.9:5060", ("192.0.2.9", 5060), "udp", False),  # for somebody else
        ("sip:a@10.0.0.1;transport=tcp", "10.0.0.1", ("192.0.2.9", 5060), "udp", False),
        ("sip:a@192.0.2.9;transport=tcp", "192.0.2.9", ("192.0.2.9", 40000), "tcp", True),
        ("sip:a@192.0.2.9", "192.0.2.9", ("192.0.2.9", 40000), "tcp", False),  # wants to be called by UDP
        ("sip:a@xyz.invalid;transport=ws", "xyz.invalid", ("192.0.2.9", 40000), "wss", True),
        ("sip:a@192.0.2.9;transport=tls", "192.0.2.9", ("192.0.2.9", 40000), "tls", True),
        ("sips:a@192.0.2.9", "192.0.2.9", ("192.0.2.9", 40000), "tls", True),
    ],
)
def test_who_is_reached_by_the_way_that_it_came(
    contact: str, via: str, source: tuple[str, int], transport: str, by_flow: bool
) -> None:
    phone = Phone()
    phone.register(f"<{contact}>", via=via, arrival=Arrival(source, ("192.0.2.1", 5060), transport, 7))
    (binding,) = phone.registrar.of("alice", 0)
    assert binding.by_flow is by_flow


def test_what_a_proxy_passed_on_is_never_reached_by_flow() -> None:
    head = [("Via", "SIP/2.0/UDP p.example;branch=z9hG4bK1;rport"), ("Via", "SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK2")]
    head += [("From", "<sip:a@h>;tag=1"), ("To", "<sip:a@h>"), ("Call-ID", "c"), ("CSeq", "1 REGISTER")]
    request = parse(bytes(Request.create("REGISTER", "sip:h", [*head, ("Contact", "<sip:a@10.0.0.1>")])))
    assert isinstance(request, Request)
    assert not reached_by_flow(request.contacts[0].uri, request, HERE)


@pytest.mark.parametrize(("text", "q"), [("1", 1000), ("1.000", 1000), ("0.7", 700), ("0.05", 50), ("0", 0), ("0.", 0)])
def test_q_is_a_number_of_thousandths(text: str, q: int) -> None:
    assert q_of(NameAddr.parse(f"<sip:a@h>;q={text}")) == q


@pytest.mark.parametrize("text", ["1.1", "2", "0.1234", "-1", "high", ".5", "0.x"])
def test_any_other_q_is_refused(text: str) -> None:
    assert Phone().register(f"<sip:a@h>;q={text}").response.status == 400
