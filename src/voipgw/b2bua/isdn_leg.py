"""Calls of an ISDN span as legs: the span machine, its B-channels and what a call understands, joined.

``IsdnSpan`` lives as long as its span: it makes a leg for each call that comes and opens legs for calls that go out. Whoever
drives it gives it frames, media events and the time, and takes what it returns: frames to be sent, ``Raised`` call events of its
legs, and reports for logs. ``IsdnLeg`` is one call.

A B-channel is opened when there is something to be heard on it, and closed with its call.
"""

from __future__ import annotations

import math
from typing import Protocol

import attrs

from voipgw.b2bua.leg import Effect
from voipgw.call.events import Answered, CallEvent, Digit, Offered, Progress, Released, Updated
from voipgw.call.model import PCMA, PCMU, CallRequest, Media, Party, Route, Source, SourceKind
from voipgw.causes import Cause
from voipgw.entropy import Entropy
from voipgw.errors import ResourceError, VoipGwError
from voipgw.media.plane import DigitHeard, LineStream, MediaEvent, MediaPlane, ToneSegment
from voipgw.pstn.dialling import DigitMap, DigitMatch, OpenNumbering
from voipgw.pstn.driver import BChannel
from voipgw.pstn.isdn.call import IsdnCall
from voipgw.pstn.isdn.call_effects import CallEffect, CallEnded, Clearing, NumberTimeout, Received
from voipgw.pstn.isdn.call_tables import CLEARING_STATES, cause_value
from voipgw.pstn.isdn.carried_elements import KeypadFacility, SendingComplete
from voipgw.pstn.isdn.elements import BearerCapability, ProgressIndicator
from voipgw.pstn.isdn.info import Info
from voipgw.pstn.isdn.numbers import CalledNumber, ConnectedNumber, Number
from voipgw.pstn.isdn.parties import CallDetails, details_of, elements_of
from voipgw.pstn.isdn.q931 import Message
from voipgw.pstn.isdn.q931_tables import CallState
from voipgw.pstn.isdn.q931_tables import MessageType as M
from voipgw.pstn.isdn.span import CallArrived, CallReport, Span, SpanEffect

#: Bearer capabilities that sound can go over; anything else is refused with 65.
_VOICE = (BearerCapability.SPEECH, BearerCapability.AUDIO_3K1)


class ChannelAudio(Protocol):
    """Where a span's B-channels are opened: the driver."""

    def open_channel(self, number: int) -> BChannel:
        """The audio of a channel, for one call."""
        ...

    def close_channel(self, number: int) -> None:
        """Give it back; nothing happens when it is not open."""
        ...


@attrs.frozen
class SpanRaised:
    """A call event of a span's leg, for the call that owns the leg (``Offered``: for whoever makes calls)."""

    leg: IsdnLeg
    event: CallEvent


SpanReport = SpanRaised | SpanEffect


@attrs.frozen
class SpanSettings:
    """What a span is called, and what it does beyond its switch's ways."""

    name: str  #: as routing knows it: source and target ``span:NAME``
    ringback: tuple[
        ToneSegment, ...
    ] = ()  #: played to callers of the span while the far side rings in silence; () for none


