"""Dialogs (RFC 3261 section 12)."""

from __future__ import annotations

import pytest

from voipgw.errors import RemoteProtocolError
from voipgw.sip import Request, Response
from voipgw.sip.dialog import Dialog

LOOSE = ("<sip:p1.example;lr>", "<sip:p2.example;lr>", "<sip:p3.example;lr>")


def make_request(
    *fields: tuple[str, str], method: str = "INVITE", seq: int = 7, contact: str = "<sip:a@a1.example>"
) -> Request:
    head = [
        ("From", '"A" <sip:a@a.example>;tag=at'),
        ("To", "<sip:b@b.example>"),
        ("Call-ID", "c"),
        ("CSeq", f"{seq} {method}"),
    ]
    if contact:
        head.append(("Contact", contact))
    return Request.create(method, "sip:b@b.example", [*head, *fields])


def make_response(request: Request, *fields: tuple[str, str], contact: str = "<sip:b@b1.example>") -> Response:
    return Response.answer(request, 200, to_tag="bt", fields=[*fields, *([("Contact", contact)] if contact else [])])


def record_route(*values: str) -> list[tuple[str, str]]:
    return [("Record-Route", value) for value in values]


def test_both_sides_see_the_same_dialog() -> None:
    request = make_request()
    server = Dialog.of_server(request, "bt")
    client = Dialog.of_client(make_response(request), local=request.header("From") or "", local_tag="at")
    assert server.key == ("c", "bt", "at") and client.key == ("c", "at", "bt")
    assert (server.remote_target, client.remote_target) == ("sip:a@a1.example", "sip:b@b1.example")
    assert (server.local_seq, server.remote_seq) == (0, 7) and (client.local_seq, client.remote_seq) == (7, None)
    assert server.remote == client.local == '"A" <sip:a@a.example>;tag=at'
    assert server.local == client.remote == "<sip:b@b.example>;tag=bt"


def test_the_route_set_is_as_recorded_for_the_server_and_reversed_for_the_client() -> None:
    request = make_request(*record_route(*LOOSE))
    assert Dialog.of_server(request, "bt").route_set == LOOSE
    client = Dialog.of_client(make_response(request), local="<sip:a@a>;tag=at", local_tag="at")
    assert client.route_set == LOOSE[::-1]


def test_record_routes_in_one_field_are_as_many() -> None:
    request = make_request(("Record-Route", ", ".join(LOOSE)))
    assert Dialog.of_server(request, "bt").route_set == LOOSE


def test_a_request_through_loose_routers_carries_the_whole_route_set() -> None:
    dialog = Dialog.of_server(make_request(*record_route(*LOOSE)), "bt")
    bye = dialog.create("BYE")
    assert bye.uri_text == "sip:a@a1.example" and bye.headers("Route") == LOOSE
    assert (bye.header("From"), bye.header("To")) == (dialog.local, dialog.remote)
    assert (bye.cseq_number, bye.cseq_method, bye.call_id, bye.max_forwards) == (1, "BYE", "c", 70)
    assert dialog.create("INFO").cseq_number == 2


def test_a_strict_router_becomes_the_request_uri_and_the_target_the_last_route() -> None:
    routes = ("<sip:strict.example>", *LOOSE[1:])
    bye = Dialog.of_server(make_request(*record_route(*routes)), "bt").create("BYE")
    assert bye.uri_text == "sip:strict.example"
    assert bye.headers("Route") == (*LOOSE[1:], "<sip:a@a1.example>")


def test_a_strict_router_behind_a_loose_one_stays_where_it_is() -> None:
    routes = (LOOSE[0], "<sip:strict.example>")
    bye = Dialog.of_server(make_request(*record_route(*routes)), "bt").create("BYE")
    assert bye.uri_text == "sip:a@a1.example" and bye.headers("Route") == routes


def test_an_ack_repeats_the_number_of_its_invite() -> None:
    request = make_request()
    dialog = Dialog.of_client(make_response(request), local="<sip:a@a>;tag=at", local_tag="at")
    assert dialog.create("ACK", seq=7).cseq_number == 7 and dialog.local_seq == 7
    assert dialog.create("BYE").cseq_number == 8


@pytest.mark.parametrize(
    ("seq", "method", "taken"),
    [(8, "INFO", True), (7, "INFO", True), (6, "INFO", False), (1, "ACK", True), (99, "BYE", True)],
)
def test_the_order_of_requests(seq: int, method: str, taken: bool) -> None:
    dialog = Dialog.of_server(make_request(), "bt")
    assert dialog.accept(make_request(seq=seq, method=method)) is taken
    if taken and method != "ACK":
        assert dialog.remote_seq == seq


def test_the_first_request_of_the_called_side_may_have_any_number() -> None:
    dialog = Dialog.of_client(make_response(make_request()), local="<sip:a@a>;tag=at", local_tag="at")
    assert dialog.accept(make_request(seq=1, method="BYE")) and dialog.remote_seq == 1


@pytest.mark.parametrize(
    ("contact", "target"),
    [
        ("<sip:x@new.example;transport=tcp>;expires=9", "sip:x@new.example;transport=tcp"),
        ('"X <y>" <sip:x@new.example>', "sip:x@new.example"),
        ("sip:x@new.example;expires=9", "sip:x@new.example"),
        ("", "sip:a@a1.example"),
    ],
)
def test_a_target_refresh_moves_the_target_only(contact: str, target: str) -> None:
    dialog = Dialog.of_server(make_request(*record_route(LOOSE[0])), "bt")
    dialog.refresh_target(make_request(contact=contact))
    assert dialog.remote_target == target and dialog.route_set == LOOSE[:1]


def test_an_invite_without_contact_makes_no_dialog() -> None:
    with pytest.raises(RemoteProtocolError, match="Contact"):
        Dialog.of_server(make_request(contact=""), "bt")


def test_a_response_without_contact_leaves_the_uri_of_the_request() -> None:
    response = make_response(make_request(), contact="")
    dialog = Dialog.of_client(response, local="<sip:a@a>;tag=at", local_tag="at", target="sip:b@b.example")
    assert dialog.remote_target == "sip:b@b.example"


def test_a_caller_of_rfc_2543_has_no_tag() -> None:
    head = [("From", "<sip:a@a.example>"), ("To", "<sip:b@b.example>"), ("Call-ID", "c"), ("CSeq", "1 INVITE")]
    request = Request.create("INVITE", "sip:b@b.example", [*head, ("Contact", "<sip:a@a1.example>")])
    dialog = Dialog.of_server(request, "bt")
    assert dialog.key == ("c", "bt", "") and dialog.create("BYE").header("To") == "<sip:a@a.example>"
