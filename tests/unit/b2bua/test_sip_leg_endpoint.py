"""Two legs and a call on a real endpoint, between a telephone and a carrier on endpoints of their own, over loopback UDP."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from voipgw.b2bua.call import Call, LegEffects, Step
from voipgw.b2bua.leg import Leg
from voipgw.b2bua.sip_leg import SipLeg
from voipgw.b2bua.sip_settings import SipLegSettings
from voipgw.call.events import CallEvent, Offered, Released
from voipgw.call.model import CallRequest, Party, Refusal, Route, Target, TargetKind
from voipgw.entropy import SeededEntropy
from voipgw.net.endpoint import Endpoint
from voipgw.sip import Request, Response, Uri
from voipgw.sip.effects import Arrival, Effect, TransactionUser
from voipgw.sip.session_client import ClientSession
from voipgw.sip.session_events import End, Established, Provisional, SessionEnded, SessionEvent, SessionSettings, State
from voipgw.sip.session_server import ServerSession

OFFER, ANSWER = b"v=0\r\ns=offer\r\n", b"v=0\r\ns=answer\r\n"
ROUTE = Route(Target(TargetKind.TRUNK, "carrier"), "+4930123", Party("+15551234", "Alice"))


class Peer:
    """A telephone or a carrier: a bare session; ``did`` wakes whoever waits for something to happen to it."""

    def __init__(self) -> None:
        self.session: ClientSession | ServerSession | None = None
        self.events: list[object] = []
        self.endpoint: Endpoint | None = None
        self.did = asyncio.Condition()
        self.react: Callable[[], list[Effect]] = list

    def receive_request(self, request: Request, arrival: Arrival, now: float) -> list[Effect]:
        assert self.session is not None
        if isinstance(self.session, ServerSession) and self.session.state is State.IDLE:
            return [*self.session.start(request, now), *self.react()]
        return self._keep(self.session.receive_request(request, now))

    def receive_response(self, response: Response, now: float) -> list[Effect]:
        assert self.session is not None
        return self._keep(self.session.receive_response(response, now))

    def request_failed(self, request: Request, error: Exception, now: float) -> list[Effect]:
        assert self.session is not None
        return self._keep(self.session.request_failed(request, error, now))

    def cancelled(self, request: Request, now: float, cancel: Request | None = None) -> list[Effect]:
        assert self.session is not None
        return self._keep(self.session.cancelled(request, now, cancel))

    def next_deadline(self) -> float:
        assert self.session is not None
        return self.session.next_deadline()

    def handle_deadline(self, now: float) -> list[Effect]:
        assert self.session is not None
        return self._keep(self.session.handle_deadline(now))

    def _keep(self, effects: list[Effect]) -> list[Effect]:
        told = [effect for effect in effects if isinstance(effect, SessionEvent)]
        self.events += told
        if told:
            asyncio.get_running_loop().create_task(self._wake()).add_done_callback(lambda task: task.result())
        return [effect for effect in effects if not isinstance(effect, SessionEvent)]

    async def _wake(self) -> None:
        async with self.did:
            self.did.notify_all()

    async def until(self, kind: type) -> object:
        """The first event of that class, waited for."""
        async with self.did:
            await asyncio.wait_for(self.did.wait_for(lambda: any(isinstance(event, kind) for event in self.events)), 5)
        return next(event for event in self.events if isinstance(event, kind))


class Routes:
    refusal: Refusal | None = None
    routes = (ROUTE,)

    def next_after(self, route: Route, released: Released, *, rang: bool = False) -> Route | None:
        return None


class Gateway:
    """What a gateway does with legs, and no more."""

    def __init__(self, entropy: SeededEntropy) -> None:
        self.entropy = entropy
        self.endpoint = Endpoint(accept=self.accept, events=self.happened, entropy=entropy)
        self.calls: dict[TransactionUser, Call] = {}
        self.settings: SipLegSettings | None = None
        self.over: list[object] = []

    def accept(self, request: Request, arrival: Arrival, now: float) -> TransactionUser:
        assert self.settings is not None
        return SipLeg("in", self.settings, self.entropy)

    def open(self, route: Route, request: CallRequest) -> Leg:
        assert self.settings is not None
        return SipLeg("out", self.settings, self.entropy)

    def happened(self, user: TransactionUser, event: CallEvent, now: float) -> None:
        assert isinstance(user, SipLeg)
        if isinstance(event, Offered):
            call = self.calls[user] = Call(event.request, user, Routes(), self, None)
            self.walk(call, call.start(now))
        else:
            call = self.calls[user]
            self.walk(call, call.receive(user, event, now))

    def walk(self, call: Call, steps: list[Step]) -> None:
        for step in steps:
            if isinstance(step, LegEffects):
                assert isinstance(step.leg, SipLeg)
                self.calls[step.leg] = call
                self.endpoint.perform(step.leg, step.effects)
            else:
                self.over.append(step)


class World:
    """The three endpoints, open."""

    def __init__(self) -> None:
        self.gateway = Gateway(SeededEntropy(1))
        self.phone, self.carrier = Peer(), Peer()
        self.endpoints: list[Endpoint] = []

    async def __aenter__(self) -> World:
        for peer in (self.phone, self.carrier):
            peer.endpoint = Endpoint(accept=lambda request, arrival, now: self.carrier, entropy=SeededEntropy(2))
        assert self.phone.endpoint is not None and self.carrier.endpoint is not None
        self.endpoints = [self.phone.endpoint, self.gateway.endpoint, self.carrier.endpoint]
        a, g, b = [(await endpoint.listen("udp", "127.0.0.1", 0)).port for endpoint in self.endpoints]
        self.gateway.settings = SipLegSettings(
            SessionSettings(f"<sip:127.0.0.1:{g}>"), "g.example", target=Uri.parse(f"sip:127.0.0.1:{b}")
        )
        self.client = ClientSession(self.phone, SessionSettings(f"<sip:a@127.0.0.1:{a}>"), SeededEntropy(3))
        self.server = ServerSession(self.carrier, SessionSettings(f"<sip:b@127.0.0.1:{b}>"), SeededEntropy(4))
        self.phone.session, self.carrier.session = self.client, self.server
        start = self.client.start(
            f"sip:030123@127.0.0.1:{g}", self.now, from_="<sip:a@a.example>", to="<sip:x@g.example>", sdp=OFFER
        )
        self.phone.endpoint.perform(self.phone, start)
        return self

    async def __aexit__(self, *error: object) -> None:
        for endpoint in self.endpoints:
            await endpoint.close()

    @property
    def now(self) -> float:
        return asyncio.get_running_loop().time()

    def do(self, peer: Peer, effects: list[Effect]) -> None:
        assert peer.endpoint is not None
        peer.endpoint.perform(peer, effects)

    def nothing_was_dropped(self) -> bool:
        return all(not endpoint.counters.dropped for endpoint in self.endpoints)


def test_a_call_is_set_up_and_ended_over_sockets() -> None:
    async def main() -> None:
        async with World() as world:
            world.carrier.react = lambda: [
                *world.server.progress(180, world.now),
                *world.server.accept(ANSWER, world.now),
            ]
            established = await world.phone.until(Established)
            assert isinstance(established, Established) and established.sdp == ANSWER
            await world.carrier.until(Established)
            world.do(world.phone, world.client.hang_up(world.now))
            ended = await world.carrier.until(SessionEnded)
            assert isinstance(ended, SessionEnded) and ended.how is End.BYE and ended.reasons[0].cause == 16
            assert any(isinstance(event, Provisional) and event.response.status == 180 for event in world.phone.events)
            await asyncio.sleep(0)
            assert world.gateway.endpoint.dialogs == 0
            assert world.nothing_was_dropped()

    asyncio.run(main())


def test_a_call_is_given_up_while_it_rings_over_sockets() -> None:
    async def main() -> None:
        async with World() as world:
            world.carrier.react = lambda: world.server.progress(180, world.now)
            await world.phone.until(Provisional)
            world.do(world.phone, world.client.hang_up(world.now))
            ended = await world.carrier.until(SessionEnded)
            assert isinstance(ended, SessionEnded) and ended.how is End.CANCELLED
            assert world.nothing_was_dropped()

    asyncio.run(main())


@pytest.mark.parametrize("status", [486, 503])
def test_a_refusal_comes_back_over_sockets(status: int) -> None:
    async def main() -> None:
        async with World() as world:
            world.carrier.react = lambda: world.server.reject(status, world.now)
            ended = await world.phone.until(SessionEnded)
            assert isinstance(ended, SessionEnded) and ended.status == status
            assert world.nothing_was_dropped()

    asyncio.run(main())
