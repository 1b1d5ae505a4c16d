"""Two endpoints with each other, over real sockets on loopback."""

from __future__ import annotations

import asyncio
import socket
import time
from typing import Any

import pytest

from voipgw.call.events import CallEvent, Digit
from voipgw.errors import TransactionTimeout, TransportError
from voipgw.net.counters import SipTrace
from voipgw.net.dns import Found, Target
from voipgw.net.endpoint import Endpoint
from voipgw.net.settings import EndpointSettings
from voipgw.sip import Request, Response
from voipgw.sip.effects import Arrival, CancelRequest, Destination, Effect, OpenDialog, Respond, SendRequest
from voipgw.sip.timers import Timers

QUICK = EndpointSettings(timers=Timers(t1_s=0.005, t2_s=0.04))


def uri(endpoint: Endpoint, transport: str = "udp", host: str = "127.0.0.1", at: int = 0) -> str:
    named = f"[{host}]" if ":" in host else host
    return f"sip:b@{named}:{endpoint.listeners[at].port};transport={transport}"


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_call_goes_through(transport: str, host: str, party: Any, play: Any) -> None:
    async def main(stage: Any) -> None:
        callee = party()
        server = await stage.endpoint(transport, host=host, accept=lambda request, arrival, now: callee)
        client = await stage.endpoint(transport, host=host)
        caller = party(uri(server, transport, host))
        client.perform(caller, [SendRequest(caller.request("INVITE"), caller)])
        await caller.wait()
        assert caller.seen == ["180 INVITE", "200 INVITE", "200 BYE"]
        assert callee.seen == ["INVITE", "ACK", "BYE"]
        assert callee.arrivals[0].transport == transport
        assert server.dialogs == 0
        assert client.counters.requests_sent == 3 and client.counters.responses_received == 3
        assert client.connections == (transport == "tcp")

    play(main)


def test_a_port_in_use_is_named_in_one_line(play: Any) -> None:
    async def main(stage: Any) -> None:
        endpoint = await stage.endpoint("udp", "tcp")
        for listener in list(endpoint.listeners):
            with pytest.raises(TransportError, match=rf"^{listener}: .*in use$"):
                await endpoint.listen(listener.transport, "127.0.0.1", listener.port)
        with pytest.raises(
            TransportError, match=r"^sctp:127\.0\.0\.1:5060: the transports are udp, tcp, tls, ws and wss$"
        ):
            await endpoint.listen("sctp", "127.0.0.1", 5060)
        with pytest.raises(TransportError, match=r"^udp:192\.0\.2\.1:5060: "):
            await endpoint.listen("udp", "192.0.2.1", 5060)

    play(main)


def test_a_large_request_goes_over_tcp_where_both_sides_have_it(party: Any, play: Any) -> None:
    async def main(stage: Any) -> None:
        callee = party()
        server = await stage.endpoint("udp", accept=lambda request, arrival, now: callee)
        await server.listen("tcp", "127.0.0.1", server.listeners[0].port)
        client = await stage.endpoint("udp", "tcp")
        caller = party(f"sip:b@127.0.0.1:{server.listeners[0].port}")
        for size in (100, 1400):
            message = caller.request("MESSAGE", size, body=b"x" * size)
            caller.done.clear()
            client.perform(caller, [SendRequest(message, caller)])
            await caller.wait()
        assert [arrival.transport for arrival in callee.arrivals] == ["udp", "tcp"]
        assert callee.requests[1].via.transport == "TCP"

    play(main)


def test_a_large_request_falls_back_to_udp_where_tcp_is_refused(party: Any, play: Any) -> None:
    async def main(stage: Any) -> None:
        callee = party()
        server = await stage.endpoint("udp", accept=lambda request, arrival, now: callee)
        client = await stage.endpoint("udp", "tcp")
        caller = party(f"sip:b@127.0.0.1:{server.listeners[0].port}")
        for number in (1, 2):
            caller.done.clear()
            client.perform(caller, [SendRequest(caller.request("MESSAGE", number, body=b"x" * 1400), caller)])
            await caller.wait()
        assert [arrival.transport for arrival in callee.arrivals] == ["udp", "udp"]
        assert callee.requests[0].via.transport == "UDP"
        assert caller.errors == []

    play(main)


