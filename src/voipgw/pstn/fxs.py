"""The FXS machine: one telephone on one port, from dial tone to howler, without a clock, a port or a sound of its own.

``start``, ``receive`` and ``handle_deadline`` and the commands of the call (``ring``, ``ringback``, ``answered``, ``cleared`` ...)
return effects: ``LineAction`` values to perform on the port and its audio, ``LineReport`` values for whoever owns the line.
All times are monotonic seconds; events of the port count from the time that the port gave them, so that a flash or a pulse
is measured right however late its event is delivered.
"""

from __future__ import annotations

import enum
import math

import attrs

from voipgw.errors import LocalProtocolError
from voipgw.pstn import hook
from voipgw.pstn.dialling import DiallingFault, DigitMap, DigitMatch, OpenNumbering
from voipgw.pstn.effects import (
    Dialled,
    DiallingFailed,
    Flashed,
    HungUp,
    LineAction,
    LineReport,
    ListenForDigits,
    Parked,
    RingAnswered,
    Seized,
    ServiceChanged,
    SetFeed,
    StartTone,
    StopSound,
    Tone,
)
from voipgw.pstn.line import Feed, LineEvent, LineEventKind
from voipgw.pstn.ringing import CallerIdTiming, RingCadence, Ringer

LineEffect = LineAction | LineReport


@attrs.frozen
class FxsConfig:
    """How one line behaves; a country's values come in here. Seconds."""

    hook: hook.HookTiming = attrs.field(factory=hook.HookTiming)
    ring: RingCadence = attrs.field(factory=RingCadence)
    caller_id: CallerIdTiming = attrs.field(factory=CallerIdTiming)
    first_digit_s: float = 16.0  #: dial tone without a digit
    inter_digit_s: float = 10.0  #: between digits while the number is incomplete
    inter_digit_short_s: float = 4.0  #: after a number that may grow
    terminator: str = "#"  #: the digit that ends dialling; "" for none
    max_digits: int = 32  #: a number is taken as complete at this length
    cleared_s: float = 20.0  #: busy or congestion tone before the howler
    sit_s: float = 2.0  #: special information tones, where they are asked for, before the tone
    howler_s: float = 60.0  #: howler before the line is parked; 0 for no howler
    answer_reversal: bool = False  #: answer supervision: polarity is reversed while the far end has answered
    disconnect_open_s: float = 0.5  #: disconnect supervision: open loop after the far end left; 0 for none
    park_feed: Feed = Feed.NORMAL  #: OPEN takes the battery from a parked line and probes it now and then
    park_probe_s: float = 5.0  #: between probes of a parked line without battery
    probe_s: float = 0.250  #: how long a probe feeds the loop


class FxsState(enum.Enum):
    """What a line is doing."""

    IDLE = "idle"  #: on-hook
    RINGING = "ringing"
    COLLECTING = "collecting"  #: dial tone, or digits
    CALLING = "calling"  #: the number is out
    TALKING = "talking"
    CLEARING = "clearing"  #: the loop is open to show that the far end left
    CLEARED = "cleared"  #: off-hook without a call: busy, congestion, howler
    PARKED = "parked"
    OUT_OF_SERVICE = "out of service"


@attrs.frozen
class KeyBegan:
    """The DTMF receiver of the line recognised a digit that still sounds."""


@attrs.frozen
class KeyHeard:
    """A DTMF digit came to its end."""

    symbol: str  #: one of 0-9 * # A-D


@attrs.frozen
class CallerIdSent:
    """The last sample of what ``SendCallerId`` asked for has been played."""


