"""Registrations between whole gateways on the virtual clock: one is the registrar, the others register with it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import attrs
import pytest

from voipgw.cdr.record import CallRecord
from voipgw.gateway import Gateway, GatewayConfig, Listen, RegistrarConfig, User
from voipgw.gateway.config import parse_network
from voipgw.lab import Lab, Link, run
from voipgw.routing import Plan, anything, called, first, source, trunk, user
from voipgw.sip.registration import RegistrationState

REGISTRAR, SECOND, CLIENT, BEHIND = "10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"
USERS = {name: User(name, f"{name}pw") for name in ("alice", "bob", "carol")}


@pytest.fixture(autouse=True)
def passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in USERS:
        monkeypatch.setenv(f"PW_{name}", f"{name}pw")
    monkeypatch.setenv("PW_WRONG", "wrong")


def registrar_plan() -> Plan:
    plan = Plan()
    plan.route("telephones", when=source.user(), to=user())
    return plan


async def registrar(
    lab: Lab, host: str = REGISTRAR, plan: Plan | None = None, name: str = "registrar", **settings: int | Path
) -> Gateway:
    config = GatewayConfig(
        listen=(Listen("udp", host, 5060), Listen("tcp", host, 5060)), users=USERS,
        registrar=RegistrarConfig(**settings),  # type: ignore[arg-type]
    )  # fmt: skip
    return await lab.gateway(config, plan or registrar_plan(), name=name)


def phone_plan(
    behind: str, name: str = "alice", *hosts: str, password: str = "", transport: str = "udp", trusting: bool = True
) -> Plan:
    """A gateway that looks like a telephone: registered as ``name``; what comes goes to the peer ``behind``."""
    uris = [f"sip:{host}:5060;transport={transport}" for host in hosts or (REGISTRAR,)]
    plan = Plan()
    plan.trunk(
        "home", uris[0], username=name, password_env=password or f"PW_{name}", register=True, registrars=uris,
        trust_registrar=trusting,
    )  # fmt: skip
    plan.trunk("behind", behind)
    plan.route("in", when=source.trunk("home"), to=first("behind"))
    plan.route("out", when=anything, to=first("home"))
    return plan


async def phone(lab: Lab, host: str, plan: Plan, trust: str = "", transport: str = "udp") -> Gateway:
    config = GatewayConfig(
        listen=(Listen(transport, host, 5060), *([] if transport == "udp" else [Listen("udp", host, 5060)])),
        trust=(parse_network(trust),) if trust else (),
    )  # fmt: skip
    return await lab.gateway(config, plan, name=f"phone {host}")


def bindings(gateway: Gateway, name: str = "alice") -> list[str]:
    assert gateway.registrar is not None
    return [binding.contact for binding in gateway.registrar.of(name, gateway.endpoint.now())]


def state(gateway: Gateway) -> RegistrationState:
    status = gateway.registrations.status("home")
    assert status is not None
    return status.state


def test_a_day_of_registrations_without_a_gap_over_a_link_that_loses_a_fifth() -> None:
    async def main(lab: Lab) -> tuple[int, int]:
        home = await registrar(lab)
        peer = await lab.peer("peer", BEHIND)
        plan = phone_plan(peer.uri)
        alice = await phone(lab, CLIENT, plan)
        await asyncio.sleep(40)
        there = seen = 0
        for _ in range(24 * 60):
            await asyncio.sleep(60)
            seen += 1
            there += bindings(home) == [f"sip:alice@{CLIENT}:5060"] and state(alice) is RegistrationState.REGISTERED
        return there, seen

    result = run(main, 3, link=Link(delay_s=0.02, jitter_s=0.05, loss=0.2))
    assert result.virtual_s > 86_400
    assert result.result == (1440, 1440)


def test_a_gateway_that_goes_takes_its_registration_with_it() -> None:
    async def main(lab: Lab) -> tuple[list[str], list[str], RegistrationState, str]:
        home = await registrar(lab)
        peer = await lab.peer("peer", BEHIND)
        alice = await phone(lab, CLIENT, phone_plan(peer.uri))
        await asyncio.sleep(1)
        before = bindings(home)
        metrics = alice.observation.registry.render()
        await alice.drain(0)
        return before, bindings(home), state_or_gone(alice), metrics

    before, after, gone, metrics = run(main).result
    assert (before, after, gone) == ([f"sip:alice@{CLIENT}:5060"], [], RegistrationState.ENDED)
    assert 'voipgw_registrations{trunk="home",state="registered"} 1' in metrics
    assert 'voipgw_registrations{trunk="home",state="waiting"} 0' in metrics


def state_or_gone(gateway: Gateway) -> RegistrationState:
    status = gateway.registrations.status("home")
    return RegistrationState.ENDED if status is None else status.state


def test_a_wrong_password_registers_nobody_and_is_said() -> None:
    async def main(lab: Lab) -> tuple[list[str], RegistrationState, str]:
        home = await registrar(lab)
        peer = await lab.peer("peer", BEHIND)
        alice = await phone(lab, CLIENT, phone_plan(peer.uri, password="PW_WRONG"))
        await asyncio.sleep(20)
        status = alice.registrations.status("home")
        assert status is not None
        return bindings(home), status.state, status.why_not

    assert run(main).result == (
        [], RegistrationState.WAITING, "401 Unauthorized: our credentials are not accepted",
    )  # fmt: skip


def test_a_dead_registrar_is_passed_over_and_an_outage_is_recovered_from() -> None:
    async def main(lab: Lab) -> None:
        home = await registrar(lab, SECOND)
        peer = await lab.peer("peer", BEHIND)
        alice = await phone(lab, CLIENT, phone_plan(peer.uri, "alice", REGISTRAR, SECOND))
        await asyncio.sleep(40)
        assert bindings(home) == [f"sip:alice@{CLIENT}:5060"]
        lab.network.outage(CLIENT, SECOND, 2 * 3600.0)
        await asyncio.sleep(3700)
        assert bindings(home) == []
        assert state(alice) in (RegistrationState.WAITING, RegistrationState.TRYING)
        await asyncio.sleep(3500 + 1900)  # the longest wait is half an hour, and a dead registrar takes 32 s
        assert bindings(home) == [f"sip:alice@{CLIENT}:5060"]
        assert state(alice) is RegistrationState.REGISTERED

    run(main)


def test_registered_users_call_each_other() -> None:
    async def main(lab: Lab) -> tuple[str, list[CallRecord]]:
        home = await registrar(lab)
        one, two = await lab.peer("one", BEHIND), await lab.peer("two", "10.0.0.5")
        await phone(lab, CLIENT, phone_plan(one.uri, "alice"), trust=BEHIND)
        await phone(lab, "10.0.0.6", phone_plan(two.uri, "bob"), trust="10.0.0.5")
        await asyncio.sleep(1)
        out = one.call(f"sip:bob@{CLIENT}:5060", calling="alice")
        come = await two.next_call()
        come.ring()
        come.answer()
        await out.until_answered()
        await asyncio.sleep(2)
        heard = min(out.voice.packets_received, come.voice.packets_received)
        come.hang_up()
        await out.until_over()
        await asyncio.sleep(1)
        assert heard > 80
        return come.calling, [finished.record for finished in home.observation.records.finished]

    calling, (record,) = run(main).result
    assert calling == "alice"
    assert (record.source, record.called, record.sip_status) == ("user:alice", "bob", 200)
    assert [attempt.target for attempt in record.attempts] == ["user:bob"]


def test_who_is_called_is_tried_wherever_it_registered_and_then_the_plan_goes_on() -> None:
    plan = Plan()
    plan.trunk("voicemail", "sip:10.0.0.7:5060")
    plan.route("bob", when=source.user() & called.exact("bob"), to=first(user("bob"), trunk("voicemail")))
    plan.route("others", when=source.user(), to=user())

    async def main(lab: Lab) -> list[CallRecord]:
        home = await registrar(lab, plan=plan)
        one, mail = await lab.peer("one", BEHIND), await lab.peer("mail", "10.0.0.7")
        desk, mobile = await lab.peer("desk", "10.0.0.8"), await lab.peer("mobile", "10.0.0.9")
        await phone(lab, CLIENT, phone_plan(one.uri, "alice"), trust=BEHIND)
        await asyncio.sleep(1)
        out = one.call(f"sip:bob@{CLIENT}:5060")  # registered nowhere
        (await mail.next_call()).refuse(486)
        await out.until_over()
        await phone(lab, "10.0.0.11", phone_plan(desk.uri, "bob"))
        await asyncio.sleep(1)
        await phone(lab, "10.0.0.12", phone_plan(mobile.uri, "bob"))
        await asyncio.sleep(1)
        out = one.call(f"sip:bob@{CLIENT}:5060")
        (await mobile.next_call()).refuse(486)
        come = await desk.next_call()
        come.answer()
        await out.until_answered()
        out.hang_up()
        await come.until_over()
        out = one.call(f"sip:bob@{CLIENT}:5060")
        (await mobile.next_call()).refuse(603)  # nowhere else either
        await out.until_over()
        out = one.call(f"sip:nobody@{CLIENT}:5060")
        await out.until_over()
        out = one.call(f"sip:carol@{CLIENT}:5060")
        await out.until_over()
        await asyncio.sleep(1)
        return [finished.record for finished in home.observation.records.finished]

    records = run(main).result
    assert [[(a.target, a.sip_status) for a in record.attempts] for record in records] == [
        [("user:bob", 480), ("trunk:voicemail", 486)],
        [("user:bob", 486), ("user:bob", 200)],
        [("user:bob", 603)],
        [("user:nobody", 404)],
        [("user:carol", 480)],
    ]
    assert [record.cause for record in records][3:] == [1, 20]


def test_a_user_who_came_by_tcp_is_called_over_its_connection() -> None:
    async def main(lab: Lab) -> None:
        home = await registrar(lab)
        one, two = await lab.peer("one", BEHIND), await lab.peer("two", "10.0.0.5")
        await phone(lab, CLIENT, phone_plan(one.uri, "alice", transport="tcp"), trust=BEHIND, transport="tcp")
        await phone(lab, "10.0.0.6", phone_plan(two.uri, "bob", transport="tcp"), trust="10.0.0.5", transport="tcp")
        await asyncio.sleep(1)
        assert home.registrar is not None
        (binding,) = home.registrar.of("bob", home.endpoint.now())
        assert (binding.transport, binding.by_flow) == ("tcp", True)
        connections = home.endpoint.connections
        out = one.call(f"sip:bob@{CLIENT}:5060")
        come = await two.next_call()
        come.answer()
        await out.until_answered()
        assert home.endpoint.connections == connections
        out.hang_up()
        await come.until_over()

    run(main)


def test_a_registrar_is_trusted_as_its_trunk_only_when_told() -> None:
    async def main(lab: Lab) -> list[list[CallRecord]]:
        await registrar(lab)
        one, two = await lab.peer("one", BEHIND), await lab.peer("two", "10.0.0.5")
        await phone(lab, CLIENT, phone_plan(one.uri, "alice"), trust=BEHIND)
        bob = await phone(lab, "10.0.0.6", phone_plan(two.uri, "bob", trusting=False))
        await asyncio.sleep(1)
        out = one.call(f"sip:bob@{CLIENT}:5060")
        await out.until_over()
        await asyncio.sleep(1)
        return [[finished.record for finished in bob.observation.records.finished]]

    ((record,),) = run(main).result
    assert (record.source, record.sip_status) == ("address:10.0.0.1", 403)


def test_a_reload_keeps_what_is_the_same_and_drops_what_is_gone() -> None:
    async def main(lab: Lab) -> None:
        home = await registrar(lab)
        peer = await lab.peer("peer", BEHIND)
        alice = await phone(lab, CLIENT, phone_plan(peer.uri))
        await asyncio.sleep(1)
        assert home.registrar is not None
        (before,) = home.registrar.of("alice", home.endpoint.now())
        alice.reload(alice.config, phone_plan(peer.uri))
        await asyncio.sleep(1)
        assert home.registrar.of("alice", home.endpoint.now()) == (before,)
        alice.reload(alice.config, phone_plan(peer.uri, "bob"))
        await asyncio.sleep(1)
        assert (bindings(home), bindings(home, "bob")) == ([], [f"sip:bob@{CLIENT}:5060"])
        home.reload(attrs.evolve(home.config, users={"carol": USERS["carol"]}), registrar_plan())
        assert bindings(home, "bob") == []

    run(main)


def test_registrations_in_a_file_are_good_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "reg.sqlite"

    async def first_run(lab: Lab) -> None:
        home = await registrar(lab, db=path)
        peer = await lab.peer("peer", BEHIND)
        await phone(lab, CLIENT, phone_plan(peer.uri))
        await asyncio.sleep(1)
        lab.network.outage(CLIENT, REGISTRAR, 100.0)  # so that it does not say goodbye
        assert bindings(home) == [f"sip:alice@{CLIENT}:5060"]

    async def second_run(lab: Lab) -> tuple[list[str], list[str]]:
        home = await registrar(lab, db=path)
        before = bindings(home)
        await asyncio.sleep(3700)
        return before, bindings(home)

    run(first_run)
    assert run(second_run).result == ([f"sip:alice@{CLIENT}:5060"], [])
