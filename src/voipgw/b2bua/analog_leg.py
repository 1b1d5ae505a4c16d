"""Analog telephones as legs: the FXS machine, a port and a line's audio joined into what a call understands.

``AnalogLine`` lives as long as its port: it gives dial tone, collects digits, and makes a leg when a number is complete or a
call comes. ``AnalogLeg`` is one call of that line. Whoever drives the line gives it the port's events, its stream's media
events and its deadlines, and takes what it returns: ``Raised`` call events of its leg, and reports for logs.

The line's audio is open while the telephone is off-hook or rings. Each call has a stream of its own, so that its counters,
its recording and its bridge end with it.
"""

from __future__ import annotations

import datetime as dt
import math

import attrs

from voipgw.b2bua.analog_country import CountryLine
from voipgw.b2bua.leg import Effect
from voipgw.call.events import Answered, CallEvent, Digit, HookFlash, Offered, Progress, Released, Updated
from voipgw.call.model import PCMA, PCMU, CallRequest, Media, Party, Route, Source, SourceKind
from voipgw.causes import Cause
from voipgw.clock import Clock
from voipgw.entropy import Entropy
from voipgw.errors import LocalProtocolError, VoipGwError
from voipgw.media.plane import DigitBegan, DigitHeard, LineStream, MediaEvent, MediaPlane, PlaybackEnded
from voipgw.pstn import effects as pstn
from voipgw.pstn.dialling import DigitMap
from voipgw.pstn.driver import FxsPort
from voipgw.pstn.effects import DiallingFailed, Parked, ServiceChanged, Tone
from voipgw.pstn.fxs import CallerIdSent, FxsConfig, FxsMachine, FxsState, KeyBegan, KeyHeard, LineEffect
from voipgw.pstn.line import LineEvent
from voipgw.pstn.ringing import DISTINCTIVE_RINGS, RingCadence

#: Causes that special information tones announce where a line has them on (ITU-T E.182): the number, not the moment, is wrong.
SIT_CAUSES = frozenset(
    {
        Cause.UNALLOCATED_NUMBER,
        Cause.NO_ROUTE_TO_DESTINATION,
        Cause.SEND_SPECIAL_INFORMATION_TONE,
        Cause.NUMBER_CHANGED,
        Cause.DESTINATION_OUT_OF_ORDER,
        Cause.INVALID_NUMBER_FORMAT,
    }
)


@attrs.frozen
class Raised:
    """A call event of a line's leg, for the call that owns the leg (``Offered``: for whoever makes calls)."""

    leg: AnalogLeg
    event: CallEvent


@attrs.frozen
class LineFailed:
    """The line could not do what it had to: no stream was left for its audio."""

    error: VoipGwError


Reported = Raised | LineFailed | DiallingFailed | Parked | ServiceChanged


@attrs.frozen
class LineSettings:
    """What a line is called, and what it does beyond its country's ways."""

    name: str  #: as routing knows it: source and target ``line:NAME``
    party: Party = attrs.field(factory=Party)  #: shown to those whom it calls
    caller_id: bool = True  #: show the caller's number to this telephone
    sit: bool = False  #: special information tones before congestion where the number is wrong
    time_zone: dt.tzinfo = dt.UTC  #: of the clock that the telephone shows with a call
    config: FxsConfig | None = None  #: None: the country's


