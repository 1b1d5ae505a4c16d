"""A primary rate span: one data link, its B-channels, and the calls on them (ITU-T Q.931 section 5).

``Span`` gives each message to its call, chooses and negotiates channels, settles glare, answers messages for calls that do not
exist, restarts channels, and keeps the data link up. Its owner gives it frames and the time, gets ``CallArrived`` for new
calls and ``CallReport`` for what happens to them, and hands the effects of its own commands to ``perform``.
"""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from voipgw.causes import Cause
from voipgw.errors import DriverError, ParseError, ResourceError
from voipgw.pstn.isdn.call import IsdnCall
from voipgw.pstn.isdn.call_effects import (
    CallEffect,
    CallEnded,
    CallTimers,
    ChannelChosen,
    Clearing,
    NumberTimeout,
    Received,
    SendMessage,
)
from voipgw.pstn.isdn.call_tables import OUT_STATES
from voipgw.pstn.isdn.channels import ChannelPool
from voipgw.pstn.isdn.elements import (
    CallStateInfo,
    CauseInfo,
    ChangeStatus,
    ChannelIdentification,
    RestartIndicator,
)
from voipgw.pstn.isdn.info import Info
from voipgw.pstn.isdn.link import (
    DataReceived,
    LinkDown,
    LinkEffect,
    LinkFault,
    LinkReset,
    LinkTiming,
    LinkUp,
    SendFrame,
    Side,
    UnitDataReceived,
)
from voipgw.pstn.isdn.q921 import DataLink
from voipgw.pstn.isdn.q931 import Q931, CallReference, Element, Message, faults, parse
from voipgw.pstn.isdn.q931_tables import MessageType as M
from voipgw.pstn.isdn.restart import INDICATED, RestartRequests
from voipgw.pstn.isdn.switch_tables import SwitchProfile

#: SERVICE and SERVICE ACKNOWLEDGE of each maintenance protocol discriminator: the two have them the other way round.
SERVICE = {0x03: (0x0F, 0x07), 0x43: (0x07, 0x0F)}
_RESPONSES = (M.SETUP_ACKNOWLEDGE, M.CALL_PROCEEDING, M.ALERTING, M.CONNECT)
REFERENCES = 32767  #: of two octets


@attrs.frozen
class CallArrived:
    """A new call from the far end; a channel has been chosen for it. ``message`` is its SETUP."""

    call: IsdnCall
    message: Message


@attrs.frozen
class CallReport:
    """Something happened to a call; after ``CallEnded`` nothing more does."""

    call: IsdnCall
    effect: Received | NumberTimeout | Clearing | CallEnded


@attrs.frozen
class LinkChanged:
    """The data link came up or went down."""

    up: bool


@attrs.frozen
class ChannelsRestarted:
    """Channels were restarted: by the far end, or by us with or without its confirmation."""

    channels: tuple[int, ...]
    ours: bool
    confirmed: bool = True


@attrs.frozen
class ChannelService:
    """The far end put a channel into service or out of it."""

    channel: int
    in_service: bool


SpanEffect = SendFrame | CallArrived | CallReport | LinkChanged | LinkFault | ChannelsRestarted | ChannelService


