"""Redirections of a trunk through a whole gateway: refused, followed within limits, or passed on."""

from __future__ import annotations

import asyncio

import pytest

from voipgw.errors import ConfigurationError
from voipgw.gateway import Gateway, GatewayConfig, Listen, MediaSettings
from voipgw.gateway.config import parse_network
from voipgw.lab import Lab, run
from voipgw.lab.peer import Peer, PeerCall
from voipgw.routing import Plan, anything, first
from voipgw.sip.session_events import SessionEnded

GATEWAY = "10.0.0.1"


async def set_up(lab: Lab, redirects: str, mode: str = "none") -> tuple[Gateway, Peer, Peer, Peer]:
    """caller -- gateway -- carrier; ``other`` is where the carrier sends calls on to."""
    caller, carrier, other = [await lab.peer(f"p{n}", f"10.0.0.{n}") for n in (2, 3, 4)]
    plan = Plan()
    plan.trunk("out", carrier.uri, redirects=redirects)
    plan.trunk("spare", carrier.uri)
    plan.route("onward", when=anything, to=first("out", "spare"))
    config = GatewayConfig(
        listen=(Listen("udp", GATEWAY, 5060),), trust=(parse_network("10.0.0.2"),), media=MediaSettings(mode=mode)
    )
    return await lab.gateway(config, plan), caller, carrier, other


def call(caller: Peer) -> PeerCall:
    return caller.call(f"sip:5551000@{GATEWAY}:5060")


async def nothing_left(gateway: Gateway) -> None:
    await asyncio.sleep(70)
    assert (gateway.exchange.calls, gateway.endpoint.dialogs, gateway.endpoint.transactions) == ([], 0, 0)


@pytest.mark.parametrize("mode", ["none", "relay"])
def test_a_redirection_is_followed_and_said_in_diversion_and_history(mode: str) -> None:
    async def main(lab: Lab) -> None:
        gateway, caller, carrier, other = await set_up(lab, "follow", mode)
        out = call(caller)
        asked = await carrier.next_call()
        asked.refuse(
            302, ("Contact", "<sip:nobody@10.0.0.3>;q=0.1"), ("Contact", "<sip:7000@10.0.0.4?Subject=1>;q=0.9")
        )
        come = await other.next_call()
        assert come.invite is not None and come.called == "7000" and come.invite.header("Subject") is None
        assert come.invite.header("Diversion") == "<sip:5551000@10.0.0.3:5060>;reason=unconditional;counter=1"
        history = come.invite.header("History-Info") or ""
        assert (
            history.startswith("<sip:5551000@10.0.0.3:5060>;index=1")
            and "Reason=SIP%3Bcause%3D302>;index=1.1" in history
        )
        assert asked.invite is not None and asked.invite.call_id != come.invite.call_id
        come.answer()
        await out.until_answered()
        out.hang_up()
        await come.until_over()
        await nothing_left(gateway)
        (record,) = [call.record for call in gateway.observation.records.finished]
        assert [attempt.target for attempt in record.attempts] == ["trunk:out"] and record.cause == 16

    run(main, 1)


def test_places_that_send_a_call_round_are_each_tried_once_and_the_next_route_follows() -> None:
    async def main(lab: Lab) -> None:
        gateway, caller, carrier, other = await set_up(lab, "follow")
        call(caller)
        (await carrier.next_call()).refuse(302, ("Contact", "<sip:a@10.0.0.4>"))
        (await other.next_call()).refuse(
            302, ("Contact", "<sip:a@10.0.0.4>"), ("Contact", "<sip:5551000@10.0.0.3:5060>")
        )
        come = await carrier.next_call()  # the spare trunk
        assert come.invite is not None and come.invite.header("Diversion") is None
        come.refuse(486)
        await nothing_left(gateway)

    run(main, 2)


def test_a_chain_of_redirections_has_an_end() -> None:
    async def main(lab: Lab) -> None:
        gateway, caller, carrier, other = await set_up(lab, "follow")
        call(caller)
        (await carrier.next_call()).refuse(302, ("Contact", "<sip:0@10.0.0.4>"))
        for number in range(1, 6):
            (await other.next_call()).refuse(302, ("Contact", f"<sip:{number}@10.0.0.4>"))
        (await carrier.next_call()).refuse(486)
        await nothing_left(gateway)
        assert len(other.calls) == 5

    run(main, 3)


def test_a_caller_who_gives_up_gives_up_the_place_that_is_called_now() -> None:
    async def main(lab: Lab) -> None:
        gateway, caller, carrier, other = await set_up(lab, "follow")
        out = call(caller)
        (await carrier.next_call()).refuse(302, ("Contact", "<sip:7000@10.0.0.4>"))
        come = await other.next_call()
        come.ring()
        await asyncio.sleep(0.5)
        out.hang_up()
        await come.until_over()
        await nothing_left(gateway)

    run(main, 4)


def test_by_default_a_redirection_is_a_failure_of_the_attempt() -> None:
    async def main(lab: Lab) -> None:
        gateway, caller, carrier, other = await set_up(lab, "refuse")
        call(caller)
        (await carrier.next_call()).refuse(302, ("Contact", "<sip:7000@10.0.0.4>"))
        (await carrier.next_call()).refuse(302, ("Contact", "<sip:7000@10.0.0.4>"))
        await nothing_left(gateway)
        assert other.calls == [] and caller.calls[0].status == 480

    run(main, 5)


def test_a_redirection_that_is_passed_on_ends_the_call_with_its_contacts() -> None:
    async def main(lab: Lab) -> None:
        gateway, caller, carrier, _ = await set_up(lab, "pass")
        out = call(caller)
        (await carrier.next_call()).refuse(
            302, ("Contact", "<sip:7000@10.0.0.4>;q=0.2"), ("Contact", "<sip:8@10.0.0.4>")
        )
        await out.until_over()
        ended = out.ended_by_peer
        assert isinstance(ended, SessionEnded) and ended.status == 302 and ended.message is not None
        assert ended.message.headers("Contact") == ("<sip:8@10.0.0.4>", "<sip:7000@10.0.0.4>")
        await nothing_left(gateway)
        assert len(carrier.calls) == 1

    run(main, 6)


@pytest.mark.parametrize(
    ("identity", "field"),
    [("none", None), ("asserted", "P-Asserted-Identity"), ("preferred", "P-Preferred-Identity")],
)
def test_a_trunk_is_told_who_calls_as_the_plan_says(identity: str, field: str | None) -> None:
    async def main(lab: Lab) -> None:
        caller, carrier = await lab.peer("caller", "10.0.0.2"), await lab.peer("carrier", "10.0.0.3")
        plan = Plan()
        plan.trunk("out", carrier.uri, identity=identity)
        plan.route("onward", when=anything, to=first("out"))
        config = GatewayConfig(listen=(Listen("udp", GATEWAY, 5060),), trust=(parse_network("10.0.0.2"),))
        await lab.gateway(config, plan)
        caller.call(f"sip:5551000@{GATEWAY}:5060", calling="123")
        invite = (await carrier.next_call()).invite
        assert invite is not None
        for name in ("P-Asserted-Identity", "P-Preferred-Identity"):
            assert (invite.header(name) is not None) is (name == field)

    run(main, 7)


def test_a_choice_that_is_none_is_refused_where_it_is_written() -> None:
    for wrong in ({"identity": "loud"}, {"redirects": "sometimes"}):
        with pytest.raises(ConfigurationError, match="one of"):
            Plan().trunk("out", "sip:10.0.0.3", **wrong)  # type: ignore[arg-type]