class FxsMachine:
    """One line. ``digit_map`` says when a number is complete; without one, timers and ``#`` do."""

    def __init__(self, config: FxsConfig | None = None, digit_map: DigitMap | None = None) -> None:
        self.config = config if config is not None else FxsConfig()
        self.state = FxsState.IDLE
        self.digits = ""  #: collected so far, or dialled
        self.messages_waiting = False  #: the next dial tone stutters
        self.digit_map: DigitMap = digit_map if digit_map is not None else OpenNumbering()
        self._loop = hook.LoopSupervision(self.config.hook)
        self._ringer = Ringer(self.config.caller_id)
        self._feed = Feed.NORMAL
        self._match = DigitMatch.INCOMPLETE
        self._timer = math.inf  # of the state
        self._tone: Tone | None = None
        self._tail: list[tuple[Tone, float]] = []  # tones still to come before the line is parked
        self._probing = False

    @property
    def idle(self) -> bool:
        """Whether the line can be rung: on-hook, in service, no call."""
        return self.state is FxsState.IDLE and not self._loop.loop_closed

    @property
    def off_hook(self) -> bool:
        """Whether the telephone counts as lifted."""
        return self._loop.off_hook

    @property
    def tone(self) -> Tone | None:
        """The tone that is being played, if any."""
        return self._tone

    # -- what happens on the line

    def start(self, now: float) -> list[LineEffect]:
        """Put the line into service."""
        return [SetFeed(Feed.NORMAL)]

    def receive(self, item: LineEvent | KeyBegan | KeyHeard | CallerIdSent, now: float) -> list[LineEffect]:
        """Something the port saw or the receiver heard; what was due before it is done first."""
        at = item.at if isinstance(item, LineEvent) else now
        effects = self._advance(at, inclusive=False)
        if isinstance(item, LineEvent):
            effects += self._line_event(item)
        elif isinstance(item, CallerIdSent):
            self._ringer.caller_id_sent(now)
        elif self.state is FxsState.COLLECTING:
            if isinstance(item, KeyBegan):
                effects += self._digit_began(now)
            else:
                effects += self._digit(item.symbol, now)
        return effects

    def next_deadline(self) -> float:
        """When ``handle_deadline`` is wanted; ``math.inf`` for never."""
        return min(self._timer, self._loop.next_deadline(), self._ringer.next_deadline())

    def handle_deadline(self, now: float) -> list[LineEffect]:
        """All timers that are due, in order, each at its own time."""
        return self._advance(now, inclusive=True)

    # -- what the call wants of the line

    def ring(self, now: float, *, caller_id: bool = True, cadence: RingCadence | None = None) -> list[LineEffect]:
        """Ring the telephone; ``caller_id`` says whether there is any to send, ``cadence`` replaces the country's.

        Raises:
            LocalProtocolError: the line is not idle.
        """
        effects = self._advance(now, inclusive=False)
        if not self.idle:
            raise LocalProtocolError(f"a line that is {self.state.value} cannot be rung")
        self.state = FxsState.RINGING
        return [*effects, *self._feeds(self._ringer.start(cadence or self.config.ring, caller_id, now))]

    def stop_ringing(self, now: float) -> list[LineEffect]:
        """The caller gave up; nothing happens when the line does not ring."""
        effects = self._advance(now, inclusive=False)
        if self.state is not FxsState.RINGING:
            return effects
        self.state = FxsState.IDLE
        return [*effects, *self._ringer.stop(), *self._set_feed(Feed.NORMAL)]

    def ringback(self, now: float) -> list[LineEffect]:
        """The far end rings and sends no sound of its own."""
        effects = self._advance(now, inclusive=False)
        return effects + (self._play(Tone.RINGBACK) if self.state is FxsState.CALLING else [])

    def cut_through(self, now: float) -> list[LineEffect]:
        """Sound from the far end replaces any tone."""
        effects = self._advance(now, inclusive=False)
        return effects + (self._silence() if self.state is FxsState.CALLING else [])

    def answered(self, now: float) -> list[LineEffect]:
        """The far end took the call that this line dialled."""
        effects = self._advance(now, inclusive=False)
        if self.state is not FxsState.CALLING:
            return effects
        self._enter(FxsState.TALKING)
        effects += self._silence()
        return effects + (self._set_feed(Feed.REVERSED) if self.config.answer_reversal else [])

    def cleared(self, now: float, tone: Tone = Tone.CONGESTION, *, sit: bool = False) -> list[LineEffect]:
        """The far end left, or the call was refused: show it by the loop and by ``tone``, with ``sit`` ahead of it."""
        effects = self._advance(now, inclusive=False)
        if self.state is FxsState.RINGING:
            return effects + self.stop_ringing(now)
        if self.state not in (FxsState.COLLECTING, FxsState.CALLING, FxsState.TALKING):
            return effects
        self._tail = [(Tone.SIT, self.config.sit_s)] if sit else []
        self._tail += [(tone, self.config.cleared_s), (Tone.HOWLER, self.config.howler_s)]
        if self.state is FxsState.TALKING and self.config.disconnect_open_s > 0:
            self._enter(FxsState.CLEARING, self.config.disconnect_open_s + now)
            self._loop.suspend()
            return effects + self._silence() + self._set_feed(Feed.OPEN)
        return effects + self._set_feed(Feed.NORMAL) + self._next_of_tail(now)

    # -- inside

    def _advance(self, until: float, *, inclusive: bool) -> list[LineEffect]:
        effects: list[LineEffect] = []
        while (due := self.next_deadline()) < until or (inclusive and due == until and due != math.inf):
            if self._loop.next_deadline() == due:
                for event in self._loop.handle_deadline(due):
                    effects += self._hook_event(event, due)
            elif self._ringer.next_deadline() == due:
                effects += self._feeds(self._ringer.handle_deadline(due))
            else:
                self._timer = math.inf
                effects += self._timer_fired(due)
        return effects

    def _line_event(self, event: LineEvent) -> list[LineEffect]:
        if event.kind is LineEventKind.ALARM:
            return self._out_of_service()
        if self.state is FxsState.OUT_OF_SERVICE:
            if event.kind is not LineEventKind.ALARM_CLEARED:
                return []
            self._enter(FxsState.IDLE)
            self._feed = Feed.NORMAL
            return [SetFeed(Feed.NORMAL), ServiceChanged(True)]
        if event.kind is LineEventKind.RING_TRIP:
            if self.state is not FxsState.RINGING:
                return []  # ringing was taken off while the trip was on its way; the loop itself will tell
            self._loop.trip(event.at)
            return self._hook_event(hook.OffHook(), event.at)
        if event.kind in (LineEventKind.LOOP_CLOSED, LineEventKind.LOOP_OPENED):
            closed = event.kind is LineEventKind.LOOP_CLOSED
            return [
                effect
                for happened in self._loop.receive(closed, event.at)
                for effect in self._hook_event(happened, event.at)
            ]
        return []

    def _hook_event(self, event: hook.HookEvent, at: float) -> list[LineEffect]:
        if isinstance(event, hook.OffHook):
            return self._lifted(at)
        if isinstance(event, hook.OnHook):
            return self._hung_up()
        if isinstance(event, hook.HookFlash):
            return self._flash(event, at)
        if self.state is not FxsState.COLLECTING:
            return []
        return self._digit_began(at) if isinstance(event, hook.PulseBegan) else self._digit(event.symbol, at)

    def _lifted(self, at: float) -> list[LineEffect]:
        if self.state is FxsState.RINGING:
            self._enter(FxsState.TALKING)
            return [*self._ringer.stop(), ListenForDigits(True), RingAnswered()]
        if self.state is FxsState.IDLE:
            return [Seized(), ListenForDigits(True), *self._dial_tone(at)]
        return []

    def _hung_up(self) -> list[LineEffect]:
        if self.state in (FxsState.IDLE, FxsState.OUT_OF_SERVICE):
            return []
        self._enter(FxsState.IDLE)
        self._tail = []
        return [*self._silence(), *self._set_feed(Feed.NORMAL), ListenForDigits(False), HungUp()]

    def _flash(self, event: hook.HookFlash, at: float) -> list[LineEffect]:
        """In a call the owner is told; without one, the telephone asks for dial tone again."""
        if self.state in (FxsState.CALLING, FxsState.TALKING):
            return [Flashed(event.duration_s)]
        if self.state in (FxsState.COLLECTING, FxsState.CLEARED):
            return self._dial_tone(at)
        return []

    def _dial_tone(self, at: float) -> list[LineEffect]:
        self._enter(FxsState.COLLECTING, at + self.config.first_digit_s)
        self.digits, self._match, self._tail = "", DigitMatch.INCOMPLETE, []
        return self._play(Tone.STUTTER if self.messages_waiting else Tone.DIAL)

    def _digit_began(self, at: float) -> list[LineEffect]:
        self._timer = at + self.config.inter_digit_s  # no timer runs out amid a digit
        return self._silence()

    def _digit(self, symbol: str, at: float) -> list[LineEffect]:
        effects = self._silence()
        digits = self.digits + symbol
        match = self.digit_map.match(digits)
        if match is DigitMatch.IMPOSSIBLE and symbol == self.config.terminator and self.digits:
            return effects + self._dialled()
        self.digits, self._match = digits, match
        if match is DigitMatch.IMPOSSIBLE:
            return effects + self._dialling_failed(DiallingFault.IMPOSSIBLE, at)
        if match is DigitMatch.COMPLETE or len(digits) >= self.config.max_digits:
            return effects + self._dialled()
        grown = match is DigitMatch.COMPLETE_MAY_GROW
        self._timer = at + (self.config.inter_digit_short_s if grown else self.config.inter_digit_s)
        return effects

    def _dialled(self) -> list[LineEffect]:
        self._enter(FxsState.CALLING)
        return [Dialled(self.digits)]

    def _dialling_failed(self, fault: DiallingFault, at: float) -> list[LineEffect]:
        self._tail = [(Tone.CONGESTION, self.config.cleared_s), (Tone.HOWLER, self.config.howler_s)]
        return [*self._next_of_tail(at), DiallingFailed(self.digits, fault)]

    def _timer_fired(self, due: float) -> list[LineEffect]:
        if self.state is FxsState.COLLECTING:
            if not self._loop.loop_closed:  # perhaps it is being hung up: never dial a number out on the way down
                self._timer = due + self.config.hook.on_hook_s
                return []
            if self._match is DigitMatch.COMPLETE_MAY_GROW:
                return self._dialled()
            return self._dialling_failed(DiallingFault.INCOMPLETE if self.digits else DiallingFault.NO_DIGITS, due)
        if self.state is FxsState.CLEARING:
            effects = self._set_feed(Feed.NORMAL)
            self._loop.resume(due)
            return effects + self._next_of_tail(due)
        if self.state is FxsState.CLEARED:
            return self._next_of_tail(due)
        return self._probe(due) if self.state is FxsState.PARKED else []

    def _next_of_tail(self, at: float) -> list[LineEffect]:
        """The next tone that a telephone left off-hook hears, or none any more."""
        while self._tail:
            tone, duration_s = self._tail.pop(0)
            if duration_s > 0:
                self._enter(FxsState.CLEARED, at + duration_s)
                return self._play(tone)
        self._enter(FxsState.PARKED)
        effects = self._silence()
        if self.config.park_feed is Feed.OPEN:
            effects += self._set_feed(Feed.OPEN)
            self._loop.suspend()
            self._timer = at + self.config.park_probe_s
        return [*effects, Parked()]

    def _probe(self, due: float) -> list[LineEffect]:
        """A parked line without battery is fed for a moment: does the loop still close?"""
        if not self._probing:
            effects = self._set_feed(Feed.NORMAL)
            self._loop.resume(due)
            self._probing, self._timer = True, due + self.config.probe_s
            return effects
        if not self._loop.loop_closed:
            self._loop.reset()
            return self._hung_up()
        self._probing, self._timer = False, due + self.config.park_probe_s
        self._loop.suspend()
        return self._set_feed(Feed.OPEN)

    def _out_of_service(self) -> list[LineEffect]:
        if self.state is FxsState.OUT_OF_SERVICE:
            return []
        effects: list[LineEffect] = []
        if self.state is FxsState.RINGING:
            effects = [*self._ringer.stop(), HungUp()]
        elif self.state is not FxsState.IDLE:
            effects = self._hung_up()
        self._loop.reset()
        self._enter(FxsState.OUT_OF_SERVICE)
        return [*effects, ServiceChanged(False)]

    def _enter(self, state: FxsState, timer: float = math.inf) -> None:
        self.state, self._timer, self._probing = state, timer, False
        self._loop.counting = state is FxsState.COLLECTING

    def _play(self, tone: Tone) -> list[LineEffect]:
        self._tone = tone
        return [StartTone(tone)]

    def _silence(self) -> list[LineEffect]:
        playing, self._tone = self._tone, None
        return [StopSound()] if playing is not None else []

    def _set_feed(self, feed: Feed) -> list[LineEffect]:
        if feed is self._feed:
            return []
        self._feed = feed
        return [SetFeed(feed)]

    def _feeds(self, actions: list[LineAction]) -> list[LineEffect]:
        """Actions of the ringer; those on the battery are remembered."""
        for action in actions:
            if isinstance(action, SetFeed):
                self._feed = action.feed
        return [*actions]
