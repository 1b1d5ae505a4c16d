"""WebSocket connections (RFC 7118): handshake, one message a frame, keep-alive, and the way back to a client."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trustme
from wsproto import ConnectionType, WSConnection, events

from voipgw.errors import TransportError
from voipgw.net.framings import Origins
from voipgw.net.settings import EndpointSettings
from voipgw.net.stream import StreamLimits
from voipgw.net.tls import TlsContexts, TlsFiles
from voipgw.net.websocket import WebSocketFraming
from voipgw.sip import Request, Response, parse
from voipgw.sip.effects import SendRequest
from voipgw.sip.framing import KeepAlive

WAIT_S = 10.0


def options(number: int = 1) -> bytes:
    return (
        "OPTIONS sip:b@127.0.0.1 SIP/2.0\r\n"
        f"Via: SIP/2.0/WS abc.invalid;branch=z9hG4bK{number}\r\n"
        "From: <sip:a@abc.invalid>;tag=1\r\nTo: <sip:b@127.0.0.1>\r\n"
        f"Call-ID: {number}@abc.invalid\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\n\r\n"
    ).encode()


class Browser:
    """A WebSocket client in the hands of the test; it says what a page's SIP library would."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.connection = WSConnection(ConnectionType.CLIENT)
        self.events: list[events.Event] = []

    @classmethod
    async def open(cls, endpoint: Any, *, origin: str = "", subprotocols: tuple[str, ...] = ("sip",)) -> Browser:
        reader, writer = await asyncio.open_connection("127.0.0.1", endpoint.listeners[0].port)
        browser = cls(reader, writer)
        fields = [(b"Origin", origin.encode())] if origin else []
        request = events.Request(
            host="gateway.example.com:8080", target="/sip", subprotocols=list(subprotocols), extra_headers=fields
        )
        writer.write(browser.connection.send(request))
        return browser

    def send(self, event: events.Event) -> None:
        self.writer.write(self.connection.send(event))

    async def next(self) -> events.Event:
        async with asyncio.timeout(WAIT_S):
            while not self.events:
                octets = await self.reader.read(65536)
                self.connection.receive_data(octets or None)
                self.events += self.connection.events()
                if not octets and not self.events:
                    return events.CloseConnection(code=1006)
        return self.events.pop(0)

    async def message(self) -> Request | Response:
        event = await self.next()
        assert isinstance(event, events.TextMessage) and event.message_finished
        return parse(event.data.encode())

    def close(self) -> None:
        self.writer.close()


def playing(play: Any, act: Callable[[Any, Any, Browser], Any], **settings: Any) -> None:
    """Run ``act(stage, endpoint, browser)`` with a browser that is connected."""

    async def main(stage: Any) -> None:
        endpoint = await stage.endpoint("ws", settings=EndpointSettings(**settings))
        browser = await Browser.open(endpoint)
        try:
            accepted = await browser.next()
            assert isinstance(accepted, events.AcceptConnection) and accepted.subprotocol == "sip"
            await act(stage, endpoint, browser)
        finally:
            browser.close()

    play(main)


def test_one_message_in_one_frame_needs_no_content_length(play: Any) -> None:
    async def act(stage: Any, endpoint: Any, browser: Browser) -> None:
        browser.send(events.TextMessage(data=options(1).decode()))
        browser.send(events.BytesMessage(data=options(2)))
        assert [(await browser.message()).call_id for _ in range(2)] == ["1@abc.invalid", "2@abc.invalid"]

    playing(play, act)


def test_a_message_may_come_in_fragments(play: Any) -> None:
    async def act(stage: Any, endpoint: Any, browser: Browser) -> None:
        text = options().decode()
        browser.send(events.TextMessage(data=text[:50], message_finished=False))
        browser.send(events.TextMessage(data=text[50:]))
        answer = await browser.message()
        assert isinstance(answer, Response) and answer.status == 200

    playing(play, act)


