"""TCP connections of an endpoint, against sockets in the hands of the test."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from voipgw.net.settings import EndpointSettings
from voipgw.net.stream import StreamLimits
from voipgw.sip import Response, parse
from voipgw.sip.effects import SendRequest

WAIT_S = 10.0


def options(number: int = 1, *, length: str = "Content-Length: 0\r\n") -> bytes:
    return (
        "OPTIONS sip:b@127.0.0.1 SIP/2.0\r\n"
        f"Via: SIP/2.0/TCP 127.0.0.1:5060;branch=z9hG4bK{number}\r\n"
        "From: <sip:a@127.0.0.1>;tag=1\r\nTo: <sip:b@127.0.0.1>\r\n"
        f"Call-ID: {number}@127.0.0.1\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\n{length}\r\n"
    ).encode()


class Client:
    """One TCP connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def receive(self) -> Response:
        async with asyncio.timeout(WAIT_S):
            message = parse(await self.reader.readuntil(b"\r\n\r\n"))
        assert isinstance(message, Response)
        return message

    async def exactly(self, count: int) -> bytes:
        async with asyncio.timeout(WAIT_S):
            return await self.reader.readexactly(count)

    async def ended(self) -> None:
        """Wait for the other side to close."""
        async with asyncio.timeout(WAIT_S):
            while True:
                try:
                    if not await self.reader.read(65536):
                        return
                except ConnectionError:
                    return


@asynccontextmanager
async def client_of(endpoint: Any) -> AsyncIterator[Client]:
    reader, writer = await asyncio.open_connection("127.0.0.1", endpoint.listeners[0].port)
    try:
        yield Client(reader, writer)
    finally:
        writer.close()
        try:
            await writer.wait_closed()
        except ConnectionError:
            pass


def test_messages_come_in_any_pieces(play: Any) -> None:
    async def main(stage: Any) -> None:
        async with client_of(await stage.endpoint("tcp")) as client:
            client.send(options(1) + options(2))
            assert [(await client.receive()).call_id for _ in range(2)] == ["1@127.0.0.1", "2@127.0.0.1"]
            for octet in options(3):
                client.send(bytes([octet]))
                await client.writer.drain()
            assert (await client.receive()).call_id == "3@127.0.0.1"

    play(main)


def test_a_ping_is_answered_with_a_pong(play: Any) -> None:
    async def main(stage: Any) -> None:
        endpoint = await stage.endpoint("tcp")
        async with client_of(endpoint) as client:
            client.send(b"\r\n\r\n")
            assert await client.exactly(2) == b"\r\n"
            client.send(b"\r\n\r\n" + options())
            assert await client.exactly(2) == b"\r\n"
            assert (await client.receive()).status == 200
        assert endpoint.counters.keep_alives == 2

    play(main)


