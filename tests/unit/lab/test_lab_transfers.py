"""Blind transfer by REFER through a whole gateway: from either leg, within the rights of who asks, and whatever goes wrong."""

from __future__ import annotations

import asyncio

import attrs
import pytest

from voipgw.gateway import Gateway, GatewayConfig, Listen, MediaSettings
from voipgw.gateway.config import parse_network
from voipgw.lab import Lab, run
from voipgw.lab.peer import Peer, PeerCall
from voipgw.routing import Plan, called, first, reject
from voipgw.sip.message import Request

GATEWAY = "10.0.0.1"


@attrs.frozen
class Scene:
    """a calls b through the gateway; c is where one of them wants the other to be connected."""

    gateway: Gateway
    a: Peer
    b: Peer
    c: Peer

    @classmethod
    async def set_up(cls, lab: Lab, *, transfers: bool = True, mode: str = "relay") -> Scene:
        a, b, c = [await lab.peer(name, f"10.0.0.{n}") for n, name in enumerate("abc", 2)]
        plan = Plan()
        plan.trunk("b", b.uri, trust=["10.0.0.3"])
        plan.trunk("c", c.uri)
        plan.route("to b", when=called.prefix("2"), to=first("b"))
        plan.route("to c", when=called.prefix("3"), to=first("c"))
        plan.route("never", when=called.prefix("9"), to=reject())
        config = GatewayConfig(
            listen=(Listen("udp", GATEWAY, 5060),),
            trust=(parse_network("10.0.0.2"),),
            media=MediaSettings(mode=mode),
            transfers=transfers,
        )
        return cls(await lab.gateway(config, plan), a, b, c)

    async def talk(self) -> tuple[PeerCall, PeerCall]:
        out = self.a.call(f"sip:2000@{GATEWAY}:5060")
        come = await self.b.next_call()
        come.answer()
        await out.until_answered()
        await asyncio.sleep(0.1)
        return out, come

    async def nothing_left(self) -> None:
        await asyncio.sleep(70)
        endpoint = self.gateway.endpoint
        assert (self.gateway.exchange.calls, endpoint.dialogs, endpoint.transactions) == ([], 0, 0)
        assert self.gateway.media is None or self.gateway.media.open_streams == 0


def refer(peer: Peer, call: PeerCall, to: str) -> tuple[list[int], list[str]]:
    """Ask for a transfer; the statuses of the REFER, and the bodies of the NOTIFYs that came."""
    statuses: list[int] = []
    told: list[str] = []
    real_request, real_response = call.receive_request, call.receive_response
    session = call.session

    def receive_request(request: Request, arrival: object, now: float) -> list[object]:
        if request.method != "NOTIFY":
            return real_request(request, arrival, now)  # type: ignore[arg-type]
        told.append(request.body.decode().strip())
        return [session._respond(request, 200)]

    def receive_response(response: object, now: float) -> list[object]:
        if response.cseq_method == "REFER":  # type: ignore[attr-defined]
            statuses.append(response.status)  # type: ignore[attr-defined]
        return real_response(response, now)  # type: ignore[arg-type]

    call.receive_request, call.receive_response = receive_request, receive_response  # type: ignore[method-assign,assignment]
    fields = (("Contact", f"<{peer.uri}>"), ("Refer-To", to))
    peer.endpoint.perform(call, [session._request("REFER", fields)])
    return statuses, told


@pytest.mark.parametrize("who", ["a", "b"])
def test_either_party_transfers_the_other(who: str) -> None:
    async def main(lab: Lab) -> None:
        scene = await Scene.set_up(lab)
        out, come = await scene.talk()
        asker, kept = (out, come) if who == "a" else (come, out)
        statuses, told = refer(scene.a if who == "a" else scene.b, asker, f"<sip:3000@{GATEWAY}>")
        new = await scene.c.next_call()
        new.ring()
        await asyncio.sleep(1)
        assert not asker.over and not kept.over
        new.answer()
        await asker.until_over()
        assert statuses == [202] and told == ["SIP/2.0 100 Trying", "SIP/2.0 180 Ringing", "SIP/2.0 200 OK"]
        before = kept.voice.packets_received, new.voice.packets_received
        await asyncio.sleep(2)
        assert kept.voice.packets_received > before[0] + 90 and new.voice.packets_received > before[1] + 90
        assert not kept.over
        new.hang_up()
        await kept.until_over()
        await scene.nothing_left()
        (record,) = [call.record for call in scene.gateway.observation.records.finished]
        assert [attempt.target for attempt in record.attempts] == ["trunk:b", "trunk:c"]

    run(main, 1)


