"""What an endpoint makes of requests and responses that a raw socket sends it."""

from __future__ import annotations

from typing import Any

import pytest

from voipgw.net.settings import EndpointSettings
from voipgw.sip import Request, Response
from voipgw.sip.effects import Arrival, Effect, Respond
from voipgw.sip.timers import Timers

QUICK = EndpointSettings(timers=Timers(t1_s=0.005, t2_s=0.04, trying_s=0.002))


@pytest.mark.parametrize(
    ("changes", "status", "field", "contains"),
    [
        ({"method": "OPTIONS"}, 200, "Allow", "INVITE"),
        ({"method": "OPTIONS"}, 200, "Accept", "application/sdp"),
        ({"method": "OPTIONS", "Max_Forwards": "0"}, 200, "Allow", "INVITE"),  # the last hop answers (section 11)
        ({"method": "INVITE"}, 404, None, ""),
        ({"method": "INVITE", "Max_Forwards": "0"}, 483, None, ""),
        ({"method": "INVITE", "To": "<sip:b@127.0.0.1>;tag=gone"}, 481, None, ""),
        ({"method": "BYE", "To": "<sip:b@127.0.0.1>;tag=gone"}, 481, None, ""),
        ({"method": "OPTIONS", "To": "<sip:b@127.0.0.1>;tag=gone"}, 481, None, ""),
        ({"method": "CANCEL"}, 481, None, ""),
        ({"method": "OPTIONS", "Require": "magic, 100rel"}, 420, "Unsupported", "magic"),
        ({"method": "JUGGLE"}, 501, "Allow", "INVITE"),
        ({"method": "PUBLISH"}, 405, "Allow", "INVITE"),
        ({"method": "OPTIONS", "uri": "mailto:b@127.0.0.1"}, 416, None, ""),
        ({"method": "OPTIONS", "CSeq": "1 INVITE"}, 400, None, ""),
    ],
)
def test_the_endpoint_answers_by_itself(
    changes: dict[str, str], status: int, field: str | None, contains: str, play: Any
) -> None:
    async def main(stage: Any) -> None:
        endpoint = await stage.endpoint()
        peer = stage.peer(endpoint)
        peer.send(peer.request(**changes))
        answer = await peer.receive()
        assert isinstance(answer, Response) and answer.status == status
        assert field is None or contains in (answer.header(field) or "")
        assert answer.via.branch == "z9hG4bKone"
        assert endpoint.dialogs == 0

    play(main)


@pytest.mark.parametrize("changes", [{"CSeq": "nonsense"}, {"To": ""}, {"From": "<sip:a@"}, {"Call_ID": ""}])
def test_a_request_that_cannot_be_read_is_answered_400_with_what_can(changes: dict[str, str], play: Any) -> None:
    async def main(stage: Any) -> None:
        peer = stage.peer(endpoint := await stage.endpoint())
        peer.send(peer.request("OPTIONS", **changes))
        answer = await peer.octets()
        assert answer.startswith(b"SIP/2.0 400 ") and b"branch=z9hG4bKone" in answer
        assert endpoint.counters.malformed == 1

    play(main)


def test_an_unknown_version_is_answered_505(play: Any) -> None:
    async def main(stage: Any) -> None:
        peer = stage.peer(endpoint := await stage.endpoint())
        peer.send(peer.request("OPTIONS").replace(b" SIP/2.0\r\n", b" SIP/7.0\r\n", 1))
        assert (await peer.receive()).status == 505
        assert endpoint.counters.malformed == 1

    play(main)


@pytest.mark.parametrize(
    "data",
    [
        b"\x80\x00\x00\x01" * 40,
        b"SIP/2.0 200 OK\r\n\r\n",
        b"INVITE sip:b@127.0.0.1 SIP/2.0\r\n\r\n",
        b"ACK sip:b@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK1\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\r\n\r\n",
        b"\0",
        b"",
        bytes(range(256)),
    ],
)
def test_what_may_not_be_answered_is_dropped_and_the_next_call_works(data: bytes, play: Any) -> None:
    async def main(stage: Any) -> None:
        peer = stage.peer(await stage.endpoint())
        peer.send(data)
        peer.send(peer.request("OPTIONS"))
        assert (await peer.receive()).status == 200

    play(main)


