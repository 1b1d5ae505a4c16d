"""A SIP user agent that a script plays: a carrier, a PBX, a softphone. It speaks over real sockets or the lab's, as it is given.

Its SIP comes from the same transactions and sessions as the gateway's; its media from ``voipgw.lab.voice``, which shares nothing
with the engine.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from voipgw import sdp
from voipgw.entropy import Entropy
from voipgw.lab.voice import Voice
from voipgw.net.dns import Resolver
from voipgw.net.endpoint import Endpoint
from voipgw.net.network import Network
from voipgw.sdp.offer_answer import Agreement, LocalAudio, Side, make_answer, make_offer, negotiate, new_origin
from voipgw.sip.effects import Arrival, Effect, Respond, TransactionUser
from voipgw.sip.message import Request, Response
from voipgw.sip.reliable import Reliability
from voipgw.sip.session import Session
from voipgw.sip.session_client import ClientSession
from voipgw.sip.session_events import (
    Established,
    OfferReceived,
    Provisional,
    SessionEnded,
    SessionEvent,
    SessionSettings,
    session_description,
)
from voipgw.sip.session_server import ServerSession
from voipgw.sip.session_timer import TimerSettings

FORMATS = (sdp.Format("PCMU", payload_type=0), sdp.Format("PCMA", payload_type=8))


class PeerError(Exception):
    """The other side did not do what the script expected; the message says what it did instead."""


class PeerCall:
    """One call of a peer. It drives its session and keeps what happened for the script to await."""

    def __init__(self, peer: Peer, session_type: type[Session]) -> None:
        self._peer = peer
        self.session = session_type(self, peer.session_settings(), peer.entropy)
        self.voice = Voice(
            peer.entropy, lambda receive: peer.network.open_datagram((peer.host, 0), receive, lambda _: None)
        )
        self.invite: Request | None = None
        self.provisionals: list[int] = []
        self.status: int | None = None  #: final status of an outgoing call
        self.ended_by_peer: SessionEnded | None = None
        self.agreement: Agreement | None = None
        self._offer: sdp.SessionDescription | None = None
        self._answer = b""
        self._changed = asyncio.Event()
        self.answered = False
        self.over = False

    # What a script does.

    @property
    def called(self) -> str:
        """User part of the request URI that came in."""
        return self.invite.uri.user or "" if self.invite is not None else ""

    @property
    def calling(self) -> str:
        """User part of From of the INVITE that came in."""
        return self.invite.from_.uri.user or "" if self.invite is not None else ""

    def ring(self) -> None:
        """Send 180 without media."""
        self._send_progress("ring", 180, b"")

    def progress(self, status: int = 183) -> None:
        """Send a provisional with our answer: early media flows from now on."""
        self._send_progress("progress", status, self._make_answer())

    def answer(self) -> None:
        """Send 200 with our answer; media flows from now on."""
        answer = self._make_answer()
        self._perform(self._server("answer").accept(answer, self._now()))
        self.answered = True

    def refuse(self, status: int, *fields: tuple[str, str]) -> None:
        """Answer the INVITE finally with ``status``."""
        self._perform(self._server("refuse").reject(status, self._now(), fields))
        self._close()

    def hang_up(self) -> None:
        """Send BYE, CANCEL or a refusal, whichever is due."""
        self._perform(self.session.hang_up(self._now()))
        self._close()

    async def until_answered(self, within: float = 10.0) -> None:
        """Wait for the 200 of an outgoing call.

        Raises:
            PeerError: it was refused, or nothing came in time.
        """
        await self._until(lambda: self.answered or self.over, within, "an answer")
        if not self.answered:
            raise PeerError(f"expected an answer, got {self.status or 'the end of the call'}")

    async def until_ringing(self, within: float = 10.0) -> int:
        """Wait for a provisional other than 100; returns it."""
        await self._until(lambda: bool(self.provisionals) or self.over, within, "ringing")
        if not self.provisionals:
            raise PeerError(f"expected ringing, got {self.status or 'the end of the call'}")
        return self.provisionals[-1]

    async def until_over(self, within: float = 10.0) -> None:
        """Wait until the other side has ended the call."""
        await self._until(lambda: self.over, within, "the end of the call")

    # As a transaction user.

    def receive_request(self, request: Request, arrival: Arrival, now: float) -> list[Effect]:
        """The INVITE, or a request inside the dialog."""
        if self.invite is None and request.method == "INVITE" and isinstance(self.session, ServerSession):
            self.invite = request
            effects = self.session.start(request, now)
            if not effects:
                body = session_description(request)
                self._offer = sdp.parse(body) if body else None
                self._peer.incoming(self)
            return self._take(effects)
        return self._take(self.session.receive_request(request, now))

    def receive_response(self, response: Response, now: float) -> list[Effect]:
        """A response to one of our requests."""
        if response.cseq.method == "INVITE":
            if response.status >= 200:
                self.status = response.status
            else:
                self.provisionals.append(response.status)
        return self._take(self.session.receive_response(response, now))

    def request_failed(self, request: Request, error: Exception, now: float) -> list[Effect]:
        """A request of ours got no answer."""
        return self._take(self.session.request_failed(request, error, now))

    def cancelled(self, request: Request, now: float, cancel: Request | None = None) -> list[Effect]:
        """The caller gave up."""
        return self._take(self.session.cancelled(request, now, cancel))

    def next_deadline(self) -> float:
        """When the session wants to be called."""
        return self.session.next_deadline()

    def handle_deadline(self, now: float) -> list[Effect]:
        """Timers of the session."""
        return self._take(self.session.handle_deadline(now))

    # Inside.

    def place(self, uri: str, from_: str) -> None:
        """Send the INVITE of an outgoing call with our offer."""
        assert isinstance(self.session, ClientSession)
        self._offer = make_offer(self._local(), origin=new_origin(self._peer.entropy, self._peer.host))
        self._perform(self.session.start(uri, self._now(), from_=from_, to=f"<{uri}>", sdp=bytes(self._offer)))

    def _send_progress(self, what: str, status: int, answer: bytes) -> None:
        self._perform(self._server(what).progress(status, self._now(), answer))

    def _server(self, what: str) -> ServerSession:
        if not isinstance(self.session, ServerSession):
            raise PeerError(f"{what}: only a call that came in can be told that")
        if self.over:
            raise PeerError(f"{what}: the call is over")
        return self.session

    def _local(self) -> LocalAudio:
        return LocalAudio(self._peer.host, self.voice.local[1], FORMATS)

    def _make_answer(self) -> bytes:
        if not self._answer and self._offer is not None:
            answer = make_answer(self._offer, self._local(), origin=new_origin(self._peer.entropy, self._peer.host))
            self._begin(negotiate(self._offer, answer, Side.ANSWERER))
            self._answer = bytes(answer)
        return self._answer

    def _begin(self, agreement: Agreement) -> None:
        self.agreement = agreement
        self.voice.start(agreement.remote, agreement.codec.payload_type or 0)

    def _now(self) -> float:
        return self._peer.endpoint.now()

    def _perform(self, effects: list[Effect]) -> None:
        self._peer.endpoint.perform(self, self._take(effects))
        self._changed.set()

    def _take(self, effects: list[Effect]) -> list[Effect]:
        rest: list[Effect] = []
        for effect in effects:
            if isinstance(effect, SessionEvent):
                self._event(effect, rest)
            else:
                rest.append(effect)
        self._changed.set()
        return rest

    def _event(self, event: SessionEvent, effects: list[Effect]) -> None:
        if isinstance(event, (Provisional, Established)):
            if event.sdp and self._offer is not None and isinstance(self.session, ClientSession):
                self._begin(negotiate(self._offer, sdp.parse(event.sdp), Side.OFFERER))
            if isinstance(event, Established):
                self.answered = True
        elif isinstance(event, OfferReceived):
            offer = sdp.parse(event.sdp) if event.sdp else None
            if offer is not None:
                answer = make_answer(offer, self._local(), origin=new_origin(self._peer.entropy, self._peer.host))
                self._begin(negotiate(offer, answer, Side.ANSWERER))
                effects += self.session.answer_offer(bytes(answer), self._now())
            else:
                effects += self.session.refuse_offer(488, self._now())
        elif isinstance(event, SessionEnded):
            self.ended_by_peer = event
            self._close()

    def _close(self) -> None:
        self.over = True
        self.voice.close()
        self._changed.set()

    async def _until(self, happened: Callable[[], bool], within: float, what: str) -> None:
        deadline = self._now() + within
        while not happened():
            left = deadline - self._now()
            if left <= 0:
                raise PeerError(
                    f"expected {what} within {within:g} s; provisionals so far: {self.provisionals or 'none'}"
                )
            self._changed.clear()
            try:
                await asyncio.wait_for(self._changed.wait(), left)
            except TimeoutError:
                continue


class Peer:
    """A SIP address with somebody behind it. ``async with`` opens and closes it."""

    def __init__(
        self,
        network: Network,
        host: str,
        entropy: Entropy,
        *,
        port: int = 0,
        transport: str = "udp",
        resolver: Resolver | None = None,
    ) -> None:
        self.network = network
        self.host = host
        self.entropy = entropy
        self._port = port
        self._transport = transport
        self._resolver = resolver
        self._waiting: asyncio.Queue[PeerCall] = asyncio.Queue(maxsize=1000)
        self.timer = TimerSettings()  #: what its sessions want of session timers
        self.reliable = Reliability.SUPPORTED  #: and of reliable provisionals
        self.refuse_all: int | None = None  #: answer every INVITE with this status
        self.silent = False  #: answer nothing at all
        self.calls: list[PeerCall] = []

    async def __aenter__(self) -> Peer:
        self.endpoint = Endpoint(
            accept=self._accept, admit=self._admit, entropy=self.entropy, network=self.network, resolver=self._resolver
        )
        listener = await self.endpoint.listen(self._transport, self.host, self._port)
        self.port = listener.port
        return self

    async def __aexit__(self, *_: object) -> None:
        for call in self.calls:
            call.voice.close()
        await self.endpoint.close()

    @property
    def uri(self) -> str:
        """Its SIP address."""
        tail = "" if self._transport == "udp" else f";transport={self._transport}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"sip:{host}:{self.port}{tail}"

    def session_settings(self) -> SessionSettings:
        """What its sessions say of themselves."""
        return SessionSettings(contact=f"<{self.uri}>", agent="voipgw-peer", timer=self.timer, reliable=self.reliable)

    async def next_call(self, within: float = 10.0) -> PeerCall:
        """The next INVITE that comes in.

        Raises:
            PeerError: none came in time.
        """
        try:
            return await asyncio.wait_for(self._waiting.get(), within)
        except TimeoutError:
            raise PeerError(f"expected a call within {within:g} s; none came") from None

    def call(self, uri: str, *, calling: str = "peer", display_name: str = "") -> PeerCall:
        """Place a call; await its ``until_answered``."""
        call = PeerCall(self, ClientSession)
        self.calls.append(call)
        name = f'"{display_name}" ' if display_name else ""
        host = f"[{self.host}]" if ":" in self.host else self.host
        call.place(uri, f"{name}<sip:{calling}@{host}>")
        return call

    def incoming(self, call: PeerCall) -> None:
        """An INVITE came, and is in order."""
        self._waiting.put_nowait(call)

    def _admit(self, source: tuple[str, int], transport: str) -> bool:
        return not self.silent

    def _accept(self, request: Request, arrival: Arrival, now: float) -> TransactionUser | list[Effect] | None:
        if request.method != "INVITE":
            return None
        if self.refuse_all is not None:
            return [Respond(request, Response.answer(request, self.refuse_all, to_tag=self.entropy.token()))]
        call = PeerCall(self, ServerSession)
        self.calls.append(call)
        return call
