"""CPU and memory of the transaction layer: INVITE, 180, 200, ACK, BYE, 200 through one endpoint, without sockets.

Run: ``python benchmarks/bench_endpoint.py [calls]``. Prints microseconds of CPU for each message (three in, three out; the messages
themselves and a user that answers at once are included) and the octets that a finished call keeps during its 32 seconds.
"""

from __future__ import annotations

import asyncio
import gc
import math
import statistics
import sys
import time
import tracemalloc
from collections.abc import Callable

from voipgw.net.endpoint import Endpoint
from voipgw.sip import Request, Response
from voipgw.sip.effects import Address, Arrival, CloseDialog, Effect, OpenDialog, Respond

HERE, THERE = ("127.0.0.1", 5060), ("127.0.0.1", 5061)
TEXT = (
    "{method} sip:service@127.0.0.1:5060 SIP/2.0\r\n"
    "Via: SIP/2.0/UDP 127.0.0.1:5061;branch=z9hG4bK-{number}-{cseq};rport\r\n"
    "From: caller <sip:caller@127.0.0.1:5061>;tag={number}\r\n"
    "To: service <sip:service@127.0.0.1:5060>{tag}\r\n"
    "Call-ID: {number}@127.0.0.1\r\nCSeq: {cseq} {method}\r\nContact: <sip:caller@127.0.0.1:5061>\r\n"
    "Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
)


class Wire:
    """A socket that leads nowhere."""

    def __init__(self, receive: Callable[[bytes, Address], None]) -> None:
        self.receive = receive
        self.local = HERE

    def send(self, data: bytes, to: Address) -> bool:
        return True

    def close(self) -> None:
        pass


class Nowhere:
    """A network of such sockets."""

    wire: Wire

    def open_datagram(
        self, local: Address, receive: Callable[[bytes, Address], None], refused: Callable[[Address], None]
    ) -> Wire:
        self.wire = Wire(receive)
        return self.wire

    async def listen(self, local: Address, factory: Callable[[], asyncio.Protocol]) -> object:
        raise OSError("no streams here")

    async def connect(self, remote: Address, factory: Callable[[], asyncio.Protocol]) -> None:
        raise OSError("no streams here")

    def near_address(self, toward: str) -> str:
        return HERE[0]


class Callee:
    """Rings, answers, and is hung up on."""

    def receive_request(self, request: Request, arrival: Arrival, now: float) -> list[Effect]:
        key = (request.call_id, "callee", request.from_tag or "")
        if request.method == "INVITE":
            ringing = Respond(request, Response.answer(request, 180, to_tag="callee"))
            return [OpenDialog(key, self), ringing, Respond(request, Response.answer(request, 200, to_tag="callee"))]
        if request.method == "BYE":
            return [Respond(request, Response.answer(request, 200)), CloseDialog(key)]
        return []

    def receive_response(self, response: Response, now: float) -> list[Effect]:
        return []

    def request_failed(self, request: Request, error: Exception, now: float) -> list[Effect]:
        return []

    def cancelled(self, request: Request, now: float, cancel: Request | None = None) -> list[Effect]:
        return []

    def next_deadline(self) -> float:
        return math.inf

    def handle_deadline(self, now: float) -> list[Effect]:
        return []


def messages(first: int, calls: int) -> list[bytes]:
    steps = ((1, "INVITE", ""), (1, "ACK", ";tag=callee"), (2, "BYE", ";tag=callee"))
    return [
        TEXT.format(method=method, number=number, cseq=cseq, tag=tag).encode()
        for number in range(first, first + calls)
        for cseq, method, tag in steps
    ]


async def once(calls: int, *, memory: bool = False) -> float:
    """Microseconds of CPU a message, or octets a finished call."""
    network = Nowhere()
    endpoint = Endpoint(accept=lambda request, arrival, now: Callee(), network=network)  # type: ignore[arg-type]
    await endpoint.listen("udp", *HERE)
    for data in messages(0, 100):
        network.wire.receive(data, THERE)
    gc.collect()
    if memory:
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        for number in range(1000, 1000 + calls):
            for data in messages(number, 1):
                network.wire.receive(data, THERE)
        gc.collect()
        result = (tracemalloc.get_traced_memory()[0] - before) / calls
        tracemalloc.stop()
    else:
        load = messages(1000, calls)
        began = time.process_time()
        for data in load:
            network.wire.receive(data, THERE)
        result = (time.process_time() - began) / (6 * calls) * 1e6
    assert endpoint.counters.dropped == {} and endpoint.dialogs == 0
    await endpoint.close()
    return result


def main(calls: int = 3000) -> None:
    runs = [asyncio.run(once(calls)) for _ in range(7)]
    print(f"CPU a message: median {statistics.median(runs):.1f} us, best {min(runs):.1f} us ({calls} calls, 7 runs)")
    print(f"kept of a finished call for 32 s: {asyncio.run(once(calls, memory=True)):.0f} octets")


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:2]))