def test_received_and_rport_are_noted_and_the_answer_comes_to_where_the_request_came_from(
    party: Any, play: Any
) -> None:
    async def main(stage: Any) -> None:
        callee = party()
        peer = stage.peer(await stage.endpoint(accept=lambda request, arrival, now: callee))
        peer.send(
            peer.request(
                "OPTIONS", Via="SIP/2.0/UDP 192.0.2.1:9;branch=z9hG4bKa;rport;x=1, SIP/2.0/UDP p;branch=z9hG4bKb"
            )
        )
        answer = await peer.receive()
        assert callee.requests[0].via == answer.via
        assert (answer.via.received, answer.via.rport, answer.via.param("x")) == ("127.0.0.1", peer.address[1], "1")
        assert len(answer.vias) == 2

    play(main)


def test_without_rport_the_answer_goes_to_the_source_at_the_port_of_sent_by(play: Any) -> None:
    async def main(stage: Any) -> None:
        endpoint = await stage.endpoint()
        peer, other = stage.peer(endpoint), stage.peer(endpoint)
        for number, host in enumerate(("127.0.0.1", "sender.example")):
            peer.send(peer.request("OPTIONS", Via=f"SIP/2.0/UDP {host}:{other.address[1]};branch=z9hG4bK{number}"))
            answer = await other.receive()
            assert answer.via.received == (None if number == 0 else "127.0.0.1")

    play(main)


def test_maddr_in_via_says_where_the_answer_goes(play: Any) -> None:
    async def main(stage: Any) -> None:
        endpoint = await stage.endpoint(host="0.0.0.0")
        peer, other = stage.peer(endpoint), stage.peer(endpoint, host="127.0.0.2")
        via = f"SIP/2.0/UDP 192.0.2.1:{other.address[1]};branch=z9hG4bKm;maddr=127.0.0.2;rport"
        peer.send(peer.request("OPTIONS", Via=via))
        assert (await other.receive()).status == 200

    play(main)


def test_a_retransmitted_invite_is_answered_from_the_stored_response(party: Any, play: Any) -> None:
    async def main(stage: Any) -> None:
        callee = party(answers=(180,))
        endpoint = await stage.endpoint(accept=lambda request, arrival, now: callee)
        peer = stage.peer(endpoint)
        invite = peer.request()
        peer.send(invite)
        first = await peer.receive()
        peer.send(invite)
        assert bytes(await peer.receive()) == bytes(first)
        assert callee.seen == ["INVITE"]
        assert endpoint.counters.retransmissions_received == 1 == endpoint.counters.retransmissions_sent
        endpoint.perform(callee, [Respond(callee.requests[0], Response.answer(callee.requests[0], 486, to_tag="to"))])
        final = await peer.receive()
        peer.send(invite)
        assert bytes(await peer.receive()) == bytes(final)

    play(main)


def test_a_final_response_is_repeated_until_the_ack_comes(party: Any, play: Any) -> None:
    async def main(stage: Any) -> None:
        callee = party(answers=(486,))
        endpoint = await stage.endpoint(accept=lambda request, arrival, now: callee, settings=QUICK)
        peer = stage.peer(endpoint)
        peer.send(peer.request())
        answers = [await peer.receive() for _ in range(3)]
        assert [answer.status for answer in answers] == [486] * 3
        peer.send(peer.request("ACK", To="<sip:b@127.0.0.1>;tag=to"))
        peer.send(peer.request("OPTIONS", branch="two"))
        while (await peer.receive()).cseq_method == "INVITE":
            pass
        assert callee.seen == ["INVITE", "OPTIONS"]

    play(main)


def test_a_user_that_says_nothing_yet_is_covered_by_an_automatic_100(party: Any, play: Any) -> None:
    async def main(stage: Any) -> None:
        callee = party(answers=())
        endpoint = await stage.endpoint(accept=lambda request, arrival, now: callee, settings=QUICK)
        peer = stage.peer(endpoint)
        peer.send(peer.request())
        answer = await peer.receive()
        assert answer.status == 100 and answer.to_tag is None

    play(main)