@pytest.mark.parametrize(
    "data", [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x02\x00\x01", options(length=""), b"x" * 70000]
)
def test_a_stream_that_is_no_sip_is_closed_and_the_next_one_works(data: bytes, play: Any) -> None:
    async def main(stage: Any) -> None:
        endpoint = await stage.endpoint("tcp")
        async with client_of(endpoint) as client:
            client.send(data)
            await client.ended()
        async with client_of(endpoint) as client:
            client.send(options())
            assert (await client.receive()).status == 200
        assert endpoint.counters.malformed == 1

    play(main)


def test_a_message_longer_than_the_bound_is_answered_and_the_stream_closed(play: Any) -> None:
    async def main(stage: Any) -> None:
        async with client_of(await stage.endpoint("tcp")) as client:
            client.send(options(length="Content-Length: 99999999\r\n"))
            assert (await client.receive()).status == 513
            await client.ended()

    play(main)


def test_an_idle_connection_is_closed(play: Any) -> None:
    async def main(stage: Any) -> None:
        settings = EndpointSettings(stream=StreamLimits(idle_s=0.05))
        endpoint = await stage.endpoint("tcp", settings=settings)
        async with client_of(endpoint) as client:
            client.send(options())
            assert (await client.receive()).status == 200
            await client.ended()
        assert endpoint.connections == 0

    play(main)


def test_a_message_that_is_begun_and_not_finished_ends_the_connection(play: Any) -> None:
    async def main(stage: Any) -> None:
        settings = EndpointSettings(stream=StreamLimits(message_s=0.05))
        async with client_of(await stage.endpoint("tcp", settings=settings)) as client:
            client.send(options() + options(2)[:40])
            assert (await client.receive()).status == 200
            await client.ended()

    play(main)


def test_a_peer_that_does_not_read_is_cut(play: Any) -> None:
    async def main(stage: Any) -> None:
        settings = EndpointSettings(stream=StreamLimits(unsent_octets=20_000))
        endpoint = await stage.endpoint("tcp", settings=settings)
        async with client_of(endpoint) as client:
            client.reader._transport.pause_reading()  # type: ignore[attr-defined]
            client.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            async with asyncio.timeout(3 * WAIT_S):  # the kernel takes megabytes before it is full
                number = 0
                while endpoint.connections or not endpoint.counters.requests_received:
                    number += 1
                    client.send(options(number).replace(b"From: ", b"From: " + b"a" * 4000))
                    try:
                        await client.writer.drain()
                    except ConnectionError:
                        break
        assert endpoint.connections == 0

    play(main)


def test_connections_beyond_the_bound_are_closed(play: Any) -> None:
    async def main(stage: Any) -> None:
        endpoint = await stage.endpoint("tcp", settings=EndpointSettings(max_connections=1))
        async with client_of(endpoint) as first:
            first.send(options(1))
            await first.receive()
            async with client_of(endpoint) as second:
                await second.ended()
            first.send(options(2))
            assert (await first.receive()).status == 200

    play(main)


def test_an_answer_whose_connection_is_gone_goes_over_a_new_one_to_sent_by(party: Any, play: Any) -> None:
    async def main(stage: Any) -> None:
        callee = party(answers=())
        endpoint = await stage.endpoint("tcp", accept=lambda request, arrival, now: callee)
        came: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

        async def taken(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            came.set_result(await reader.readuntil(b"\r\n\r\n"))
            writer.close()

        server = await asyncio.start_server(taken, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            async with client_of(endpoint) as client:
                request = options().replace(b"OPTIONS", b"INVITE").replace(b"127.0.0.1:5060", b"127.0.0.1:%d" % port)
                client.send(request)
                assert (await client.receive()).status == 100
            async with asyncio.timeout(WAIT_S):
                while endpoint.connections:
                    await asyncio.sleep(0)
                callee.answers = (486,)
                endpoint.perform(callee, callee.receive_request(callee.requests[0], callee.arrivals[0], 0.0))
                assert (await came).startswith(b"SIP/2.0 486 ")

    play(main)


def test_requests_to_one_peer_share_a_connection(party: Any, play: Any) -> None:
    async def main(stage: Any) -> None:
        server = await stage.endpoint("tcp")
        client = await stage.endpoint("tcp")
        target = f"sip:b@127.0.0.1:{server.listeners[0].port};transport=tcp"
        callers = [party(target) for _ in range(5)]
        for number, caller in enumerate(callers):
            request = caller.request("OPTIONS", call_id=f"{number}@x")
            client.perform(caller, [SendRequest(request, caller)])
        for caller in callers:
            await caller.wait()
        assert client.connections == server.connections == 1
        assert all(caller.seen == ["200 OPTIONS"] for caller in callers)

    play(main)


async def flow_to(stage: Any, party: Any, **limits: float) -> tuple[Any, Client, Any]:
    """An endpoint that has opened a connection to the test, with one request answered: endpoint, the test's end, server."""
    taken: asyncio.Queue[Client] = asyncio.Queue()
    server = await asyncio.start_server(lambda reader, writer: taken.put_nowait(Client(reader, writer)), "127.0.0.1", 0)
    endpoint = await stage.endpoint("tcp", settings=EndpointSettings(stream=StreamLimits(**limits)))
    user = party(f"sip:127.0.0.1:{server.sockets[0].getsockname()[1]};transport=tcp")
    endpoint.perform(user, [SendRequest(user.request("OPTIONS"), user)])
    client = await taken.get()
    request = parse(await client.reader.readuntil(b"\r\n\r\n"))
    client.send(bytes(Response.answer(request, 200)))  # type: ignore[arg-type]
    await user.wait()
    return endpoint, client, server


def test_a_connection_that_we_opened_is_kept_alive_by_pings(play: Any, party: Any) -> None:
    async def main(stage: Any) -> None:
        endpoint, client, server = await flow_to(stage, party, ping_s=0.02, pong_s=0.3)
        for _ in range(3):
            assert await client.exactly(4) == b"\r\n\r\n"
            client.send(b"\r\n")
        assert endpoint.connections == 1
        client.writer.close()
        server.close()

    play(main)


def test_a_peer_that_answered_pings_and_stops_is_gone(play: Any, party: Any) -> None:
    async def main(stage: Any) -> None:
        endpoint, client, server = await flow_to(stage, party, ping_s=0.02, pong_s=0.02)
        assert await client.exactly(4) == b"\r\n\r\n"
        client.send(b"\r\n")
        await client.ended()
        assert endpoint.connections == 0
        client.writer.close()
        server.close()

    play(main)


def test_a_peer_that_never_answers_pings_is_left_alone(play: Any, party: Any) -> None:
    async def main(stage: Any) -> None:
        endpoint, client, server = await flow_to(stage, party, ping_s=0.02, pong_s=0.01)
        assert await client.exactly(12) == b"\r\n\r\n" * 3
        assert endpoint.connections == 1
        client.writer.close()
        server.close()

    play(main)


def test_a_request_whose_connection_breaks_before_any_answer_fails_at_once(play: Any, party: Any) -> None:
    async def main(stage: Any) -> None:
        endpoint, client, server = await flow_to(stage, party)
        user = party(f"sip:127.0.0.1:{server.sockets[0].getsockname()[1]};transport=tcp")
        endpoint.perform(user, [SendRequest(user.request("OPTIONS", 2), user)])
        await client.reader.readuntil(b"\r\n\r\n")
        client.writer.close()
        await user.wait()
        assert "closed" in str(user.errors[0])
        server.close()

    play(main)


def test_who_connects_and_says_nothing_is_sent_away(play: Any) -> None:
    async def main(stage: Any) -> None:
        settings = EndpointSettings(stream=StreamLimits(message_s=0.05))
        endpoint = await stage.endpoint("tcp", settings=settings)
        async with client_of(endpoint) as silent, client_of(endpoint) as speaking:
            speaking.send(options(1))
            await speaking.receive()
            await silent.ended()
            speaking.send(options(2))
            assert (await speaking.receive()).status == 200
        assert endpoint.counters.dropped["connection cut"] == 1

    play(main)


def test_a_request_whose_connection_is_gone_goes_where_it_says_itself(play: Any, party: Any) -> None:
    async def main(stage: Any) -> None:
        callee = party()
        endpoint = await stage.endpoint("tcp", accept=lambda request, arrival, now: callee)
        other = await stage.endpoint("tcp")
        async with client_of(endpoint) as client:
            client.send(options(1))
            await client.receive()
        async with asyncio.timeout(WAIT_S):
            while endpoint.connections:
                await asyncio.sleep(0)
        user = party(f"sip:127.0.0.1:{other.listeners[0].port};transport=tcp")
        endpoint.perform(user, [SendRequest(user.request("OPTIONS"), user, callee.arrivals[0].back)])
        await user.wait()
        assert user.seen == ["200 OPTIONS"]

    play(main)