class AnalogLine:
    """One port with its telephone."""

    def __init__(
        self,
        settings: LineSettings,
        port: FxsPort,
        plane: MediaPlane,
        *,
        country: CountryLine,
        entropy: Entropy,
        clock: Clock,
        digit_map: DigitMap | None = None,
    ) -> None:
        self.settings = settings
        self.port = port
        self.leg: AnalogLeg | None = None  #: the call in progress
        self.machine = FxsMachine(settings.config if settings.config is not None else country.config, digit_map)
        self.media = Media(codecs=(PCMA if port.law == "PCMA" else PCMU,))
        self._plane = plane
        self._country = country
        self._entropy = entropy
        self._clock = clock
        self._stream: LineStream | None = None
        self._listening = False
        self._caller: Party | None = None  # to be shown; while it is, the stream plays it
        self._showing = False

    @property
    def stream(self) -> LineStream | None:
        """The line's audio, None while it is idle."""
        return self._stream

    @property
    def idle(self) -> bool:
        """Whether a call can come to it."""
        return self.leg is None and self.machine.idle

    # -- what whoever drives the line calls

    def start(self, now: float) -> list[Reported]:
        """Put it into service."""
        return self._perform(self.machine.start(now), now)

    def receive(self, event: LineEvent, now: float) -> list[Reported]:
        """An event of its port."""
        return self._perform(self.machine.receive(event, now), now)

    def receive_media(self, event: MediaEvent, now: float) -> list[Reported]:
        """An event of its stream; one of an earlier stream is nothing to it."""
        if event.stream is not self._stream:
            return []
        if isinstance(event, PlaybackEnded):
            if not self._showing:
                return []
            self._showing = False
            return self._perform(self.machine.receive(CallerIdSent(), now), now)
        if isinstance(event, DigitBegan):
            return self._perform(self.machine.receive(KeyBegan(), now), now)
        if isinstance(event, DigitHeard):
            if self.leg is not None:
                return [Raised(self.leg, Digit(event.symbol, event.duration_ms, event.passed_on))]
            return self._perform(self.machine.receive(KeyHeard(event.symbol), now), now)
        return []

    def next_deadline(self) -> float:
        """When ``handle_deadline`` wants to be called; ``math.inf`` for never."""
        leg = self.leg
        return min(self.machine.next_deadline(), leg.ring_until if leg is not None else math.inf)

    def handle_deadline(self, now: float) -> list[Reported]:
        """Timers of the line and of its call that are due."""
        reports = self._perform(self.machine.handle_deadline(now), now)
        leg = self.leg
        if leg is not None and leg.ring_until <= now:
            reports += self._perform(self.machine.stop_ringing(now), now)
            self._end_call()
            self._close_stream()
            reports.append(Raised(leg, Released(Cause.NO_ANSWER, text="the telephone was not lifted")))
        return reports

    def open_leg(self) -> AnalogLeg:
        """A leg for a call to this telephone; whether the line can take it is seen when the leg originates."""
        return AnalogLeg(self)

    def close(self) -> None:
        """Give the audio back; the port is the driver's."""
        self._close_stream()

    # -- what its leg asks of it

    def ring(self, leg: AnalogLeg, caller: Party, cadence: RingCadence | None, now: float) -> None:
        """Ring for ``leg``.

        Raises:
            LocalProtocolError: the line is not idle.
            ResourceError: no stream is left.
        """
        if not self.idle:
            raise LocalProtocolError(f"line {self.settings.name} is in use")
        self._open_stream()
        self.leg = leg
        self._caller = caller
        self._perform(self.machine.ring(now, caller_id=self.settings.caller_id, cadence=cadence), now)

    def command(self, effects: list[LineEffect], now: float) -> None:
        """Perform what the machine answered to a command of the leg; a command makes no report of the telephone."""
        self._perform(effects, now)

    def part(self, released: Released, now: float) -> None:
        """The call is over for the far end: stop the bell, or let the telephone hear it."""
        self._end_call()
        if self.machine.state is FxsState.RINGING:
            self._perform(self.machine.stop_ringing(now), now)
            self._close_stream()
            return
        self._renew_stream()
        tone = Tone.BUSY if released.cause is Cause.USER_BUSY else Tone.CONGESTION
        sit = self.settings.sit and released.cause in SIT_CAUSES
        self._perform(self.machine.cleared(now, tone, sit=sit), now)

    # -- inside

    def _perform(self, effects: list[LineEffect], now: float) -> list[Reported]:
        reports: list[Reported] = []
        out_of_service = ServiceChanged(False) in effects
        for effect in effects:
            if isinstance(effect, pstn.LineAction):
                self._act(effect)
            elif isinstance(effect, DiallingFailed | Parked | ServiceChanged):
                reports.append(effect)
            else:
                reports += self._report(effect, out_of_service)
        return reports

    def _act(self, action: pstn.LineAction) -> None:
        stream = self._stream
        if isinstance(action, pstn.SetRing):
            self.port.ring(action.on)
        elif isinstance(action, pstn.SetFeed):
            self.port.set_feed(action.feed)
        elif isinstance(action, pstn.ListenForDigits):
            self._listening = action.on
            if stream is not None:
                stream.detect_digits(action.on)
        elif stream is None:
            return  # the audio could not be had, which has been reported
        elif isinstance(action, pstn.StartTone):
            stream.play_tones(self._country.tone(action.tone))
        elif isinstance(action, pstn.StopSound):
            self._showing = False
            stream.stop_playing()
        elif isinstance(action, pstn.SendCallerId):
            self._showing = True
            stream.play(
                self._country.caller_id(self._caller or Party(), self._clock.utc().astimezone(self.settings.time_zone))
            )

    def _report(self, report: pstn.LineReport | pstn.LineAction, out_of_service: bool) -> list[Reported]:
        if isinstance(report, pstn.Seized):
            return self._seized()
        if isinstance(report, pstn.Dialled):
            self.leg = AnalogLeg(self)
            return [Raised(self.leg, Offered(self._request(report.digits)))]
        if isinstance(report, pstn.HungUp):
            leg = self.leg
            self._end_call()
            self._close_stream()
            cause = Cause.DESTINATION_OUT_OF_ORDER if out_of_service else Cause.NORMAL_CALL_CLEARING
            return [Raised(leg, Released(cause))] if leg is not None else []
        if self.leg is None:
            return []
        if isinstance(report, pstn.RingAnswered):
            self.leg.ring_until = math.inf
            return [Raised(self.leg, Answered(self.media, self.settings.party))]
        return [Raised(self.leg, HookFlash())] if isinstance(report, pstn.Flashed) else []

    def _seized(self) -> list[Reported]:
        try:
            self._open_stream()
        except VoipGwError as error:
            return [LineFailed(error)]
        return []

    def _request(self, digits: str) -> CallRequest:
        source = Source(SourceKind.LINE, self.settings.name, trusted=True)
        return CallRequest(self._entropy.token(), source, digits, self.settings.party, self.media)

    def _open_stream(self) -> None:
        if self._stream is None:
            self._stream = self._plane.open_line(self.port, law=self.port.law, frame_samples=self.port.frame_samples)
            if self._listening:
                self._stream.detect_digits(True)

    def _close_stream(self) -> None:
        stream, self._stream = self._stream, None
        self._showing = False
        if stream is not None:
            stream.close()

    def _renew_stream(self) -> None:
        """A call's stream ends with it; the telephone goes on with a fresh one."""
        self._close_stream()
        try:
            self._open_stream()
        except VoipGwError:
            self._stream = None  # the telephone hears nothing; the loop still shows that the call is over

    def _end_call(self) -> None:
        leg, self.leg, self._caller = self.leg, None, None
        if leg is not None:
            leg.ended()