def test_cancel_is_answered_with_the_tag_of_the_invite_and_reaches_the_user_once(party: Any, play: Any) -> None:
    async def main(stage: Any) -> None:
        callee = party(answers=(180,))
        peer = stage.peer(await stage.endpoint(accept=lambda request, arrival, now: callee))
        peer.send(peer.request())
        assert (await peer.receive()).status == 180
        peer.send(peer.request("CANCEL"))
        answers = [await peer.receive(), await peer.receive()]
        assert [(a.status, a.cseq_method, a.to_tag) for a in answers] == [(200, "CANCEL", "to"), (487, "INVITE", "to")]
        peer.send(peer.request("CANCEL"))
        assert (await peer.receive()).status == 200
        assert callee.seen == ["INVITE", "cancelled"]

    play(main)


def test_a_draining_endpoint_refuses_new_calls_only(party: Any, play: Any) -> None:
    async def main(stage: Any) -> None:
        callee = party()
        endpoint = await stage.endpoint(accept=lambda request, arrival, now: callee)
        peer = stage.peer(endpoint)
        peer.send(peer.request())
        assert [(await peer.receive()).status for _ in range(2)] == [180, 200]
        endpoint.draining = True
        peer.send(peer.request(branch="two", Call_ID="other"))
        refused = await peer.receive()
        assert refused.status == 503 and refused.header("Retry-After") == "5"
        peer.send(peer.request("BYE", branch="three", To="<sip:b@127.0.0.1>;tag=to", CSeq="2 BYE"))
        assert (await peer.receive()).status == 200
        assert endpoint.counters.refused == {503: 1}

    play(main)


def test_a_full_endpoint_answers_503_until_there_is_room_again(party: Any, play: Any) -> None:
    async def main(stage: Any) -> None:
        callee = party(answers=(180,))
        settings = EndpointSettings(max_transactions=1, max_remembered=2)
        endpoint = await stage.endpoint(accept=lambda request, arrival, now: callee, settings=settings)
        peer = stage.peer(endpoint)
        peer.send(peer.request())
        assert (await peer.receive()).status == 180
        for _ in range(2):
            peer.send(peer.request(branch="two", Call_ID="other"))
            assert (await peer.receive()).status == 503
        assert endpoint.transactions == 1
        first = callee.requests[0]
        endpoint.perform(callee, [Respond(first, Response.answer(first, 486, to_tag="to"))])
        assert (await peer.receive()).status == 486
        peer.send(peer.request("OPTIONS", branch="three", Call_ID="third"))
        assert (await peer.receive()).status == 200
        peer.send(peer.request("OPTIONS", branch="four", Call_ID="fourth"))
        assert (await peer.receive()).status == 503  # two are remembered
        assert endpoint.transactions == 2

    play(main)


def test_answers_without_a_transaction_carry_the_same_tag_each_time(play: Any) -> None:
    async def main(stage: Any) -> None:
        peer = stage.peer(await stage.endpoint())
        bye = peer.request("BYE", To="<sip:b@127.0.0.1>;tag=gone", From="<sip:a@127.0.0.1>;tag=2")
        cancel = peer.request("CANCEL")
        for data in (bye, cancel):
            peer.send(data)
            first = await peer.receive()
            peer.send(data)
            assert bytes(await peer.receive()) == bytes(first)
            assert first.to_tag

    play(main)


def test_a_request_that_comes_by_two_ways_is_a_loop(party: Any, play: Any) -> None:
    async def main(stage: Any) -> None:
        callee = party(answers=(180,))
        peer = stage.peer(await stage.endpoint(accept=lambda request, arrival, now: callee))
        peer.send(peer.request())
        assert (await peer.receive()).status == 180
        peer.send(peer.request(branch="other-way"))
        assert (await peer.receive()).status == 482
        assert callee.seen == ["INVITE"]

    play(main)