class IsdnSpan:
    """One span with its calls."""

    def __init__(
        self,
        settings: SpanSettings,
        span: Span,
        audio: ChannelAudio,
        plane: MediaPlane,
        *,
        entropy: Entropy,
        digit_map: DigitMap | None = None,
    ) -> None:
        self.settings = settings
        self.span = span
        self.audio = audio
        self.plane = plane
        self.entropy = entropy
        self.digit_map: DigitMap = digit_map if digit_map is not None else OpenNumbering()
        self.media = Media(codecs=(PCMA if span.profile.law == "PCMA" else PCMU,))
        self._legs: dict[IsdnCall, IsdnLeg] = {}

    # -- what whoever drives the span calls

    def start(self, now: float) -> list[SpanReport]:
        """Bring the span up."""
        return self.take(self.span.start(now), now)

    def stop(self, now: float) -> list[SpanReport]:
        """End every call and take the span down."""
        return self.take(self.span.stop(now), now)

    def receive(self, octets: bytes, now: float) -> list[SpanReport]:
        """A frame from the D-channel."""
        return self.take(self.span.receive(octets, now), now)

    def next_deadline(self) -> float:
        """When ``handle_deadline`` wants to be called; ``math.inf`` for never."""
        due = self.span.next_deadline()
        for leg in self._legs.values():
            due = min(due, leg.next_deadline())
        return due

    def handle_deadline(self, now: float) -> list[SpanReport]:
        """Timers of the span and of its legs that are due."""
        reports = self.take(self.span.handle_deadline(now), now)
        for leg in list(self._legs.values()):
            if leg.next_deadline() <= now:
                reports += self._raise(leg, leg.handle_deadline(now))
        return reports

    def open_leg(self) -> IsdnLeg:
        """A leg for a call to the span; whether it can be placed is seen when the leg originates."""
        return IsdnLeg(self)

    def take(self, effects: list[SpanEffect], now: float) -> list[SpanReport]:
        """What the span machine asked for and reported, as far as calls go turned into events of their legs."""
        reports: list[SpanReport] = []
        for effect in effects:
            if isinstance(effect, CallArrived):
                leg = self._legs[effect.call] = IsdnLeg(self, effect.call)
                reports += self._raise(leg, leg.arrived(effect.message, now))
            elif isinstance(effect, CallReport):
                owner = self._legs.get(effect.call)
                if owner is not None:
                    reports += self._raise(owner, owner.reported(effect.effect, now))
                if isinstance(effect.effect, CallEnded):
                    self._legs.pop(effect.call, None)
            else:
                reports.append(effect)
        return reports

    # -- what its legs ask of it

    def place(self, leg: IsdnLeg, infos: list[Info], now: float) -> tuple[IsdnCall, list[Effect]]:
        """Place a call for ``leg``.

        Raises:
            DriverError: the span is down.
            ResourceError: no channel is free.
        """
        call, effects = self.span.place(infos, now)
        self._legs[call] = leg
        return call, self.for_leg(leg, effects, now)

    def perform(self, leg: IsdnLeg, call: IsdnCall, effects: list[CallEffect], now: float) -> list[Effect]:
        """Carry out a command of ``leg``; its own events come back plain, others as ``SpanRaised``."""
        return self.for_leg(leg, self.span.perform(call, effects, now), now)

    def for_leg(self, leg: IsdnLeg, effects: list[SpanEffect], now: float) -> list[Effect]:
        """What a command brought about."""
        return [
            report.event if isinstance(report, SpanRaised) and report.leg is leg else report
            for report in self.take(effects, now)
        ]

    def _raise(self, leg: IsdnLeg, effects: list[Effect]) -> list[SpanReport]:
        return [
            SpanRaised(leg, effect) if isinstance(effect, CallEvent) else effect  # type: ignore[misc]
            for effect in effects
        ]