class AnalogLeg:
    """One call of an analog line; see ``voipgw.b2bua.leg.Leg``."""

    __slots__ = ("_early", "_ended", "_stream", "line", "ring_until")

    def __init__(self, line: AnalogLine) -> None:
        self.line = line
        self.ring_until = math.inf  #: when an unanswered ring is given up
        self._early = False
        self._ended = False
        self._stream = line.stream

    @property
    def name(self) -> str:
        """``line:NAME``."""
        return f"line:{self.line.settings.name}"

    @property
    def stream(self) -> LineStream | None:
        """Its stream; still there, for its statistics, after the call."""
        return self._stream

    def originate(self, request: CallRequest, route: Route, offer: Media, now: float) -> list[Effect]:
        """Ring the telephone, or say why not."""
        line = self.line
        if line.machine.state is FxsState.OUT_OF_SERVICE:
            self._ended = True
            return [Released(Cause.DESTINATION_OUT_OF_ORDER, text=f"{self.name} is out of service")]
        if not line.idle:
            self._ended = True
            return [Released(Cause.USER_BUSY, text=f"{self.name} is in use")]
        shown = route.calling if route.calling != Party() else request.calling
        line.ring(self, shown, _distinctive(request), now)
        self._stream = line.stream
        self.ring_until = now + route.ring_timeout_s
        return [Progress(180)]

    def progress(self, event: Progress, now: float) -> list[Effect]:
        """Ringback of our own until the far side sends sound."""
        machine = self.line.machine
        if self._ended:
            return []
        if event.media is not None:
            self._early = True
            self.line.command(machine.cut_through(now), now)
        elif event.status >= 180 and not self._early and machine.tone is not Tone.RINGBACK:
            self.line.command(machine.ringback(now), now)
        return []

    def answer(self, event: Answered, now: float) -> list[Effect]:
        """Cut through; answer supervision where the line has it."""
        if not self._ended:
            self.line.command(self.line.machine.answered(now), now)
        return []

    def update(self, event: Updated, now: float) -> list[Effect]:
        """Hold and resume are the bridge's and the far side's business: an analog telephone has no say in them."""
        return []

    def digit(self, event: Digit, now: float) -> list[Effect]:
        """A key that the far side pressed is heard as sound; a flash has no sound."""
        if self._ended or event.carried:
            return []
        if event.symbol in "0123456789*#ABCD" and self._stream is not None:
            self._stream.send_digit(event.symbol, min(max(event.duration_ms, 50), 8000))
        return []

    def release(self, event: Released, now: float) -> list[Effect]:
        """Stop the bell, or tell the telephone by loop and tone."""
        if not self._ended and self.line.leg is self:
            self.line.part(event, now)
        self._ended = True
        return []

    def receive_media(self, event: MediaEvent, now: float) -> list[Effect]:
        """What its line makes of it, as far as it is this leg's."""
        return [raised.event for raised in self.line.receive_media(event, now) if isinstance(raised, Raised)]

    def next_deadline(self) -> float:
        """Never: the line's timers include this leg's."""
        return math.inf

    def handle_deadline(self, now: float) -> list[Effect]:
        """Nothing: see ``AnalogLine.handle_deadline``."""
        return []

    def ended(self) -> None:
        """The line says that the call is over."""
        self._ended = True
        self.ring_until = math.inf


def _distinctive(request: CallRequest) -> RingCadence | None:
    """The ring that an Alert-Info header asks for, e.g. ``<http://example.com/Bellcore-dr2>`` (RFC 3261 section 20.4)."""
    for name, value in request.headers:
        if name.lower() == "alert-info":
            asked = value.strip().strip("<>").rpartition("/")[2].lower()
            return DISTINCTIVE_RINGS.get(asked)
    return None
