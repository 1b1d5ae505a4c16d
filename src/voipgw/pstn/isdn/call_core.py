"""What a call of ITU-T Q.931 does by itself: commands of its owner, link events, timers. ``call`` adds what messages do."""

from __future__ import annotations

import math
from collections.abc import Iterable

from voipgw.causes import Cause
from voipgw.errors import LocalProtocolError
from voipgw.pstn.isdn.call_effects import (
    CallEffect,
    CallEnded,
    CallTimers,
    ChannelChosen,
    Clearing,
    NumberTimeout,
    SendMessage,
)
from voipgw.pstn.isdn.call_tables import IN_STATES, INFORMATIVE, OUT_STATES, STATUS_STATES
from voipgw.pstn.isdn.elements import CallStateInfo, CauseInfo, ChannelIdentification, ProgressIndicator
from voipgw.pstn.isdn.info import Info
from voipgw.pstn.isdn.link import Side
from voipgw.pstn.isdn.q931 import CallReference, Element, Message
from voipgw.pstn.isdn.q931_tables import CallState, MessageType
from voipgw.pstn.isdn.switch_tables import SwitchProfile

S = CallState
M = MessageType
Infos = Iterable[Info | Element]


class CallCore:
    """One call reference, without what messages do to it."""

    def __init__(
        self,
        side: Side,
        reference: int,
        profile: SwitchProfile,
        *,
        outgoing: bool,
        timers: CallTimers | None = None,
        reference_octets: int = 2,
    ) -> None:
        self.side = side
        self.profile = profile
        self.outgoing = outgoing  #: we chose the reference
        self.state = CallState.NULL
        self.channel: int | None = None  #: as agreed so far; the span keeps it right
        self.interface: int | None = None
        self.number_sufficient = False  #: the owner's word on T302: the digits so far may be a whole number
        self.timers = timers if timers is not None else CallTimers()
        self.reference = CallReference(reference, not outgoing, reference_octets)  #: as in messages of ours
        self.user_like = side is Side.USER or profile.symmetric
        like = Side.USER if self.user_like else Side.NETWORK
        self.path = OUT_STATES[like] if outgoing else IN_STATES[like]
        self._deadlines: dict[str, float] = {}
        self._setup: Message | None = None
        self._release: Message | None = None
        self._last: Message | None = None  # the message that brought an incoming call to its state
        self._answered_setup = False  # a first response to SETUP has gone or come
        self._retried = False
        self._enquiries = 0
        self._cause: int | None = None
        self._ended = False

    @property
    def over(self) -> bool:
        """Whether the reference is free again."""
        return self._ended

    # -- commands

    def setup(self, infos: Infos, now: float) -> list[CallEffect]:
        """Place the call. A ``ChannelIdentification`` among ``infos`` is the channel asked for."""
        self._require(self.outgoing and self.state is S.NULL and not self._ended, M.SETUP)
        self._setup = Message.create(M.SETUP, self.reference, infos)
        self.state = self.path[0]
        self._start("T303", self.timers.t303_s, now)
        return [SendMessage(self._setup)]

    def setup_acknowledge(self, now: float, infos: Infos = ()) -> list[CallEffect]:
        """More digits are wanted."""
        self._require(not self.outgoing and self.state is self.path[0], M.SETUP_ACKNOWLEDGE)
        self._start("T302", self.timers.t302_s, now)
        return self._advance(M.SETUP_ACKNOWLEDGE, self.path[1], infos)

    def proceeding(self, now: float, infos: Infos = ()) -> list[CallEffect]:
        """The number is whole and the call is on its way."""
        self._require(not self.outgoing and self.state in self.path[:2], M.CALL_PROCEEDING)
        self._stop("T302")
        return self._advance(M.CALL_PROCEEDING, self.path[2], infos)

    def alerting(self, now: float, infos: Infos = ()) -> list[CallEffect]:
        """The far end rings."""
        self._require(not self.outgoing and self.state in self.path[:3], M.ALERTING)
        self._stop("T302")
        return self._advance(M.ALERTING, self.path[3], infos)

    def connect(self, now: float, infos: Infos = ()) -> list[CallEffect]:
        """The far end answered."""
        self._require(not self.outgoing and self.state in self.path[:4], M.CONNECT)
        self._stop("T302")
        if not self.user_like:
            return self._advance(M.CONNECT, S.ACTIVE, infos)
        self._start("T313", self.timers.t313_s, now)
        return self._advance(M.CONNECT, S.CONNECT_REQUEST, infos)

    def information(self, infos: Infos, now: float) -> list[CallEffect]:
        """Further digits of a call of ours, keys, or anything else that INFORMATION carries."""
        self._require(self.state is not S.NULL and self.state not in self.path[:1], M.INFORMATION)
        if self.outgoing and self.state is self.path[1]:
            self._start("T304", self._t304(), now)
        return self._message(M.INFORMATION, infos)

    def progress(self, infos: Infos, now: float) -> list[CallEffect]:
        """Say what happens on the way, e.g. that there is sound on the channel."""
        self._require(not self.outgoing and self.state in self.path[1:4], M.PROGRESS)
        return self._message(M.PROGRESS, infos)

    def send(self, kind: MessageType, infos: Infos, now: float) -> list[CallEffect]:
        """A message that changes no state: NOTIFY, FACILITY, USER INFORMATION, CONGESTION CONTROL, HOLD, RETRIEVE and answers."""
        self._require(kind in INFORMATIVE and self.state in INFORMATIVE[kind], kind)
        return self._message(kind, infos)

    def disconnect(self, cause: int, now: float, infos: Infos = ()) -> list[CallEffect]:
        """Clear the call, whatever its state: refuse it, disconnect it, or confirm that the far end did (section 5.3)."""
        if self.state in (S.NULL, S.RELEASE_REQUEST, self._disconnected_state()):
            return []
        self._note(cause)
        if self.state is self._disconnect_received_state():
            return self._send_release(now)
        if not self.outgoing and self.state is self.path[0]:
            return [self._create(M.RELEASE_COMPLETE, [self._cause_info(cause), *infos]), *self._end()]
        infos = list(infos)
        self._deadlines.clear()
        tone = any(isinstance(i, ProgressIndicator) and i.description == ProgressIndicator.INBAND for i in infos)
        if tone and not self.user_like:
            self._start("T306", self.timers.t306_s, now)
        else:
            self._start("T305", self.timers.t305_s, now)
        self.state = self._disconnected_state()
        return [self._create(M.DISCONNECT, [self._cause_info(cause), *infos])]

    def enquire(self, now: float) -> list[CallEffect]:
        """Ask the far end for its state (section 5.8.10)."""
        if self.state is S.NULL or "T322" in self._deadlines:
            return []
        self._enquiries = 1
        self._start("T322", self.timers.t322_s, now)
        return self._message(M.STATUS_ENQUIRY, ())

    def suspend(self, infos: Infos, now: float) -> list[CallEffect]:
        """Park the call (section 5.6); a user of a basic access asks for it."""
        self._require(self.user_like and self.state is S.ACTIVE, M.SUSPEND)
        self.state = S.SUSPEND_REQUEST
        self._start("T319", self.timers.t319_s, now)
        return self._message(M.SUSPEND, infos)

    def resume(self, infos: Infos, now: float) -> list[CallEffect]:
        """Take up a call that was parked."""
        self._require(self.user_like and self.outgoing and self.state is S.NULL and not self._ended, M.RESUME)
        self.state = S.RESUME_REQUEST
        self._start("T318", self.timers.t318_s, now)
        return self._message(M.RESUME, infos)

    def answer_suspend(self, cause: int | None, infos: Infos = ()) -> list[CallEffect]:
        """The network's answer to SUSPEND: acknowledged, which ends this reference, or rejected with ``cause``."""
        self._require(self.state is S.SUSPEND_REQUEST and not self.user_like, M.SUSPEND_ACKNOWLEDGE)
        if cause is None:
            self._note(Cause.NORMAL_CALL_CLEARING)
            return [self._create(M.SUSPEND_ACKNOWLEDGE, infos), *self._end()]
        self.state = S.ACTIVE
        return self._message(M.SUSPEND_REJECT, [self._cause_info(cause), *infos])

    def answer_resume(self, cause: int | None, infos: Infos = ()) -> list[CallEffect]:
        """The network's answer to RESUME: acknowledged on a channel among ``infos``, or rejected with ``cause``."""
        self._require(self.state is S.RESUME_REQUEST and not self.user_like, M.RESUME_ACKNOWLEDGE)
        if cause is None:
            self.state = S.ACTIVE
            return self._message(M.RESUME_ACKNOWLEDGE, infos)
        self._note(cause)
        return [self._create(M.RESUME_REJECT, [self._cause_info(cause), *infos]), *self._end()]

    def clear_internally(self, cause: Cause) -> list[CallEffect]:
        """End the call without a word to the far end: its channel is restarted, or the span is gone."""
        if self._ended:
            return []
        self._note(cause)
        return [Clearing(cause), *self._end()]

    # -- the data link

    def link_reset(self, now: float) -> list[CallEffect]:
        """Messages may be lost (section 5.8.8): overlap calls cannot go on, others ask how far the far end is."""
        if self.state in (S.OVERLAP_SENDING, S.OVERLAP_RECEIVING):
            return [Clearing(Cause.TEMPORARY_FAILURE), *self.disconnect(Cause.TEMPORARY_FAILURE, now)]
        for name, seconds in (("T303", self.timers.t303_s), ("T313", self.timers.t313_s)):
            if name in self._deadlines:
                self._start(name, seconds, now)  # the time that the link was away does not count
        return self.enquire(now) if self.state in (*STATUS_STATES, S.ACTIVE) else []

    def link_down(self, now: float) -> list[CallEffect]:
        """The data link failed (section 5.8.9): overlap calls are lost, the others have T309 to be saved."""
        if self.state in (S.OVERLAP_SENDING, S.OVERLAP_RECEIVING):
            return self.clear_internally(Cause.TEMPORARY_FAILURE)
        if self.state is not S.NULL and "T309" not in self._deadlines:
            self._start("T309", self.timers.t309_s, now)
        return []

    def link_up(self, now: float) -> list[CallEffect]:
        """The data link is back."""
        if self._stop("T309") and self.state in (*STATUS_STATES, S.ACTIVE):
            return self.enquire(now)
        return []

    # -- timers

    def next_deadline(self) -> float:
        """When ``handle_deadline`` wants to be called; ``math.inf`` for never."""
        return min(self._deadlines.values(), default=math.inf)

    def running(self) -> frozenset[str]:
        """The timers that run, by name."""
        return frozenset(self._deadlines)

    def handle_deadline(self, now: float) -> list[CallEffect]:
        """Timers that are due."""
        effects: list[CallEffect] = []
        for name in [name for name, due in self._deadlines.items() if due <= now]:
            if self._stop(name):  # an earlier one may have ended the call
                effects += _EXPIRIES[name](self, now)
        return effects

    def _t301_expired(self, now: float) -> list[CallEffect]:
        return self._lost("T301", Cause.NO_ANSWER, now)

    def _t302_expired(self, now: float) -> list[CallEffect]:
        if self.number_sufficient:
            return [NumberTimeout()]
        cause = Cause.INVALID_NUMBER_FORMAT
        return [Clearing(cause, "T302"), *self.disconnect(cause, now)]

    def _t303_expired(self, now: float) -> list[CallEffect]:
        if not self._retried and self._setup is not None:
            self._retried = True
            self._start("T303", self.timers.t303_s, now)
            return [SendMessage(self._setup)]
        self._note(Cause.NO_USER_RESPONDING)
        farewell = self._create(M.RELEASE_COMPLETE, [self._cause_info(Cause.RECOVERY_ON_TIMER_EXPIRY, b"303")])
        return [Clearing(Cause.NO_USER_RESPONDING, "T303"), farewell, *self._end()]

    def _t304_expired(self, now: float) -> list[CallEffect]:
        return self._lost("T304", Cause.INVALID_NUMBER_FORMAT, now)

    def _t305_expired(self, now: float) -> list[CallEffect]:
        return self._send_release(now)

    def _t308_expired(self, now: float) -> list[CallEffect]:
        if not self._retried and self._release is not None:
            self._retried = True
            self._start("T308", self.timers.t308_s, now)
            return [SendMessage(self._release)]
        return self._end(clean=False)

    def _t309_expired(self, now: float) -> list[CallEffect]:
        return self.clear_internally(Cause.DESTINATION_OUT_OF_ORDER)

    def _t310_expired(self, now: float) -> list[CallEffect]:
        return self._lost("T310", Cause.NO_USER_RESPONDING, now)

    def _t313_expired(self, now: float) -> list[CallEffect]:
        return self._lost("T313", Cause.RECOVERY_ON_TIMER_EXPIRY, now)

    def _t318_expired(self, now: float) -> list[CallEffect]:
        self._note(Cause.RECOVERY_ON_TIMER_EXPIRY)
        return [Clearing(Cause.RECOVERY_ON_TIMER_EXPIRY, "T318"), *self._send_release(now)]

    def _t319_expired(self, now: float) -> list[CallEffect]:
        self.state = S.ACTIVE
        return []

    def _t322_expired(self, now: float) -> list[CallEffect]:
        if self._enquiries < self.timers.n322:
            self._enquiries += 1
            self._start("T322", self.timers.t322_s, now)
            return self._message(M.STATUS_ENQUIRY, ())
        return [Clearing(Cause.TEMPORARY_FAILURE, "T322"), *self.disconnect(Cause.TEMPORARY_FAILURE, now)]

    def _lost(self, timer: str, cause: Cause, now: float) -> list[CallEffect]:
        """A timer ran out: the far end hears 102 with the timer's number, the near end the reason that it stands for."""
        diagnostics = timer[1:].encode("ascii")
        effects = self.disconnect(Cause.RECOVERY_ON_TIMER_EXPIRY, now)
        message = Message.create(
            M.DISCONNECT, self.reference, [self._cause_info(Cause.RECOVERY_ON_TIMER_EXPIRY, diagnostics)]
        )
        self._cause = cause
        return [Clearing(cause, timer), SendMessage(message), *effects[1:]]

    # -- pieces

    def _t304(self) -> float:
        return self.timers.t304_s if self.user_like else self.timers.t304_network_s

    def _disconnected_state(self) -> CallState:
        """The state after a DISCONNECT of ours."""
        return S.DISCONNECT_REQUEST if self.user_like else S.DISCONNECT_INDICATION

    def _disconnect_received_state(self) -> CallState:
        return S.DISCONNECT_INDICATION if self.user_like else S.DISCONNECT_REQUEST

    def _require(self, allowed: bool, kind: MessageType) -> None:
        if not allowed:
            raise LocalProtocolError(f"{kind.name.replace('_', ' ')} is not for state {int(self.state)} of this call")

    def _start(self, name: str, seconds: float, now: float) -> None:
        self._deadlines[name] = now + seconds

    def _stop(self, name: str) -> bool:
        return self._deadlines.pop(name, None) is not None

    def _note(self, cause: int) -> None:
        if self._cause is None:
            self._cause = cause

    def _create(self, kind: MessageType, infos: Infos) -> SendMessage:
        return SendMessage(Message.create(kind, self.reference, infos))

    def _message(self, kind: MessageType, infos: Infos) -> list[CallEffect]:
        return [self._create(kind, infos)]

    def _advance(self, kind: MessageType, state: CallState, infos: Infos) -> list[CallEffect]:
        """Send a response of an incoming call; the first one names the channel (section 5.2.3)."""
        infos = list(infos)
        named = any(isinstance(info, ChannelIdentification) for info in infos)
        if not self._answered_setup and not named and self.channel is not None:
            infos.append(ChannelIdentification((self.channel,), interface=self.interface))
        self._answered_setup = True
        self.state = state
        sent = self._create(kind, infos)
        self._last = sent.message
        return [sent]

    def _first_response(self, message: Message) -> list[CallEffect]:
        for name in ("T303", "T304"):
            self._stop(name)
        effects = [] if self._answered_setup else self._channel(message)
        self._answered_setup = True
        return effects

    def _channel(self, message: Message) -> list[CallEffect]:
        info = message.find(ChannelIdentification)
        return [ChannelChosen(info.channels[0], info.exclusive)] if info is not None and info.channels else []

    def _cause_info(self, cause: int, diagnostics: bytes = b"") -> CauseInfo:
        location = CauseInfo.USER if self.side is Side.USER else CauseInfo.PRIVATE_LOCAL
        return CauseInfo(cause, location, diagnostics)

    def _status_message(self, cause: Cause, diagnostics: bytes = b"") -> SendMessage:
        return self._create(M.STATUS, [self._cause_info(cause, diagnostics), CallStateInfo(self.state)])

    def _send_release(self, now: float, diagnostics: bytes = b"") -> list[CallEffect]:
        self._deadlines.clear()
        cause = self._cause if self._cause is not None else Cause.NORMAL_CALL_CLEARING
        sent = self._create(M.RELEASE, [self._cause_info(cause, diagnostics)])
        self._release, self._retried = sent.message, False
        self.state = S.RELEASE_REQUEST
        self._start("T308", self.timers.t308_s, now)
        return [sent]

    def _end(self, *, clean: bool = True) -> list[CallEffect]:
        self._deadlines.clear()
        self.state = S.NULL
        self._ended = True
        return [CallEnded(self._cause if self._cause is not None else Cause.NORMAL_UNSPECIFIED, clean)]


_C = CallCore
_EXPIRIES = {
    "T301": _C._t301_expired,
    "T302": _C._t302_expired,
    "T303": _C._t303_expired,
    "T304": _C._t304_expired,
    "T305": _C._t305_expired,
    "T306": _C._t305_expired,
    "T308": _C._t308_expired,
    "T309": _C._t309_expired,
    "T310": _C._t310_expired,
    "T313": _C._t313_expired,
    "T318": _C._t318_expired,
    "T319": _C._t319_expired,
    "T322": _C._t322_expired,
}