def test_a_source_that_is_not_admitted_gets_nothing(play: Any) -> None:
    async def main(stage: Any) -> None:
        stranger_hosts = {"127.0.0.2"}
        endpoint = await stage.endpoint(admit=lambda source, transport: source[0] not in stranger_hosts)
        stranger, peer = stage.peer(endpoint, host="127.0.0.2"), stage.peer(endpoint)
        stranger.send(stranger.request("OPTIONS"))
        peer.send(peer.request("OPTIONS"))
        assert (await peer.receive()).status == 200
        assert endpoint.counters.dropped == {"source not admitted": 1}
        assert endpoint.counters.requests_received == 1

    play(main)


def test_responses_and_acks_to_nothing_are_counted_and_dropped(play: Any) -> None:
    async def main(stage: Any) -> None:
        endpoint = await stage.endpoint()
        peer = stage.peer(endpoint)
        invite = peer.request()
        peer.send(bytes(Response.answer(Request.create("INVITE", "sip:b@127.0.0.1", _fields(invite)), 200, to_tag="x")))
        peer.send(peer.request("ACK", To="<sip:b@127.0.0.1>;tag=x"))
        peer.send(peer.request("OPTIONS"))
        assert (await peer.receive()).cseq_method == "OPTIONS"
        assert endpoint.counters.dropped == {"response to nothing": 1, "ack of nothing": 1}

    play(main)


def test_the_ack_of_an_answer_of_the_endpoints_own_is_no_surprise(play: Any) -> None:
    async def main(stage: Any) -> None:
        endpoint = await stage.endpoint()
        peer = stage.peer(endpoint)
        endpoint.draining = True
        peer.send(peer.request())
        refused = await peer.receive()
        assert refused.status == 503
        peer.send(peer.request("ACK", To=f"<sip:b@127.0.0.1>;tag={refused.to_tag}"))
        peer.send(peer.request("OPTIONS"))
        assert (await peer.receive()).status == 200
        assert endpoint.counters.dropped == {}

    play(main)


def _fields(data: bytes) -> list[tuple[str, str]]:
    lines = data.decode().split("\r\n")[1:-2]
    return [(name, value) for name, _, value in (line.partition(": ") for line in lines) if name != "Content-Length"]


def test_a_user_that_raises_costs_a_500_and_nothing_else(
    party: Any, play: Any, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(party):  # type: ignore[misc]
        def receive_request(self, request: Request, arrival: Arrival, now: float) -> list[Effect]:
            raise RuntimeError("a bug")

    async def main(stage: Any) -> None:
        endpoint = await stage.endpoint(accept=lambda request, arrival, now: Broken())
        peer = stage.peer(endpoint)
        for branch in ("one", "two"):
            peer.send(peer.request("OPTIONS", branch=branch))
            assert (await peer.receive()).status == 500

    play(main)
    assert "a bug" in caplog.text


def test_accept_may_answer_without_making_a_user(play: Any) -> None:
    def accept(request: Request, arrival: Arrival, now: float) -> list[Effect]:
        return [Respond(request, Response.answer(request, 403, to_tag="x"))]

    async def main(stage: Any) -> None:
        peer = stage.peer(await stage.endpoint(accept=accept))
        peer.send(peer.request("REGISTER"))
        assert (await peer.receive()).status == 403

    play(main)


def test_an_rfc_2543_client_is_served(party: Any, play: Any) -> None:
    async def main(stage: Any) -> None:
        callee = party(answers=(486,))
        endpoint = await stage.endpoint(accept=lambda request, arrival, now: callee, settings=QUICK)
        peer = stage.peer(endpoint)
        via = f"SIP/2.0/UDP {peer.address[0]}:{peer.address[1]}"
        for _ in range(2):
            peer.send(peer.request(Via=via))
            assert (await peer.receive()).status == 486
        peer.send(peer.request("ACK", Via=via, To="<sip:b@127.0.0.1>;tag=to"))
        peer.send(peer.request("OPTIONS", Via=via))
        while (await peer.receive()).cseq_method == "INVITE":
            pass
        assert callee.seen == ["INVITE", "OPTIONS"]

    play(main)
