"""RFC 3263 with dnsmasq: what the records lead to, and calls by the name of a trunk whose first server is dead."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from rig.gateway import Gateway
from rig.ports import free_port
from rig.processes import Process, need
from rig.sipp import Sipp

from voipgw.errors import TransportError
from voipgw.net.dns import DnsResolver, Target
from voipgw.net.dns_client import DnsClient
from voipgw.net.hosts import Hosts
from voipgw.sip.location import Question
from voipgw.sip.transport import destination_of_uri
from voipgw.sip.uri import Uri

pytestmark = pytest.mark.peer
ULAW = {"PT": "0", "CODEC": "PCMU"}
PEERS = Path(__file__).parent / "peers"


@pytest.fixture
def dnsmasq(keep: Callable[[Process], Process], tmp_path: Path) -> Callable[[int], int]:
    """Starts dnsmasq with SIP servers on a port; its own port."""

    def start(sip: int) -> int:
        program = need("dnsmasq")
        port = free_port()
        words = {"PORT": str(port), "SIP": str(sip)}
        text = re.sub(r"@([A-Z]+)@", lambda match: words[match[1]], (PEERS / "dnsmasq.conf").read_text())
        (tmp_path / "dnsmasq.conf").write_text(text)
        process = keep(Process([program, "-k", "-C", "dnsmasq.conf", "--log-facility=-"], tmp_path))
        process.line("started")
        return port

    return start


def look_up(port: int, *uris: str, have: tuple[str, ...] = ("udp", "tcp", "tls")) -> list[list[str] | str]:
    """What each URI leads to."""

    async def main() -> list[list[str] | str]:
        loop = asyncio.get_running_loop()
        client = DnsClient(loop, (("127.0.0.1", port),))
        draws = iter([number * 0.618 % 1 for number in range(10_000)])
        dns = DnsResolver(
            loop.time, client, lambda transport, six: transport in have, lambda: next(draws), hosts=Hosts(None)
        )
        found = []
        for uri in uris:
            done: asyncio.Future[list[Target] | TransportError] = loop.create_future()
            dns.resolve(destination_of_uri(Uri.parse(uri)), 5060, done.set_result)
            answer = await asyncio.wait_for(done, 10)
            if isinstance(answer, TransportError):
                found.append(str(answer))
            else:
                found.append([f"{one.transport} {one.host} {one.port}" for one in answer])
        dns.close()
        return found

    return asyncio.run(main())


def test_records_of_a_real_server_lead_where_the_standard_says(dnsmasq: Callable[[int], int]) -> None:
    port = dnsmasq(5070)
    assert look_up(
        port,
        "sip:rig.test",
        "sips:rig.test",
        "sip:rig.test;transport=tcp",
        "sip:plain.rig.test",
        "sip:alias.rig.test:5090",
        "sip:closed.rig.test",
        "sip:nobody.rig.test",
    ) == [
        ["tls 127.0.0.1 5070"],
        ["tls 127.0.0.1 5070"],
        ["tcp 127.0.0.1 5070"],
        ["udp 127.0.0.1 5060", "udp ::1 5060"],
        ["udp 127.0.0.1 5090", "udp ::1 5090"],
        "closed.rig.test: its domain says that it has no such service",
        "nobody.rig.test: no such name, or it has no address that we can reach",
    ]


def test_many_requests_are_spread_by_weight_with_one_question_to_the_server(dnsmasq: Callable[[int], int]) -> None:
    found = look_up(dnsmasq(5070), *["sip:rig.test"] * 1000, have=("udp",))
    firsts = Counter(answer[0] for answer in found if isinstance(answer, list))
    assert firsts["udp 127.0.0.1 5070"] == pytest.approx(750, abs=30)
    assert firsts["udp 127.0.0.2 5070"] == pytest.approx(250, abs=30)
    assert {answer[2] for answer in found if isinstance(answer, list)} == {"udp 127.0.0.3 5070"}


def test_a_server_that_is_not_there_is_said_to_be_silent() -> None:
    [found] = look_up(free_port(), "sip:rig.test")
    assert isinstance(found, str) and found.startswith("rig.test: DNS")


def test_the_lifetime_of_an_answer_is_that_of_its_record(dnsmasq: Callable[[int], int]) -> None:
    port = dnsmasq(5070)

    async def main() -> None:
        client = DnsClient(asyncio.get_running_loop(), (("127.0.0.1", port),))
        answer = await client.look_up(Question("a.rig.test", "A"))
        assert (answer.records, answer.ttl_s) == (("127.0.0.1",), 30.0)
        nothing = await client.look_up(Question("nobody.rig.test", "A"))
        assert nothing.records == () and nothing.failed == "" and 0 < nothing.ttl_s <= 300

    asyncio.run(main())


def test_a_call_to_a_trunk_by_name_goes_to_the_server_that_lives(
    trunk_gateway: Callable[..., Gateway], sipp: Callable[..., Sipp], dnsmasq: Callable[[int], int]
) -> None:
    callee = sipp("callee_talks", calls=3, RING_MS="20", **ULAW)
    port = dnsmasq(callee.port)  # nobody listens on 127.0.0.2, which comes first
    gateway = trunk_gateway(
        "--trust", "127.0.0.1/32", "--nameserver", f"127.0.0.1:{port}", "--to", "sip:trunk.rig.test"
    )
    sipp("caller_quiet", gateway.address(), calls=3, TALK_MS="50", **ULAW).succeeded(3)
    callee.succeeded(3)
    gateway.stop()
    assert [[one["sip_status"] for one in record["attempts"]] for record in gateway.records()] == [[200]] * 3