def test_a_port_where_nobody_listens_fails_at_once(party: Any, play: Any) -> None:
    async def main(stage: Any) -> None:
        client = await stage.endpoint("udp", "tcp")
        gone = await stage.endpoint("udp")
        target = uri(gone)
        await gone.close()
        for transport in ("udp", "tcp"):
            caller = party(target.replace("udp", transport))
            client.perform(caller, [SendRequest(caller.request("INVITE"), caller)])
            await caller.wait()
            assert isinstance(caller.errors[0], TransportError)
            assert f"{transport}:127.0.0.1:" in str(caller.errors[0])
        assert client.transactions == 0

    play(main)


def test_silence_ends_in_a_timeout_after_retransmissions(party: Any, play: Any) -> None:
    async def main(stage: Any) -> None:
        client = await stage.endpoint(settings=QUICK)
        peer = stage.peer(client)
        for method in ("INVITE", "OPTIONS"):
            caller = party(f"sip:b@127.0.0.1:{peer.address[1]}")
            client.perform(caller, [SendRequest(caller.request(method), caller)])
            await caller.wait()
            assert isinstance(caller.errors[0], TransactionTimeout)
        assert 2 <= client.counters.retransmissions_sent <= 6 + 10
        assert client.counters.timeouts == 2 and client.transactions == 0

    play(main)


def test_cancel_follows_the_provisional_and_ends_in_487(party: Any, play: Any) -> None:
    async def main(stage: Any) -> None:
        callee = party(answers=(180,))
        server = await stage.endpoint(accept=lambda request, arrival, now: callee)
        client = await stage.endpoint()
        caller = party(uri(server))
        invite = caller.request("INVITE")
        client.perform(caller, [SendRequest(invite, caller), CancelRequest(invite)])
        await caller.wait()
        assert callee.seen == ["INVITE", "cancelled"]
        assert caller.seen == ["180 INVITE", "487 INVITE"]
        client.perform(caller, [CancelRequest(invite)])  # after the end it does nothing
        assert client.counters.requests_sent == 3  # INVITE, CANCEL, ACK

    play(main)


class Book:
    """A resolver that answers when the test says so."""

    def __init__(self) -> None:
        self.asked: list[tuple[Destination, Found]] = []

    def resolve(self, destination: Destination, port: int, found: Found) -> None:
        self.asked.append((destination, found))

    def close(self) -> None:
        self.asked.clear()


def test_names_are_resolved_and_each_address_is_tried(party: Any, play: Any) -> None:
    async def main(stage: Any) -> None:
        book = Book()
        callee = party()
        server = await stage.endpoint("tcp", accept=lambda request, arrival, now: callee)
        client = await stage.endpoint("tcp", resolver=book)
        caller = party("sip:b@carrier.example;transport=tcp")
        client.perform(caller, [SendRequest(caller.request("OPTIONS"), caller)])
        ((destination, found),) = book.asked
        assert destination.host == "carrier.example"
        port = server.listeners[0].port
        found([Target("tcp", "127.0.0.2", port), Target("tcp", "127.0.0.1", port)])
        await caller.wait()
        assert caller.seen == ["200 OPTIONS"] and caller.errors == []

    play(main)


def test_a_name_that_is_not_there_fails_the_request(party: Any, play: Any) -> None:
    async def main(stage: Any) -> None:
        client = await stage.endpoint()
        caller = party("sip:b@no-such-name.invalid")
        client.perform(caller, [SendRequest(caller.request("INVITE"), caller)])
        await caller.wait()
        assert isinstance(caller.errors[0], TransportError) and "no-such-name.invalid" in str(caller.errors[0])

    play(main)


def test_the_system_resolver_finds_localhost(party: Any, play: Any) -> None:
    async def main(stage: Any) -> None:
        callee = party()
        server = await stage.endpoint(accept=lambda request, arrival, now: callee)
        client = await stage.endpoint()
        caller = party(uri(server, host="localhost"))
        client.perform(caller, [SendRequest(caller.request("OPTIONS"), caller)])
        await caller.wait()
        assert caller.seen == ["200 OPTIONS"]

    play(main)