class Span:
    """One span with its own D-channel."""

    def __init__(
        self,
        side: Side,
        profile: SwitchProfile,
        *,
        channels: Iterable[int] | None = None,
        link_timing: LinkTiming | None = None,
        call_timers: CallTimers | None = None,
    ) -> None:
        self.side = side
        self.profile = profile
        self.link = DataLink(side, link_timing)
        self.pool: ChannelPool[IsdnCall] = ChannelPool(
            profile.channels if channels is None else channels, descending=side is Side.NETWORK
        )
        self._timers = call_timers if call_timers is not None else CallTimers()
        self._calls: dict[tuple[int, bool], IsdnCall] = {}
        self._restarts = RestartRequests(self._timers.t316_s, map_slots=profile.map_slots)
        self._reference = 0
        self._running = False
        self._was_up = False
        self._out: list[SpanEffect] = []

    # -- what its owner asks

    @property
    def up(self) -> bool:
        """Whether calls can be placed."""
        return self.link.up

    @property
    def calls(self) -> tuple[IsdnCall, ...]:
        """The calls there are."""
        return tuple(self._calls.values())

    def start(self, now: float) -> list[SpanEffect]:
        """Bring the data link up, and keep it up."""
        self._running = True
        self._link(self.link.establish(now), now)
        return self._effects()

    def stop(self, now: float) -> list[SpanEffect]:
        """Take the data link down. Calls that are left are cleared without a word."""
        self._running = False
        for call in self.calls:
            self._call(call, call.clear_internally(Cause.NETWORK_OUT_OF_ORDER), now)
        self._link(self.link.release(now), now)
        return self._effects()

    def place(
        self, infos: Iterable[Info | Element], now: float, *, channel: int | None = None
    ) -> tuple[IsdnCall, list[SpanEffect]]:
        """Place a call with the elements ``infos``; its channel is chosen here unless ``channel`` says one.

        Raises:
            DriverError: the data link is down.
            ResourceError: the channel, or every channel, is in use.
        """
        if not self.up:
            raise DriverError("the span's data link is down")
        call = IsdnCall(self.side, self._new_reference(), self.profile, outgoing=True, timers=self._timers)
        if channel is None:
            call.channel = self.pool.choose(call)
        elif self.pool.take(channel, call):
            call.channel = channel
        if call.channel is None:
            raise ResourceError("no channel of the span is free" if channel is None else f"channel {channel} is in use")
        self._calls[call.reference.value, True] = call
        selected = ChannelIdentification((call.channel,), exclusive=self.profile.exclusive)
        self._call(call, call.setup([*infos, selected], now), now)
        return call, self._effects()

    def perform(self, call: IsdnCall, effects: list[CallEffect], now: float) -> list[SpanEffect]:
        """Carry out what a command to a call asked for."""
        self._call(call, effects, now)
        return self._effects()

    def restart(self, channels: tuple[int, ...], now: float) -> list[SpanEffect]:
        """Restart ``channels``, () for all (section 5.5.1): calls on them end, and they rest until the far end confirms."""
        self._restart(channels, now)
        return self._effects()

    # -- what arrives

    def receive(self, octets: bytes, now: float) -> list[SpanEffect]:
        """A frame from the D-channel."""
        self._link(self.link.receive(octets, now), now)
        return self._effects()

    def next_deadline(self) -> float:
        """When ``handle_deadline`` wants to be called; ``math.inf`` for never."""
        due = min(self.link.next_deadline(), self._restarts.deadline)
        for call in self._calls.values():
            due = min(due, call.next_deadline())
        return due

    def handle_deadline(self, now: float) -> list[SpanEffect]:
        """Timers that are due."""
        if self.link.next_deadline() <= now:
            self._link(self.link.handle_deadline(now), now)
        for call in self.calls:
            if call.next_deadline() <= now:
                self._call(call, call.handle_deadline(now), now)
        if self._restarts.deadline <= now:
            failed, messages = self._restarts.expired(now)
            self._send_all(messages, now)
            if failed is not None:
                self._out.append(ChannelsRestarted(failed or self.pool.channels, True, False))
        return self._effects()

    # -- the data link

    def _link(self, effects: list[LinkEffect], now: float) -> None:
        for effect in effects:
            if isinstance(effect, SendFrame | LinkFault):
                self._out.append(effect)
            elif isinstance(effect, DataReceived | UnitDataReceived):
                self._message(effect.information, now)
            elif isinstance(effect, LinkUp):
                self._link_up(now)
            elif isinstance(effect, LinkReset):
                for call in self.calls:
                    self._call(call, call.link_reset(now), now)
            elif isinstance(effect, LinkDown):
                self._link_down(now)

    def _link_up(self, now: float) -> None:
        self._out.append(LinkChanged(True))
        for call in self.calls:
            self._call(call, call.link_up(now), now)
        self._send_all(self._restarts.link_up(now), now)
        if not self._was_up and self.profile.restart_at_start:
            self._restart((), now)
        self._was_up = True

    def _link_down(self, now: float) -> None:
        self._out.append(LinkChanged(False))
        self._restarts.link_down()
        for call in self.calls:
            self._call(call, call.link_down(now), now)
        if self._running:
            self._link(self.link.establish(now), now)

    def _send(self, message: Message, now: float) -> None:
        if self._running:
            self._link(self.link.send(bytes(message), now), now)

    def _send_all(self, messages: list[Message], now: float) -> None:
        for message in messages:
            self._send(message, now)

    # -- messages

    def _message(self, octets: bytes, now: float) -> None:
        try:
            message = parse(octets)
        except ParseError:
            return  # sections 5.8.1 to 5.8.3.1: ignored
        if message.discriminator != Q931:
            self._maintenance(message, now)
        elif message.reference.value == 0:
            if message.reference.octets:
                self._global(message, now)
        else:
            call = self._calls.get((message.reference.value, message.reference.to_originator))
            if call is None:
                self._unknown(message, now)
            else:
                self._call(call, call.receive(message, now), now)

    def _unknown(self, message: Message, now: float) -> None:
        """A message for a reference that is not in use (section 5.8.3.2)."""
        if message.kind in (M.SETUP, M.RESUME):
            if not message.reference.to_originator:
                self._arrived(message, now)
            return
        if message.kind == M.RELEASE_COMPLETE:
            return
        reference = attrs.evolve(message.reference, to_originator=not message.reference.to_originator)
        if message.kind == M.STATUS_ENQUIRY:
            infos = [self._cause(Cause.RESPONSE_TO_STATUS_ENQUIRY), CallStateInfo(0)]
            self._send(Message.create(M.STATUS, reference, infos), now)
            return
        cause = Cause.INVALID_CALL_REFERENCE
        if message.kind == M.STATUS:
            state = message.find(CallStateInfo)
            if state is None or state.state == 0:
                return
            cause = Cause.WRONG_CALL_STATE
        self._send(Message.create(M.RELEASE_COMPLETE, reference, [self._cause(cause)]), now)

    def _arrived(self, message: Message, now: float) -> None:
        reference = message.reference
        call = IsdnCall(
            self.side,
            reference.value,
            self.profile,
            outgoing=False,
            timers=self._timers,
            reference_octets=reference.octets,
        )
        self._calls[reference.value, False] = call
        effects = call.receive(message, now)
        if not any(isinstance(effect, Received) for effect in effects):
            self._call(call, effects, now, silent=True)
            self._calls.pop((reference.value, False), None)
            return
        refused = self._choose(call, message)
        if refused is not None:
            self._call(call, call.disconnect(refused, now), now, silent=True)
        else:
            self._out.append(CallArrived(call, message))

    def _choose(self, call: IsdnCall, message: Message) -> Cause | None:
        """Choose the channel of a call that came (sections 5.1.2, 5.2.3.1 and 5.7); a cause where there is none."""
        info = message.find(ChannelIdentification)
        if message.kind == M.RESUME or (info is not None and not info.channels and not info.any_channel):
            return None  # a call without a channel
        call.interface = info.interface if info is not None else None
        if info is not None and info.channels:
            wanted = info.channels[0]
            if self.pool.take(wanted, call):
                call.channel = wanted
                return None
            holder = self.pool.holder(wanted)
            if holder is not None and self.side is Side.USER and self._unanswered(holder):
                self.pool.give_up(wanted, holder)  # glare: the network's call has priority
                holder.channel = None
                self.pool.take(wanted, call)
                call.channel = wanted
                return None
            if info.exclusive:
                there = wanted in self.pool
                return Cause.REQUESTED_CIRCUIT_NOT_AVAILABLE if there else Cause.CHANNEL_DOES_NOT_EXIST
        call.channel = self.pool.choose(call)
        return Cause.NO_CIRCUIT_AVAILABLE if call.channel is None else None

    def _unanswered(self, call: IsdnCall) -> bool:
        like = Side.USER if call.user_like else Side.NETWORK
        return call.outgoing and call.state is OUT_STATES[like][0]

    def _call(self, call: IsdnCall, effects: list[CallEffect], now: float, *, silent: bool = False) -> None:
        for effect in effects:
            if isinstance(effect, SendMessage):
                self._send(effect.message, now)
            elif isinstance(effect, ChannelChosen):
                self._chosen(call, effect.channel, now)
            else:
                if isinstance(effect, CallEnded):
                    self._ended(call, effect, now)
                if not silent:
                    self._out.append(CallReport(call, effect))
                if isinstance(effect, Received) and effect.message.kind in _RESPONSES and call.channel is None:
                    self._unacceptable(call, now)  # glare took its channel, and the far end gave no other

    def _chosen(self, call: IsdnCall, channel: int, now: float) -> None:
        if channel == call.channel:
            return
        if self.pool.take(channel, call):
            self.pool.give_up(call.channel, call)
            call.channel = channel
            return
        self._unacceptable(call, now)

    def _unacceptable(self, call: IsdnCall, now: float) -> None:
        cause = Cause.CHANNEL_UNACCEPTABLE
        self._call(call, [Clearing(cause), *call.disconnect(cause, now)], now)

    def _ended(self, call: IsdnCall, effect: CallEnded, now: float) -> None:
        self._calls.pop((call.reference.value, call.outgoing), None)
        self.pool.give_up(call.channel, call)
        if not effect.clean and call.channel is not None and self._running:
            self._restart((call.channel,), now)

    def _new_reference(self) -> int:
        if len(self._calls) >= REFERENCES // 2:
            raise ResourceError("no call reference is free")
        while True:
            self._reference = self._reference % REFERENCES + 1
            if (self._reference, True) not in self._calls:
                return self._reference

    # -- restart and maintenance

    def _restart(self, channels: tuple[int, ...], now: float) -> None:
        for channel in channels or self.pool.channels:
            self.pool.block(channel)
            self._clear_channel(channel, now)
        self._send_all(self._restarts.ask(channels, now), now)

    def _clear_channel(self, channel: int, now: float) -> None:
        holder = self.pool.holder(channel)
        if holder is not None:
            self._call(holder, holder.clear_internally(Cause.TEMPORARY_FAILURE), now)

    def _global(self, message: Message, now: float) -> None:
        if message.kind == M.RESTART and not message.reference.to_originator:
            self._restarted_by_peer(message, now)
        elif message.kind == M.RESTART_ACKNOWLEDGE:
            done, more = self._restarts.acknowledged(message, now)
            if done is not None:
                channels = done or self.pool.channels
                for channel in channels:
                    self.pool.unblock(channel)
                self._out.append(ChannelsRestarted(channels, True))
            self._send_all(more, now)
        elif message.kind != M.STATUS:
            self._answer_global(message, Cause.INVALID_CALL_REFERENCE, now)

    def _restarted_by_peer(self, message: Message, now: float) -> None:
        found = [fault for fault in faults(message) if fault.mandatory]
        if found:
            self._answer_global(message, found[0].cause, now)
            return
        indicator, info = message.find(RestartIndicator), message.find(ChannelIdentification)
        if indicator is not None and indicator.value == INDICATED:
            if info is None or not info.channels:
                self._answer_global(message, Cause.MANDATORY_ELEMENT_MISSING, now)
                return
            channels = tuple(channel for channel in info.channels if channel in self.pool)
            if not channels:
                self._answer_global(message, Cause.CHANNEL_DOES_NOT_EXIST, now)
                return
        else:
            channels = self.pool.channels
        for channel in channels:
            self._clear_channel(channel, now)
            self.pool.unblock(channel)
        kept = [element for element in (info, indicator) if element is not None]
        reference = attrs.evolve(message.reference, to_originator=True)
        self._send(Message.create(M.RESTART_ACKNOWLEDGE, reference, kept), now)
        self._out.append(ChannelsRestarted(channels, False))

    def _answer_global(self, message: Message, cause: Cause, now: float) -> None:
        reference = CallReference(0, not message.reference.to_originator, message.reference.octets)
        infos = [self._cause(cause), CallStateInfo(0 if self._restarts.current is None else 61)]
        self._send(Message.create(M.STATUS, reference, infos), now)

    def _maintenance(self, message: Message, now: float) -> None:
        """SERVICE of the North American switches: a channel is put into service or out of it."""
        status, info = message.find(ChangeStatus), message.find(ChannelIdentification)
        service, acknowledge = SERVICE[message.discriminator]
        if message.kind != service or status is None or message.discriminator != self.profile.maintenance:
            return
        reference = attrs.evolve(message.reference, to_originator=not message.reference.to_originator)
        answer = Message(acknowledge, reference, message.elements, message.discriminator)
        self._send(answer, now)
        for channel in info.channels if info is not None else ():
            if channel in self.pool:
                in_service = status.value & 7 == 0
                (self.pool.unblock if in_service else self.pool.block)(channel)
                self._out.append(ChannelService(channel, in_service))

    def _cause(self, cause: Cause) -> CauseInfo:
        return CauseInfo(cause, CauseInfo.USER if self.side is Side.USER else CauseInfo.PRIVATE_LOCAL)

    def _effects(self) -> list[SpanEffect]:
        out, self._out = self._out, []
        return out