def test_the_way_back_to_a_client_is_the_flow_it_came_by(play: Any, party: Any) -> None:
    async def main(stage: Any) -> None:
        callee, user = party(), party("sip:page@abc.invalid;transport=ws")
        endpoint = await stage.endpoint("ws", accept=lambda request, arrival, now: callee)
        browser = await Browser.open(endpoint)
        await browser.next()
        browser.send(events.TextMessage(data=options().decode()))
        await browser.message()
        back = callee.arrivals[0].back
        endpoint.perform(user, [SendRequest(user.request("OPTIONS"), user, back)])
        request = await browser.message()
        assert isinstance(request, Request) and request.via.transport.upper() == "WS"
        browser.send(events.TextMessage(data=bytes(Response.answer(request, 200)).decode()))
        await user.wait()
        assert user.seen == ["200 OPTIONS"]
        browser.close()
        async with asyncio.timeout(WAIT_S):
            while endpoint.connections:
                await asyncio.sleep(0)
        late = party("sip:page@abc.invalid;transport=ws")
        endpoint.perform(late, [SendRequest(late.request("OPTIONS"), late, back)])
        assert isinstance(late.errors[0], TransportError)
        assert "only it can open one" in str(late.errors[0])

    play(main)


def test_pings_are_answered_frames_and_double_crlf_alike(play: Any) -> None:
    async def act(stage: Any, endpoint: Any, browser: Browser) -> None:
        browser.send(events.Ping(payload=b"there?"))
        pong = await browser.next()
        assert isinstance(pong, events.Pong) and pong.payload == b"there?"
        browser.send(events.TextMessage(data="\r\n\r\n"))
        crlf = await browser.next()
        assert isinstance(crlf, events.TextMessage) and crlf.data == "\r\n"
        assert endpoint.counters.keep_alives == 2
        assert endpoint.counters.malformed == 0

    playing(play, act)


def test_a_client_that_does_not_answer_our_ping_is_gone(play: Any) -> None:
    async def act(stage: Any, endpoint: Any, browser: Browser) -> None:
        assert isinstance(await browser.next(), events.Ping)
        assert isinstance(await browser.next(), events.CloseConnection)
        assert endpoint.connections == 0

    playing(play, act, stream=StreamLimits(ping_s=0.02, pong_s=0.02))


def test_a_message_over_the_limit_ends_the_connection(play: Any) -> None:
    async def act(stage: Any, endpoint: Any, browser: Browser) -> None:
        browser.send(events.BytesMessage(data=b"x" * 3000))
        assert isinstance(await browser.next(), events.CloseConnection)
        assert endpoint.counters.malformed == 1

    playing(play, act, stream=StreamLimits(message_octets=2000))


def test_garbage_in_a_frame_is_answered_where_possible_and_the_connection_stays(play: Any) -> None:
    async def act(stage: Any, endpoint: Any, browser: Browser) -> None:
        browser.send(events.TextMessage(data="nonsense"))
        browser.send(events.TextMessage(data=options().decode()))
        answer = await browser.message()
        assert isinstance(answer, Response) and answer.status == 200
        assert endpoint.counters.malformed == 1

    playing(play, act)


@pytest.mark.parametrize(
    ("origin", "allowed", "status"),
    [
        ("", (), 101),
        ("https://gateway.example.com", (), 101),
        ("https://evil.example.org", (), 403),
        ("null", (), 403),
        ("https://phone.example.org", ("https://phone.example.org",), 101),
        ("https://phone.example.org:8443", ("https://phone.example.org",), 403),
        ("https://anyone.example.org", ("*",), 101),
    ],
)
def test_a_web_page_connects_from_our_own_host_or_when_it_is_listed(
    play: Any, origin: str, allowed: tuple[str, ...], status: int
) -> None:
    async def main(stage: Any) -> None:
        endpoint = await stage.endpoint("ws", settings=EndpointSettings(origins=Origins(allowed)))
        browser = await Browser.open(endpoint, origin=origin)
        event = await browser.next()
        if status == 101:
            assert isinstance(event, events.AcceptConnection)
        else:
            assert isinstance(event, events.RejectConnection) and event.status_code == status
        browser.close()

    play(main)