class IsdnLeg:
    """One call of a span; see ``voipgw.b2bua.leg.Leg``."""

    __slots__ = (
        "_deadline",
        "_digits",
        "_heard",
        "_number",
        "_offered",
        "_over",
        "_port",
        "_ring_s",
        "_stream",
        "call",
        "span",
    )

    def __init__(self, span: IsdnSpan, call: IsdnCall | None = None) -> None:
        self.span = span
        self.call = call
        self._stream: LineStream | None = None
        self._port: int | None = None
        self._deadline = math.inf
        self._ring_s = math.inf
        self._digits = ""
        self._number = CallDetails()
        self._offered = False
        self._heard = False  # the far end said anything at all
        self._over = False

    @property
    def name(self) -> str:
        """``span:NAME``."""
        return f"span:{self.span.settings.name}"

    @property
    def stream(self) -> LineStream | None:
        """Its B-channel, once there is something to be heard; still there, for its statistics, after the call."""
        return self._stream

    # -- what the call asks of it

    def originate(self, request: CallRequest, route: Route, offer: Media, now: float) -> list[Effect]:
        """Place the call on a free channel, or say why not."""
        caller = route.calling if route.calling != Party() else request.calling
        details = CallDetails(route.called, caller.number, caller.display_name, caller.restricted)
        try:
            self.call, effects = self.span.place(self, elements_of(details, self.span.span.profile), now)
        except VoipGwError as error:
            self._over = True
            full = isinstance(error, ResourceError)
            cause = Cause.NO_CIRCUIT_AVAILABLE if full else Cause.NETWORK_OUT_OF_ORDER
            return [Released(cause, text=f"{self.name}: {error}", responded=False)]
        self._ring_s = route.ring_timeout_s
        self._deadline = now + route.response_timeout_s
        return effects

    def progress(self, event: Progress, now: float) -> list[Effect]:
        """Tell the far end: ringing, or sound that comes already."""
        call = self.call
        if self._over or call is None or call.outgoing or call.state in (CallState.ACTIVE, *CLEARING_STATES):
            return []
        sound = event.media is not None or (event.status == 180 and bool(self.span.settings.ringback))
        infos: list[Info] = [ProgressIndicator(ProgressIndicator.INBAND, 1)] if sound and self._open() else []
        if event.media is None and infos and self._stream is not None:
            self._stream.play_tones(self.span.settings.ringback)
        elif event.media is not None and self._stream is not None:
            self._stream.stop_playing()
        if event.status == 180 and call.state is not call.path[3]:
            return self.span.perform(self, call, call.alerting(now, infos), now)
        if infos and event.media is not None:
            return self.span.perform(self, call, call.progress(infos, now), now)
        return []

    def answer(self, event: Answered, now: float) -> list[Effect]:
        """Answered: the channel is through."""
        call = self.call
        if self._over or call is None or call.outgoing or call.state in (CallState.ACTIVE, *CLEARING_STATES):
            return []
        if not self._open():
            cause = Cause.RESOURCE_UNAVAILABLE
            self._over = True
            return [
                Released(cause, text="no stream is free"),
                *self.span.perform(self, call, call.disconnect(cause, now), now),
            ]
        if self._stream is not None:
            self._stream.stop_playing()
        infos: list[Info] = []
        party = event.connected
        if party is not None and party.number:
            shown = Number.RESTRICTED if party.restricted else Number.ALLOWED
            plus = party.number.startswith("+")
            kind = Number.INTERNATIONAL if plus else self.span.span.profile.number_type
            infos.append(ConnectedNumber(party.number.lstrip("+"), kind, 1, shown, 0))
        return self.span.perform(self, call, call.connect(now, infos), now)

    def update(self, event: Updated, now: float) -> list[Effect]:
        """Hold and resume are the bridge's and the far side's business."""
        return []

    def digit(self, event: Digit, now: float) -> list[Effect]:
        """A key that the far side pressed is heard as sound on the channel."""
        if self._over or event.carried or event.symbol not in "0123456789*#ABCD" or self._stream is None:
            return []
        self._stream.send_digit(event.symbol, min(max(event.duration_ms, 50), 8000))
        return []

    def release(self, event: Released, now: float) -> list[Effect]:
        """Refuse, disconnect or confirm, as the call's state wants."""
        call, already = self.call, self._over
        self._over = True
        self._deadline = math.inf
        self._close()
        if already or call is None:
            return []
        return self.span.perform(self, call, call.disconnect(event.cause, now), now)

    def receive_media(self, event: MediaEvent, now: float) -> list[Effect]:
        """A DTMF digit on the channel."""
        if self._over or not isinstance(event, DigitHeard):
            return []
        return [Digit(event.symbol, event.duration_ms, event.passed_on)]

    def next_deadline(self) -> float:
        """When the far end is given up; the span has the timers of Q.931."""
        return self._deadline

    def handle_deadline(self, now: float) -> list[Effect]:
        """No answer in the route's time."""
        if now < self._deadline or self.call is None:
            return []
        self._deadline = math.inf
        ringing = self._heard
        cause = Cause.NO_ANSWER if ringing else Cause.NO_USER_RESPONDING
        text = "nobody answered" if ringing else "the span did not respond"
        effects: list[Effect] = [Released(cause, text=text, responded=ringing)]
        self._over = True
        self._close()
        clearing = self.call.disconnect(Cause.NORMAL_CALL_CLEARING, now)
        return [*effects, *self.span.perform(self, self.call, clearing, now)]

    # -- what its span reports

    def arrived(self, setup: Message, now: float) -> list[Effect]:
        """A SETUP: offered at once when its number is whole, after its last digit otherwise."""
        assert self.call is not None
        self._number = details_of(setup, self.span.span.profile)
        self._digits = self._number.called or self._number.keypad
        if self._number.bearer not in _VOICE:
            self._over = True
            cause = Cause.BEARER_NOT_IMPLEMENTED
            return self.span.perform(self, self.call, self.call.disconnect(cause, now), now)
        if self.call.channel is None:
            self._over = True
            cause = Cause.NO_CIRCUIT_AVAILABLE
            return self.span.perform(self, self.call, self.call.disconnect(cause, now), now)
        if self._whole(self._number.complete):
            return self._offer(now)
        return self.span.perform(self, self.call, self.call.setup_acknowledge(now), now)

    def reported(self, report: CallEffect, now: float) -> list[Effect]:
        """Something happened to its call."""
        if isinstance(report, Received):
            return self._received(report.message, now)
        if isinstance(report, NumberTimeout):
            return self._offer(now) if not self._offered else []
        if isinstance(report, Clearing):
            return self._ended(report.cause, f"{report.timer} expired" if report.timer else "")
        if isinstance(report, CallEnded):
            return self._ended(report.cause, "")
        return []

    def _received(self, message: Message, now: float) -> list[Effect]:
        call = self.call
        assert call is not None
        if message.kind in (M.DISCONNECT, M.RELEASE, M.RELEASE_COMPLETE):
            cause = cause_value(message)
            effects = self._ended(cause, "")
            if message.kind == M.DISCONNECT:
                effects += self.span.perform(self, call, call.disconnect(cause, now), now)
            return effects
        if self._over:
            return []
        if message.kind == M.INFORMATION:
            return self._information(message, now)
        if not call.outgoing:
            return []
        self._heard = True
        if message.kind == M.CONNECT:
            return self._connected(message, now)
        inband = any(i.description == ProgressIndicator.INBAND for i in message.find_all(ProgressIndicator))
        media = self.span.media if inband and self._open() else None
        if message.kind == M.ALERTING:
            self._deadline = now + self._ring_s
            return [Progress(180, media)]
        if self._deadline < math.inf and call.state is not call.path[3]:
            self._deadline = math.inf  # it responded; T304 and T310 watch over it until it rings
        return [Progress(183, media)] if media is not None else []

    def _connected(self, message: Message, now: float) -> list[Effect]:
        self._deadline = math.inf
        if not self._open():
            assert self.call is not None
            cause = Cause.RESOURCE_UNAVAILABLE
            effects = self._ended(cause, "no stream is free")
            return [*effects, *self.span.perform(self, self.call, self.call.disconnect(cause, now), now)]
        number = message.find(ConnectedNumber)
        party = Party(number.digits, restricted=number.restricted) if number is not None and number.digits else None
        return [Answered(self.span.media, party)]

    def _information(self, message: Message, now: float) -> list[Effect]:
        if self._offered or self.call is None or self.call.outgoing:
            return []
        number, keypad = message.find(CalledNumber), message.find(KeypadFacility)
        self._digits += number.digits if number is not None else keypad.keys if keypad is not None else ""
        if self._whole(message.find(SendingComplete) is not None):
            return self._offer(now)
        return []

    def _whole(self, complete: bool) -> bool:
        """Whether the digits are a number now; what may grow is left to T302, what cannot become one to the plan."""
        if complete:
            return True
        match = self.span.digit_map.match(self._digits) if self._digits else DigitMatch.INCOMPLETE
        assert self.call is not None
        self.call.number_sufficient = match is DigitMatch.COMPLETE_MAY_GROW
        return match in (DigitMatch.COMPLETE, DigitMatch.IMPOSSIBLE)

    def _offer(self, now: float) -> list[Effect]:
        assert self.call is not None
        self._offered = True
        number = self._number
        plus = "+" if self._digits.startswith("+") else ""
        caller = Party(number.calling, number.name, number.restricted)
        source = Source(SourceKind.SPAN, self.span.settings.name, trusted=True)
        called = plus + self._digits.lstrip("+")
        request = CallRequest(self.span.entropy.token(), source, called, caller, self.span.media)
        proceeding = self.span.perform(self, self.call, self.call.proceeding(now), now)
        return [*proceeding, Offered(request)]

    def _ended(self, cause: int, text: str) -> list[Effect]:
        self._deadline = math.inf
        self._close()
        if self._over or (self.call is not None and not self.call.outgoing and not self._offered):
            self._over = True
            return []
        self._over = True
        return [Released(_known(cause), text=text, responded=self._heard or not self._outgoing())]

    def _outgoing(self) -> bool:
        return self.call is not None and self.call.outgoing

    def _open(self) -> bool:
        """Open the channel's audio; False when no stream is left for it."""
        if self._stream is not None:
            return True
        if self.call is None or self.call.channel is None:
            return False
        port = self.span.audio.open_channel(self.call.channel)
        try:
            self._stream = self.span.plane.open_line(port, law=port.law, frame_samples=port.frame_samples)
        except VoipGwError:
            self.span.audio.close_channel(port.number)
            return False
        self._port = port.number
        self._stream.detect_digits(True)
        return True

    def _close(self) -> None:
        number, self._port = self._port, None
        if number is not None and self._stream is not None:
            self._stream.close()
            self.span.audio.close_channel(number)


def _known(cause: int) -> Cause:
    try:
        return Cause(cause)
    except ValueError:
        return Cause((31, 31, 47, 63, 79, 95, 111, 127)[cause >> 4 & 7])  # its class's "unspecified"