def test_who_asks_may_hang_up_before_the_outcome() -> None:
    async def main(lab: Lab) -> None:
        scene = await Scene.set_up(lab)
        out, come = await scene.talk()
        refer(scene.a, out, "<sip:3000@anywhere.example>")
        new = await scene.c.next_call()
        new.ring()
        out.hang_up()
        await asyncio.sleep(2)
        assert not come.over
        new.answer()
        await asyncio.sleep(1)
        assert not come.over and not new.over
        come.hang_up()
        await new.until_over()
        await scene.nothing_left()

    run(main, 2)


@pytest.mark.parametrize("gone", [False, True])
def test_a_transfer_that_fails_leaves_the_call_as_it_was_unless_who_asked_is_gone(gone: bool) -> None:
    async def main(lab: Lab) -> None:
        scene = await Scene.set_up(lab)
        out, come = await scene.talk()
        statuses, told = refer(scene.a, out, "<sip:3000@anywhere.example>")
        new = await scene.c.next_call()
        if gone:
            out.hang_up()
            await asyncio.sleep(0.5)
        new.refuse(486)
        await asyncio.sleep(1)
        assert come.over is gone and statuses == [202]
        if not gone:
            assert told[-1] == "SIP/2.0 486 Busy Here" and not out.over
            out.hang_up()
            await come.until_over()
        await scene.nothing_left()

    run(main, 3)


@pytest.mark.parametrize("ender", ["kept", "new"])
def test_a_party_that_hangs_up_while_it_rings_elsewhere_ends_what_is_left(ender: str) -> None:
    async def main(lab: Lab) -> None:
        scene = await Scene.set_up(lab)
        out, come = await scene.talk()
        refer(scene.a, out, "<sip:3000@anywhere.example>")
        new = await scene.c.next_call()
        new.ring()
        await asyncio.sleep(0.5)
        if ender == "kept":
            come.hang_up()
            await out.until_over()
            await new.until_over()
        else:
            new.refuse(480)
            await asyncio.sleep(0.5)
            assert not out.over and not come.over
            out.hang_up()
            await come.until_over()
        await scene.nothing_left()

    run(main, 4)


@pytest.mark.parametrize(
    ("to", "status"),
    [
        ("<sip:9000@x.example>", 403),  # the plan forbids it
        ("<sip:7777@x.example>", 404),  # no rule leads there
        ("<mailto:a@b.example>", 416),
        ("<sip:3000@x.example;method=BYE>", 501),
        ("<sip:3000@x.example?Replaces=1%3Bto-tag%3D2%3Bfrom-tag%3D3>", 501),
        ("nonsense<", 400),
    ],
)
def test_what_who_asks_could_not_call_is_declined_and_the_call_goes_on(to: str, status: int) -> None:
    async def main(lab: Lab) -> None:
        scene = await Scene.set_up(lab)
        out, come = await scene.talk()
        statuses, told = refer(scene.a, out, to)
        await asyncio.sleep(1)
        assert statuses and statuses[0] in (status, 603) and told == [] and not out.over and not come.over
        assert scene.c.calls == []
        out.hang_up()
        await come.until_over()
        await scene.nothing_left()

    run(main, 5)


@pytest.mark.parametrize(("transfers", "mode", "status"), [(False, "relay", 405), (True, "none", 603)])
def test_transfers_have_to_be_allowed_and_media_has_to_be_ours(transfers: bool, mode: str, status: int) -> None:
    async def main(lab: Lab) -> None:
        scene = await Scene.set_up(lab, transfers=transfers, mode=mode)
        out, come = await scene.talk()
        statuses, _ = refer(scene.a, out, "<sip:3000@x.example>")
        await asyncio.sleep(1)
        assert statuses == [status] and not come.over
        out.hang_up()
        await come.until_over()
        await scene.nothing_left()

    run(main, 6)