def test_a_client_of_another_subprotocol_is_refused(play: Any) -> None:
    async def main(stage: Any) -> None:
        endpoint = await stage.endpoint("ws")
        for subprotocols in ((), ("xmpp", "SIPX")):
            browser = await Browser.open(endpoint, subprotocols=subprotocols)
            event = await browser.next()
            assert isinstance(event, events.RejectConnection) and event.status_code == 400
            browser.close()

    play(main)


@pytest.mark.parametrize(
    "octets",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
        b"OPTIONS sip:b@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/WS x\r\n\r\n",
        b"\x16\x03\x01\x00\x05hello",
        b"GET /\xff HTTP/1.1\r\nHost: \xff\xfe\r\nConnection: Upgrade\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"a" * 20000,
    ],
)
def test_what_is_no_handshake_is_refused_and_ends(octets: bytes) -> None:
    framing = WebSocketFraming(ours=False, max_octets=1000, origins=Origins())
    messages, answer = framing.feed(octets)
    assert messages == [] and framing.over and not framing.ready
    assert answer == b"" or answer.startswith(b"HTTP/1.1 400 ")


def test_frames_in_any_pieces_are_the_same() -> None:
    client = WebSocketFraming(ours=True, max_octets=1000, origins=Origins(), host="x.example.com")
    server = WebSocketFraming(ours=False, max_octets=1000, origins=Origins())
    _, answer = server.feed(client.start())
    assert client.feed(answer) == ([], b"")
    assert client.ready and server.ready
    stream = client.wrap(options(1)) + client.ping() + client.wrap(options(2)) + client.wrap(b"\xff\xfe")
    found: list[bytes | KeepAlive] = []
    for octet in stream:
        found += server.feed(bytes([octet]))[0]
    assert found == [options(1), KeepAlive.PING, options(2), b"\xff\xfe"]


def test_a_server_that_is_no_sip_server_is_no_connection(play: Any, party: Any) -> None:
    async def main(stage: Any) -> None:
        async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
            writer.close()

        server = await asyncio.start_server(refuse, "127.0.0.1", 0)
        client = await stage.endpoint("udp")
        user = party(f"sip:127.0.0.1:{server.sockets[0].getsockname()[1]};transport=ws")
        client.perform(user, [SendRequest(user.request("OPTIONS"), user)])
        await user.wait()
        server.close()
        assert "the server answers the handshake with 404" in str(user.errors[0])

    play(main)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_call_goes_over_wss(play: Any, party: Any, tmp_path: Path, host: str) -> None:
    authority = trustme.CA()
    leaf = authority.issue_cert(host)
    for name, blob in [("ca", authority.cert_pem), ("key", leaf.private_key_pem), ("cert", leaf.cert_chain_pems[0])]:
        blob.write_to_path(tmp_path / name)
    files = TlsFiles(tmp_path / "cert", tmp_path / "key", tmp_path / "ca")

    async def main(stage: Any) -> None:
        callee = party()
        server = await stage.endpoint(
            "wss", host=host, tls=TlsContexts(files), accept=lambda request, arrival, now: callee
        )
        client = await stage.endpoint("udp", tls=TlsContexts(TlsFiles(authorities=tmp_path / "ca")))
        literal = f"[{host}]" if ":" in host else host
        caller = party(f"sips:{literal}:{server.listeners[0].port};transport=ws")
        client.perform(caller, [SendRequest(caller.request("INVITE"), caller)])
        await caller.wait()
        assert callee.seen == ["INVITE", "ACK", "BYE"]
        assert callee.arrivals[0].transport == "wss" and callee.arrivals[0].secure
        assert callee.requests[0].via.transport.upper() == "WSS"

    play(main)
