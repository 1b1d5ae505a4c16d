"""The endpoint with sipp on the other side, both roles, UDP and TCP; what passed is written as a capture that tshark reads."""

from __future__ import annotations

import asyncio
import math
import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from voipgw.net.endpoint import Endpoint
from voipgw.sip import Request, Response
from voipgw.sip.effects import Arrival, CloseDialog, Effect, OpenDialog, Respond, SendAck, SendRequest
from voipgw.trace.calls import read_calls
from voipgw.trace.pcap import PcapWriter

pytestmark = pytest.mark.peer
CALLS = 50
SDP = (
    b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    b"m=audio 6000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
)


def need(program: str) -> str:
    found = shutil.which(program)
    if found is None:
        assert os.environ.get("CI") != "true", f"{program} has to be installed in CI"
        pytest.skip(f"{program} is not installed")
    return found


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Callee:
    """Answers and waits for BYE."""

    def receive_request(self, request: Request, arrival: Arrival, now: float) -> list[Effect]:
        key = (request.call_id, "callee", request.from_tag or "")
        if request.method == "INVITE":
            host, port = arrival.local
            contact = [("Contact", f"<sip:callee@{host}:{port};transport={arrival.transport}>")]
            ringing = Response.answer(request, 180, to_tag="callee", fields=contact)
            ok = Response.answer(
                request, 200, None, to_tag="callee", fields=contact, body=SDP, content_type="application/sdp"
            )
            return [OpenDialog(key, self), Respond(request, ringing), Respond(request, ok)]
        if request.method == "BYE":
            return [Respond(request, Response.answer(request, 200)), CloseDialog(key)]
        return []

    def receive_response(self, response: Response, now: float) -> list[Effect]:
        return []

    def request_failed(self, request: Request, error: Exception, now: float) -> list[Effect]:
        return []

    def cancelled(self, request: Request, now: float, cancel: Request | None = None) -> list[Effect]:
        return [Respond(request, Response.answer(request, 487, to_tag="callee"))]

    def next_deadline(self) -> float:
        return math.inf

    def handle_deadline(self, now: float) -> list[Effect]:
        return []


class Caller(Callee):
    """Calls, and hangs up as soon as the other side has answered."""

    def __init__(self, target: str, contact: str, number: int) -> None:
        self.target = target
        self.contact = contact
        self.call_id = f"{number}@voipgw.test"
        self.done = asyncio.get_running_loop().create_future()

    def request(self, method: str, number: int, to: str) -> Request:
        fields = [
            ("From", "<sip:caller@127.0.0.1>;tag=caller"),
            ("To", to),
            ("Call-ID", self.call_id),
            ("CSeq", f"{number} {method}"),
            ("Contact", self.contact),
            ("Max-Forwards", "70"),
        ]
        return Request.create(method, self.target, fields, *((SDP, "application/sdp") if method == "INVITE" else ()))

    def receive_response(self, response: Response, now: float) -> list[Effect]:
        to = response.header("To") or ""
        if response.status < 200:
            return []
        if response.cseq_method == "BYE" or response.status >= 300:
            self.done.set_result(response.status)
            return []
        return [SendAck(self.request("ACK", 1, to)), SendRequest(self.request("BYE", 2, to), self)]

    def request_failed(self, request: Request, error: Exception, now: float) -> list[Effect]:
        self.done.set_exception(error)
        return []


async def sipp(*arguments: str, cwd: Path) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        need("sipp"), "-nostdin", "-i", "127.0.0.1", *arguments, cwd=cwd,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip


@pytest.mark.parametrize(("transport", "option"), [("udp", "u1"), ("tcp", "t1"), ("tcp", "tn")])
def test_sipp_calls_us(transport: str, option: str, tmp_path: Path) -> None:
    async def main() -> None:
        endpoint = Endpoint(accept=lambda request, arrival, now: Callee())
        listener = await endpoint.listen(transport, "127.0.0.1", 0)
        with PcapWriter(tmp_path / "calls.pcap", epoch=1_700_000_000.0) as pcap:
            endpoint.observers.append(pcap)
            peer = await sipp(
                "-sn", "uac", "-t", option, "-p", str(free_port()), "-m", str(CALLS), "-r", "100", "-d", "0",
                "-timeout", "20s", "-max_socket", "200", f"127.0.0.1:{listener.port}", cwd=tmp_path,
            )  # fmt: skip
            assert await asyncio.wait_for(peer.wait(), 30) == 0
        assert endpoint.dialogs == 0
        assert endpoint.counters.requests_received == 3 * CALLS
        assert dict(endpoint.counters.dropped) == {} and endpoint.counters.malformed == 0
        await endpoint.close()

    asyncio.run(main())
    calls = read_calls(tmp_path / "calls.pcap")
    assert len(calls) == CALLS
    assert [e.label for e in calls[0].events][:2] == ["INVITE (SDP)", "180 Ringing (INVITE)"]
    no_complaint_of_tshark(tmp_path / "calls.pcap", 6 * CALLS)


@pytest.mark.parametrize(("transport", "option"), [("udp", "u1"), ("tcp", "t1")])
def test_we_call_sipp(transport: str, option: str, tmp_path: Path) -> None:
    async def main() -> None:
        port = free_port()
        peer = await sipp(
            "-sn", "uas", "-t", option, "-p", str(port), "-m", str(CALLS), "-timeout", "20s", cwd=tmp_path
        )
        endpoint = Endpoint(accept=lambda request, arrival, now: None)
        listener = await endpoint.listen(transport, "127.0.0.1", 0)
        await answered(endpoint, port, transport)
        target = f"sip:service@127.0.0.1:{port};transport={transport}"
        contact = f"<sip:caller@127.0.0.1:{listener.port};transport={transport}>"
        callers = [Caller(target, contact, number) for number in range(CALLS)]
        for caller in callers:
            endpoint.perform(caller, [SendRequest(caller.request("INVITE", 1, f"<{target}>"), caller)])
        results = await asyncio.wait_for(asyncio.gather(*(caller.done for caller in callers)), 30)
        assert results == [200] * CALLS
        assert await asyncio.wait_for(peer.wait(), 30) == 0
        await endpoint.close()

    async def answered(endpoint: Endpoint, port: int, transport: str) -> None:
        """Until sipp listens."""
        for _ in range(200):
            try:
                if transport == "tcp":
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.close()
                    await writer.wait_closed()
                    return
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
                    probe.bind(("127.0.0.1", port))
            except OSError:
                if transport == "udp":
                    return
            await asyncio.sleep(0.02)
        raise AssertionError("sipp did not start")

    asyncio.run(main())


def no_complaint_of_tshark(path: Path, messages: int) -> None:
    tshark = need("tshark")
    command = [tshark, "-r", str(path), "-o", "udp.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE",
               "-o", "ip.check_checksum:TRUE"]  # fmt: skip
    run = subprocess.run(
        [*command, "-Y", "sip", "-T", "fields", "-e", "sip.CSeq"], capture_output=True, text=True, check=True
    )
    assert len(run.stdout.replace(",", "\n").split("\n")) - 1 >= messages
    bad = '_ws.malformed or _ws.expert.severity == "Error" or _ws.expert.severity == "Warning"'
    bad += " or ip.checksum.status == 0 or udp.checksum.status == 0 or tcp.checksum.status == 0"
    run = subprocess.run([*command, "-Y", bad], capture_output=True, text=True, check=True)
    assert run.stdout == ""
