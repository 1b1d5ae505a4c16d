"""What the lab gives to scripts: named sources of chance, names, machines, a trace, and no error that goes unseen."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path

import pytest

from voipgw import dsp
from voipgw.errors import ConfigurationError, LocalProtocolError, TransportError
from voipgw.gateway import GatewayConfig, Listen
from voipgw.gateway.config import parse_network
from voipgw.gateway.echo import Echo, greeting
from voipgw.lab import InternalError, Lab, Link, run
from voipgw.lab.clock import Stalled
from voipgw.lab.compare import compare
from voipgw.lab.peer import Peer
from voipgw.routing import Plan, anything, app, first

GATEWAY, CALLER, CALLEE = "10.0.0.1", "10.0.0.2", "10.0.0.3"


async def call_through(lab: Lab, target: str = "", transport: str = "udp") -> tuple[Peer, Peer]:
    """A short call from one peer to another; the gateway calls ``target``, or where the callee is."""
    caller = await lab.peer("caller", CALLER)
    callee = await lab.peer("callee", CALLEE, transport=transport)
    plan = Plan()
    plan.trunk("out", target or callee.uri)
    plan.route("onward", when=anything, to=first("out"))
    listen = tuple(Listen(kind, GATEWAY, 5060) for kind in dict.fromkeys(("udp", transport)))
    await lab.gateway(GatewayConfig(listen=listen, trust=(parse_network(CALLER),)), plan)
    out = caller.call(f"sip:5551000@{GATEWAY}:5060")
    come = await callee.next_call()
    come.answer()
    await out.until_answered()
    await asyncio.sleep(1)
    out.hang_up()
    await come.until_over()
    return caller, callee


def test_a_call_passes_and_all_of_it_is_in_the_trace() -> None:
    file = io.StringIO()
    kept: list[str] = []

    async def main(lab: Lab) -> None:
        await call_through(lab)
        kept.extend(lab.trace.lines)

    done = run(main, 7, trace_file=file)
    lines = file.getvalue().splitlines()
    assert len(lines) == done.lines
    kinds = [line.split()[1] for line in lines]
    assert kinds.count("rtp") > 150
    assert kinds[-1] == "call"
    starts = [line.split()[4] for line in kept if line.split()[1] == "sip"]
    assert starts[0] == "INVITE"
    assert starts.count("BYE") == 2
    assert all("rtp" not in line.split()[1] for line in kept), "media lines are hashed and written, not kept"
    assert [int(line.split()[0]) for line in lines] == sorted(int(line.split()[0]) for line in lines)


def test_the_hash_is_that_of_the_seed() -> None:
    async def main(lab: Lab) -> None:
        await call_through(lab)

    assert run(main, 7).hash == run(main, 7).hash != run(main, 8).hash


def test_one_more_peer_changes_no_value_and_no_loss_of_the_others() -> None:
    def traced(more: bool) -> list[str]:
        file = io.StringIO()

        async def main(lab: Lab) -> None:
            lab.network.set_link(CALLER, GATEWAY, Link(loss=0.2, jitter_s=0.05))
            if more:
                others = [await lab.peer(name, host) for name, host in (("x", "10.0.0.8"), ("y", "10.0.0.9"))]
                lab.network.set_link("10.0.0.8", "10.0.0.9", Link(loss=0.5))
                others[0].call(others[1].uri)
            await call_through(lab)

        run(main, 3, trace_file=file)
        return [line for line in file.getvalue().splitlines() if "10.0.0.8" not in line and "10.0.0.9" not in line]

    assert traced(more=False) == traced(more=True)


def test_names_mean_what_the_script_says_and_nothing_else() -> None:
    async def known(lab: Lab) -> None:
        lab.name("callee.example", CALLEE)
        await call_through(lab, "sip:callee.example:5060")

    run(known)

    async def unknown(lab: Lab) -> int | None:
        caller = await lab.peer("caller", CALLER)
        plan = Plan()
        plan.trunk("out", "sip:nobody.example")
        plan.route("onward", when=anything, to=first("out"))
        listen = (Listen("udp", GATEWAY, 5060),)
        await lab.gateway(GatewayConfig(listen=listen, trust=(parse_network(CALLER),)), plan)
        out = caller.call(f"sip:1@{GATEWAY}")
        await out.until_over()
        return out.status

    assert run(unknown).result in (502, 503)


def test_a_call_over_tcp_passes_too() -> None:
    async def main(lab: Lab) -> list[str]:
        await call_through(lab, transport="tcp")
        return [line.split()[2] for line in lab.trace.lines if line.split()[1] == "sip"]

    assert set(run(main).result) == {"udp", "tcp"}


def test_two_of_one_name_are_refused() -> None:
    async def main(lab: Lab) -> None:
        await lab.peer("carrier", CALLEE)
        with pytest.raises(LocalProtocolError, match="'carrier' in this lab already"):
            await lab.peer("carrier", CALLER)

    run(main)


def test_metrics_over_http_are_refused_by_name() -> None:
    async def main(lab: Lab) -> None:
        with pytest.raises(ConfigurationError, match="metrics are not served over HTTP in the lab"):
            await lab.gateway(GatewayConfig(metrics=("127.0.0.1", 0)), Plan())

    run(main)


def test_an_address_in_use_is_refused_as_on_a_machine() -> None:
    async def main(lab: Lab) -> None:
        await lab.gateway(GatewayConfig(listen=(Listen("udp", GATEWAY, 5060),)), Plan())
        with pytest.raises(TransportError, match="address already in use"):
            await lab.gateway(GatewayConfig(listen=(Listen("udp", GATEWAY, 5060),)), Plan(), name="second")

    run(main)


def test_an_error_that_the_script_did_not_see_fails_the_run() -> None:
    async def main(lab: Lab) -> None:
        def broken() -> None:
            raise ValueError("inside")

        lab.loop.call_later(1, broken)
        await asyncio.sleep(2)

    with pytest.raises(InternalError, match=r"at virtual second 1\.000: ValueError: inside"):
        run(main)


def test_a_script_that_waits_for_ever_is_told_so() -> None:
    async def main(lab: Lab) -> None:
        await lab.loop.create_future()

    with pytest.raises(Stalled, match="at virtual second 0"):
        run(main)


def test_directories_go_with_the_run() -> None:
    async def main(lab: Lab) -> Path:
        path = lab.directory()
        assert path.is_dir()
        return path

    assert not run(main).result.exists()


def test_a_gateway_is_closed_with_its_calls_released_when_the_script_ends() -> None:
    async def main(lab: Lab) -> Peer:
        caller = await lab.peer("caller", CALLER)
        callee = await lab.peer("callee", CALLEE)
        plan = Plan()
        plan.trunk("out", callee.uri)
        plan.route("onward", when=anything, to=first("out"))
        listen = (Listen("udp", GATEWAY, 5060),)
        await lab.gateway(GatewayConfig(listen=listen, trust=(parse_network(CALLER),)), plan)
        out = caller.call(f"sip:1@{GATEWAY}")
        come = await callee.next_call()
        come.answer()
        await out.until_answered()
        return callee

    file = io.StringIO()
    callee = run(main, trace_file=file).result
    assert callee.calls[0].over
    assert '"duration_s":' in file.getvalue().splitlines()[-1]


def test_an_application_answers_and_is_heard_in_virtual_time() -> None:
    async def main(lab: Lab) -> tuple[int, float]:
        caller = await lab.peer("caller", CALLER)
        plan = Plan()
        plan.route("echo", when=anything, to=app("echo"), strangers=True)
        await lab.gateway(GatewayConfig(listen=(Listen("udp", GATEWAY, 5060),)), plan, apps={"echo": Echo(greeting())})
        out = caller.call(f"sip:echo@{GATEWAY}")
        await out.until_answered()
        await asyncio.sleep(len(greeting()) / 8000 + 1)
        said = dsp.dtmf("159D", on_ms=400, off_ms=100)
        await out.voice.say(said)
        await asyncio.sleep(1)
        heard = out.voice.heard()
        out.hang_up()
        return int(abs(heard[: len(greeting())]).max()), compare(said, heard).signal_to_error_db

    loudest, signal_to_error_db = run(main).result
    assert loudest > 3000
    assert signal_to_error_db > 30


def test_gateways_stand_behind_each_other_and_speak_ipv6() -> None:
    async def main(lab: Lab) -> tuple[int, float, str]:
        hosts = {name: f"fd00::{number}" for number, name in enumerate(("caller", "west", "east", "callee"), 1)}
        caller, callee = await lab.peer("caller", hosts["caller"]), await lab.peer("callee", hosts["callee"])
        for name, trusted, target in (
            ("east", "west", callee.uri),
            ("west", "caller", f"sip:[{hosts['east']}]:5060"),
        ):
            plan = Plan()
            plan.trunk("out", target)
            plan.route("onward", when=anything, to=first("out"))
            listen = (Listen("udp", hosts[name], 5060),)
            await lab.gateway(GatewayConfig(listen=listen, trust=(parse_network(hosts[trusted]),)), plan, name=name)
        out = caller.call(f"sip:5551000@[{hosts['west']}]:5060")
        come = await callee.next_call()
        come.answer()
        await out.until_answered()
        said = dsp.dtmf("159D", on_ms=400, off_ms=100)
        await out.voice.say(said)
        await asyncio.sleep(1)
        out.hang_up()
        await come.until_over()
        finished = [len(gateway.observation.records.finished) for gateway in lab.gateways]
        return sum(finished), compare(said, come.voice.heard()).signal_to_error_db, come.called

    records, signal_to_error_db, called = run(main).result
    assert records == 2
    assert signal_to_error_db > 30
    assert called == "5551000"