def test_a_call_cancelled_while_its_name_is_looked_up_is_never_sent(party: Any, play: Any) -> None:
    async def main(stage: Any) -> None:
        book = Book()
        client = await stage.endpoint(resolver=book)
        caller = party("sip:b@carrier.example")
        invite = caller.request("INVITE")
        client.perform(caller, [SendRequest(invite, caller), CancelRequest(invite)])
        assert len(caller.errors) == 1
        book.asked[0][1]([Target("udp", "127.0.0.1", 9)])
        assert client.transactions == 0 and client.counters.requests_sent == 0

    play(main)


def test_a_uri_that_sip_cannot_reach_fails_the_request(party: Any, play: Any) -> None:
    async def main(stage: Any) -> None:
        client = await stage.endpoint()
        caller = party("tel:+4930123")
        client.perform(caller, [SendRequest(caller.request("INVITE"), caller)])
        assert isinstance(caller.errors[0], TransportError) and "tel" in str(caller.errors[0])

    play(main)


def test_a_destination_overrides_the_request_uri(party: Any, play: Any) -> None:
    async def main(stage: Any) -> None:
        callee = party()
        server = await stage.endpoint(accept=lambda request, arrival, now: callee)
        client = await stage.endpoint()
        caller = party("sip:b@carrier.example")
        way = Destination("127.0.0.1", server.listeners[0].port)
        client.perform(caller, [SendRequest(caller.request("OPTIONS"), caller, way)])
        await caller.wait()
        assert callee.requests[0].uri_text == "sip:b@carrier.example"

    play(main)


def test_the_callee_reaches_the_caller_over_the_callers_connection(party: Any, play: Any) -> None:
    async def main(stage: Any) -> None:
        callee = party()
        server = await stage.endpoint("tcp", accept=lambda request, arrival, now: callee)
        caller = party(uri(server, "tcp"))
        client = await stage.endpoint("tcp", accept=lambda request, arrival, now: caller)
        client.perform(caller, [SendRequest(caller.request("OPTIONS"), caller)])
        await caller.wait()
        callee.target = "sip:a@192.0.2.1;transport=tcp"  # behind a NAT: only the connection leads there
        server.perform(callee, [SendRequest(callee.request("INFO"), callee, callee.arrivals[0].back)])
        await callee.wait()
        assert caller.seen == ["200 OPTIONS", "INFO"]
        assert server.connections == client.connections == 1

    play(main)


def test_a_users_deadline_is_kept(party: Any, play: Any) -> None:
    async def main(stage: Any) -> None:
        client = await stage.endpoint()
        user = party()
        user.deadline = client.now() + 0.02
        client.perform(user, [])
        user.deadline += 0.02  # later than scheduled: asked again when the first time has come
        wanted = user.deadline
        await user.wait()
        assert len(user.fired) == 1 and user.fired[0] >= wanted

    play(main)


def test_effects_are_performed_in_the_order_in_which_they_were_returned(party: Any, play: Any) -> None:
    async def main(stage: Any) -> None:
        order: list[str] = []

        def on_event(user: Any, event: CallEvent, now: float) -> None:
            assert isinstance(event, Digit)
            order.append(event.symbol)
            if event.symbol == "1":
                client.perform(user, [Digit("3")])

        client = await stage.endpoint(events=on_event)
        client.perform(party(), [Digit("1"), Digit("2")])
        assert order == ["1", "2", "3"]

    play(main)


