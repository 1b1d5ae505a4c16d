"""TLS and WebSocket over the lab's wires: the same endpoints, in virtual time."""

from __future__ import annotations

import asyncio
import math
from pathlib import Path

import pytest
import trustme

from voipgw.entropy import SeededEntropy
from voipgw.lab.clock import run_virtual
from voipgw.lab.host import Host
from voipgw.lab.network import Network
from voipgw.lab.resolver import LabResolver
from voipgw.net.endpoint import Endpoint
from voipgw.net.tls import TlsContexts, TlsFiles
from voipgw.sip import Request, Response
from voipgw.sip.effects import Arrival, Effect, SendRequest


class Asker:
    """Sends OPTIONS and keeps what came of it."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self.done: asyncio.Future[Response] = asyncio.get_running_loop().create_future()

    def ask(self, endpoint: Endpoint, call_id: str) -> asyncio.Future[Response]:
        fields = [("From", "<sip:a@a.example>;tag=1"), ("To", f"<{self.uri}>"), ("Call-ID", call_id),
                  ("CSeq", "1 OPTIONS"), ("Max-Forwards", "70")]  # fmt: skip
        endpoint.perform(self, [SendRequest(Request.create("OPTIONS", self.uri, fields), self)])
        return self.done

    def receive_response(self, response: Response, now: float) -> list[Effect]:
        self.done.set_result(response)
        return []

    def request_failed(self, request: Request, error: Exception, now: float) -> list[Effect]:
        self.done.set_exception(error)
        return []

    def receive_request(self, request: Request, arrival: Arrival, now: float) -> list[Effect]:
        return []

    def cancelled(self, request: Request, now: float, cancel: Request | None = None) -> list[Effect]:
        return []

    def next_deadline(self) -> float:
        return math.inf

    def handle_deadline(self, now: float) -> list[Effect]:
        return []


@pytest.mark.parametrize(
    ("transport", "uri"),
    [("tls", "sips:pbx.example:5061"), ("ws", "sip:pbx.example:5061;transport=ws"),
     ("wss", "sips:pbx.example:5061;transport=ws")],
)  # fmt: skip
def test_connections_stand_for_hours_of_silence_in_the_lab_too(transport: str, uri: str, tmp_path: Path) -> None:
    authority = trustme.CA()
    leaf = authority.issue_cert("pbx.example")
    for name, blob in [("ca", authority.cert_pem), ("key", leaf.private_key_pem), ("cert", leaf.cert_chain_pems[0])]:
        blob.write_to_path(tmp_path / name)
    files = TlsFiles(tmp_path / "cert", tmp_path / "key", tmp_path / "ca")

    async def main() -> tuple[int, int, int]:
        loop = asyncio.get_running_loop()
        network = Network(loop, SeededEntropy(1))
        server = Endpoint(
            accept=lambda request, arrival, now: None, network=Host(network, "10.0.0.1"), tls=TlsContexts(files)
        )
        await server.listen(transport, "10.0.0.1", 5061)
        client = Endpoint(
            accept=lambda request, arrival, now: None,
            network=Host(network, "10.0.0.2"),
            tls=TlsContexts(TlsFiles(authorities=tmp_path / "ca")),
            resolver=LabResolver({"pbx.example": ("10.0.0.1",)}),
        )
        assert (await Asker(uri).ask(client, "first")).status == 200
        await asyncio.sleep(3 * 3600.0)
        assert (await Asker(uri).ask(client, "second")).status == 200
        pings = client.counters.keep_alives + server.counters.keep_alives
        facts = (client.connections, server.connections, pings)
        await client.close()
        await server.close()
        return facts

    (ours, theirs, kept_alive), _, _ = run_virtual(main)
    assert (ours, theirs) == (1, 1)
    assert 3 * 3600 / 111 <= kept_alive <= 3 * 3600 / 87