def test_an_effect_that_cannot_be_performed_does_not_stop_the_others(
    party: Any, play: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def main(stage: Any) -> None:
        heard: list[CallEvent] = []
        client = await stage.endpoint(events=lambda user, event, now: heard.append(event))
        client.perform(party(), ["nonsense", Digit("5")])
        assert heard == [Digit("5")] and client.counters.dropped["internal error"] == 1

    play(main)


def test_observers_see_every_message_both_ways(party: Any, play: Any) -> None:
    class Watch:
        def __init__(self) -> None:
            self.seen: list[SipTrace] = []

        def observe(self, message: SipTrace) -> None:
            self.seen.append(message)

    async def main(stage: Any) -> None:
        callee, watch = party(), Watch()
        server = await stage.endpoint(accept=lambda request, arrival, now: callee)
        server.observers.append(watch)
        client = await stage.endpoint()
        caller = party(uri(server))
        client.perform(caller, [SendRequest(caller.request("INVITE"), caller)])
        await caller.wait()
        lines = [
            (m.direction, m.data.split(b"\r\n")[0].split(b" ")[0 if m.direction == "in" else 1]) for m in watch.seen
        ]
        assert lines == [
            ("in", b"INVITE"), ("out", b"180"), ("out", b"200"), ("in", b"ACK"), ("in", b"BYE"), ("out", b"200"),
        ]  # fmt: skip
        assert {m.remote for m in watch.seen} == {("127.0.0.1", client.listeners[0].port)}

    play(main)


def test_a_2xx_once_more_reaches_the_dialogs_user(party: Any, play: Any) -> None:
    class Callee(party):  # type: ignore[misc]
        def receive_request(self, request: Request, arrival: Arrival, now: float) -> list[Effect]:
            self.seen.append(request.method)
            ok = Respond(request, Response.answer(request, 200, to_tag="to"))
            return [ok, ok] if request.method == "INVITE" else []

    class Caller(party):  # type: ignore[misc]
        def receive_response(self, response: Response, now: float) -> list[Effect]:
            self.seen.append(str(response.status))
            if len(self.seen) == 2:
                self.done.set()
            return [OpenDialog((response.call_id, "from", ""), self)]

    async def main(stage: Any) -> None:
        callee = Callee()
        server = await stage.endpoint(accept=lambda request, arrival, now: callee)
        client = await stage.endpoint()
        caller = Caller(uri(server))
        client.perform(caller, [SendRequest(caller.request("INVITE"), caller)])
        await caller.wait()
        assert caller.seen == ["200", "200"]

    play(main)


def test_closing_twice_and_with_calls_under_way_leaves_nothing(party: Any, play: Any) -> None:
    async def main(stage: Any) -> None:
        client = await stage.endpoint("udp", "tcp", settings=QUICK)
        for target in ("sip:b@192.0.2.1;transport=tcp", "sip:b@no-such-name.invalid", "sip:b@127.0.0.1:9"):
            caller = party(target)
            client.perform(caller, [SendRequest(caller.request("INVITE"), caller)])
        await client.close()
        await client.close()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        client.perform(caller, [])

    began = time.monotonic()
    play(main)
    assert time.monotonic() - began < 5


def test_a_user_that_is_never_satisfied_does_not_stop_the_others(party: Any, play: Any) -> None:
    class Restless(party):  # type: ignore[misc]
        def next_deadline(self) -> float:
            return 0.0

        def handle_deadline(self, now: float) -> list[Effect]:
            self.fired.append(now)
            return []

    async def main(stage: Any) -> None:
        callee = party()
        server = await stage.endpoint(accept=lambda request, arrival, now: callee)
        client = await stage.endpoint()
        restless, caller = Restless(), party(uri(server))
        client.perform(restless, [])
        client.perform(caller, [SendRequest(caller.request("OPTIONS"), caller)])
        await caller.wait()
        assert caller.seen == ["200 OPTIONS"]

    play(main)


@pytest.mark.parametrize(("host", "level", "option", "kind"), [
    ("127.0.0.1", socket.IPPROTO_IP, socket.IP_RECVTOS, socket.IP_TOS),
    ("::1", socket.IPPROTO_IPV6, socket.IPV6_RECVTCLASS, socket.IPV6_TCLASS),
])  # fmt: skip
def test_signalling_is_marked_cs3(host: str, level: int, option: int, kind: int, party: Any, play: Any) -> None:
    async def main(stage: Any) -> None:
        client = await stage.endpoint(host=host)
        peer = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        with peer:
            peer.bind((host, 0))
            peer.setsockopt(level, option, 1)
            caller = party(f"sip:b@{'[::1]' if ':' in host else host}:{peer.getsockname()[1]}")
            client.perform(caller, [SendRequest(caller.request("OPTIONS"), caller)])
            _, ancillary, _, _ = peer.recvmsg(65535, 100)
        assert [data[0] >> 2 for _, type_, data in ancillary if type_ == kind] == [24]

    play(main)
