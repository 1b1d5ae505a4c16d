"""A simulated analog telephone: hook switch with bounce, bell, keypad and dial, microphone and earpiece, caller-ID display.

Scripts and tests use it as a person would: lift, dial, speak, listen. All of it happens on the loop between telephone and
port, as moving contacts and as sound; nothing is handed over as a digit, a number or a state.
"""

from __future__ import annotations

import asyncio
import itertools
import math
from collections import deque
from collections.abc import Callable
from typing import Protocol

import attrs
import numpy as np
import numpy.typing as npt

from voipgw import dsp
from voipgw.drivers.hearing import SILENCE, SILENCE_S, VOICE, Ear
from voipgw.drivers.telephone_country import caller_id_receiver, flash_ms, shapes_of
from voipgw.entropy import Entropy
from voipgw.errors import ExpectationFailed, LocalProtocolError
from voipgw.pstn.line import Feed

Pcm = npt.NDArray[np.int16]

KINDS = (
    "dial-tone", "stutter", "ringback", "busy", "congestion", "sit", "howler", "call-waiting", "voice", "silence", "answer",
)  #: what ``expect`` knows  # fmt: skip
_CALL_GAP_S = 8.0  # a bell, or data, after this much rest belongs to another call
_FLUSH_FRAMES = 10  # silence that a caller-ID receiver still hears after the data

REACH_S = 0.5  #: between lifting the handset and the first key


class Loop(Protocol):
    """The port's end of the loop, as its telephone needs it."""

    number: int
    feed: Feed

    def set_contact(self, closed: bool, at: float) -> None:
        """The hook switch or the dial moved."""
        ...


@attrs.frozen
class Ring:
    """One burst of the bell."""

    start: float  #: loop time, seconds
    end: float | None = None  #: None while it rings


class Recording:
    """What the earpiece received, sample by sample, from ``start_sample`` of the telephone's sample clock on."""

    def __init__(self, start_sample: int, start: float) -> None:
        self.start_sample = start_sample
        self.start = start  #: loop time at which it began
        self._frames: list[Pcm] = []
        self.running = True  #: until ``stop``

    def add(self, pcm: Pcm | None, length: int) -> None:
        """The next frame; None for silence."""
        if self.running:
            self._frames.append(np.zeros(length, np.int16) if pcm is None else pcm)

    @property
    def length(self) -> int:
        """Samples so far."""
        return sum(len(frame) for frame in self._frames)

    @property
    def samples(self) -> Pcm:
        """int16[n] at 8000 Hz so far."""
        return np.concatenate(self._frames) if self._frames else np.zeros(0, np.int16)

    def stop(self) -> Pcm:
        """End it and return its int16[n] samples."""
        self.running = False
        return self.samples


@attrs.define
class _Played:
    """Sound waiting for the microphone."""

    pcm: Pcm
    done: asyncio.Future[None]
    at: int = 0


class SimTelephone:
    """The telephone on one port. Its methods are what a person does; ``expect...`` wait for what a person would notice."""

    def __init__(self, port: Loop, country: str, entropy: Entropy, bounce_s: float) -> None:
        self.number = port.number
        self.lifted = False  #: the handset is off its cradle
        self.samples_heard = 0  #: sample clock of the earpiece
        self.rings: list[Ring] = []  #: bursts of the bell of the last call, oldest first
        self.caller_ids: list[dsp.CallerId] = []  #: received with the last call
        self.ear = Ear(shapes_of(country))
        self._port = port
        self._entropy = entropy
        self._bounce_s = bounce_s
        self._flash_ms = flash_ms(country)
        self._closed = False  # the contact, as it is
        self._wanted = False  # the contact, once it has stopped bouncing
        self._bounces: list[asyncio.TimerHandle] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._edges: list[asyncio.TimerHandle] = []
        self._playing: deque[_Played] = deque()
        self._recordings: list[Recording] = []
        self._waiting: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []
        self._receiver = caller_id_receiver(country)
        self._flush = 0
        self._last_sign = -math.inf  # when bell or data last told of a call
        self._new_call = True  # the next bell, or the next caller ID, begins another call
        self._hand_free_at = 0.0
        self._ringback_heard = False
        self._answer_seen = False
        self._dialled = False

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to live by the time of ``loop``."""
        self._loop = loop

    # -- what a person does

    def off_hook(self) -> None:
        """Lift the handset; nothing happens when it is lifted."""
        if not self.lifted:
            self.lifted = True
            self.ear.restart()
            self._new_call = True
            self._ringback_heard = self._answer_seen = self._dialled = False
            self._hand_free_at = self._now() + REACH_S
            self._move(True, self._now())

    def on_hook(self) -> None:
        """Put the handset down; what was being played stops."""
        if self.lifted:
            self.lifted = False
            self._cancel_edges()
            self._move(False, self._now())
            for played in self._playing:
                if not played.done.done():
                    played.done.set_exception(
                        LocalProtocolError(f"telephone {self.number} was hung up while it played")
                    )
                    played.done.exception()  # nobody need be waiting
            self._playing.clear()

    async def flash(self, ms: float | None = None) -> None:
        """Press the hook, or the recall key, for a moment; without ``ms`` as long as in its country.

        Raises:
            LocalProtocolError: the handset is not lifted.
        """
        await self._break_for([(0.0, (ms if ms is not None else self._flash_ms) / 1000)], "flash")

    async def dial(self, digits: str, *, on_ms: float = 80.0, off_ms: float = 80.0, level_dbm0: float = -9.0) -> None:
        """Press keys: their DTMF sounds go into the microphone; returns when the last has sounded.

        Raises:
            LocalProtocolError: the handset is not lifted.
            ValueError: a key that no telephone has.
        """
        self._need_lifted("dial")
        await self._reach()
        self._begin_dialling()
        await self.play(dsp.dtmf(digits, on_ms=on_ms, off_ms=off_ms, level_dbm0=level_dbm0))

    async def pulse(
        self, digits: str, *, rate: float = 10.0, break_share: float = 0.61, pause_ms: float = 700.0
    ) -> None:
        """Turn the dial: each digit opens the loop that many times (0: ten) at ``rate`` pulses a second.

        Raises:
            LocalProtocolError: the handset is not lifted.
            ValueError: something that is not a digit.
        """
        if not digits.isascii() or not digits.isdigit():
            raise ValueError(f"{digits!r} cannot be dialled by pulses, which make digits only")
        breaks: list[tuple[float, float]] = []
        at = 0.0
        for symbol in digits:
            for _ in range(int(symbol) or 10):
                breaks.append((at, at + break_share / rate))
                at += 1 / rate
            at += pause_ms / 1000
        self._need_lifted("dial by pulses")
        await self._reach()
        self._begin_dialling()
        await self._break_for(breaks, "dial by pulses", after_s=pause_ms / 1000)

    async def _reach(self) -> None:
        """A hand that has just lifted the handset needs a moment to come to the keys."""
        await asyncio.sleep(max(0.0, self._hand_free_at - self._now()))

    async def play(self, pcm: Pcm) -> None:
        """Speak int16[n] samples at 8000 Hz into the microphone, after what is being spoken; returns when all is said.

        Raises:
            LocalProtocolError: the handset is not lifted, or is put down meanwhile.
        """
        self._need_lifted("play")
        if not len(pcm):
            return
        played = _Played(np.ascontiguousarray(pcm, np.int16), self._running().create_future())
        self._playing.append(played)
        try:
            await played.done
        finally:
            if played in self._playing:
                self._playing.remove(played)

    def record(self) -> Recording:
        """Begin to record the earpiece; ``stop`` of what is returned gives the samples."""
        recording = Recording(self.samples_heard, self._now())
        self._recordings.append(recording)
        return recording

    async def listen(self, seconds: float) -> Pcm:
        """Record the earpiece for ``seconds``: int16[8000 * seconds], silence where the handset was put down.

        Raises:
            LocalProtocolError: the handset is not lifted.
        """
        self._need_lifted("listen")
        recording, wanted = self.record(), round(8000 * seconds)
        await asyncio.sleep(seconds)
        await self._wait(lambda: not self.lifted or recording.length >= wanted, 0.2)  # frames on their way
        heard = recording.stop()[:wanted]
        return np.concatenate([heard, np.zeros(wanted - len(heard), np.int16)])

    # -- what a person notices

    async def expect(self, kind: str, within: float = 5.0) -> None:
        """Wait until ``kind`` (one of ``KINDS``) is heard; it may be there already.

        On the hook, ``silence`` is a bell that does not ring, or rings no more.
        ``answer`` is reversed polarity, voice, or a ringback tone that stopped without another tone in its place.

        Raises:
            ExpectationFailed: it was not heard in time; the message says what was.
            ValueError: no such kind.
        """
        if kind not in KINDS:
            raise ValueError(f"{kind!r} is nothing that a telephone hears; it hears {', '.join(KINDS)}")
        if not self.lifted and kind == "silence":
            if not await self._wait(lambda: not self.being_rung, within):
                raise ExpectationFailed(f"telephone {self.number} did not fall silent within {within:g} s; it rang")
            return
        if not self.lifted:
            raise ExpectationFailed(f"telephone {self.number} cannot hear {kind}: its handset is on the hook")
        began = self.ear.elapsed_s
        if not await self._wait(lambda: self._hears(kind), within):
            raise ExpectationFailed(
                f"telephone {self.number} did not hear {kind} within {within:g} s; it heard {self._heard_since(began)}"
            )

    async def expect_ring(self, within: float = 5.0, *, cadence: tuple[float, ...] | None = None) -> None:
        """Wait until the bell rings (it may be in its pause), or has rung this ``cadence`` of on, off, on, ... seconds.

        Raises:
            ExpectationFailed: it did not ring in time, or in another cadence.
        """
        if self.lifted:
            raise ExpectationFailed(f"telephone {self.number} cannot ring: its handset is lifted")
        if cadence is None:
            if not await self._wait(lambda: self.being_rung, within):
                raise ExpectationFailed(f"telephone {self.number} did not ring within {within:g} s")
            return
        heard = await self._wait(lambda: len(self.cadence) >= len(cadence), within)
        measured = self.cadence[: len(cadence)]
        if not heard or any(abs(was - want) > 0.05 for was, want in zip(measured, cadence, strict=False)):
            seconds = ", ".join(f"{value:.2f}" for value in measured) or "nothing"
            raise ExpectationFailed(
                f"telephone {self.number} was to ring {', '.join(f'{value:g}' for value in cadence)} s; it rang {seconds}"
            )

    async def expect_caller_id(self, number: str, within: float = 10.0) -> dsp.CallerId:
        """Wait for caller ID with this number, which may have come already, and return all of it.

        Raises:
            ExpectationFailed: none came in time, or another one.
        """
        heard = await self._wait(lambda: bool(self.caller_ids), within)
        for shown in self.caller_ids:
            if _same_number(shown.number, number):
                return shown
        got = ", ".join(repr(shown.number) for shown in self.caller_ids) if heard else "none"
        raise ExpectationFailed(
            f"telephone {self.number} was to show caller ID {number!r} within {within:g} s; it received {got}"
        )

    @property
    def being_rung(self) -> bool:
        """Whether the bell sounds, or is in a pause of at most 6 s."""
        if self.lifted or self._new_call or not self.rings:
            return False
        ended = self.rings[-1].end
        return ended is None or ended > self._now() - 6.0

    @property
    def cadence(self) -> tuple[float, ...]:
        """Seconds of bell, pause, bell, ... so far; only what has ended."""
        moments = [moment for ring in self.rings for moment in (ring.start, ring.end) if moment is not None]
        return tuple(later - earlier for earlier, later in itertools.pairwise(moments))

    # -- what the port does to it

    def bell(self, on: bool) -> None:
        """Ringing voltage came or went."""
        now = self._now()
        if on and not self.lifted:
            self._call_begins()
            self.rings.append(Ring(now))
            self._last_sign = now
        elif self.rings and self.rings[-1].end is None:
            self.rings[-1] = attrs.evolve(self.rings[-1], end=now)
            self._last_sign = now
        self._notice()

    def feed_changed(self, feed: Feed) -> None:
        """The battery changed."""
        if feed is Feed.REVERSED and self.lifted and self._dialled:
            self._answer_seen = True
        self._notice()

    def speak(self, length: int) -> Pcm | None:
        """The next ``length`` samples of the microphone; None for silence."""
        if not self._playing:
            return None
        out = np.zeros(length, np.int16)
        filled = 0
        while filled < length and self._playing:
            played = self._playing[0]
            piece = played.pcm[played.at : played.at + length - filled]
            out[filled : filled + len(piece)] = piece
            filled += len(piece)
            played.at += len(piece)
            if played.at >= len(played.pcm):
                self._playing.popleft()
                if not played.done.done():
                    played.done.set_result(None)
        return out

    def hear(self, pcm: Pcm | None, length: int) -> None:
        """A frame arrived over the loop; None for silence."""
        self.samples_heard += length
        if not self.lifted:
            self._hear_data(pcm, length)
            return
        heard = pcm if self._closed else None
        if self._recordings:
            self._recordings = [recording for recording in self._recordings if recording.running]
            for recording in self._recordings:
                recording.add(heard, length)
        self.ear.hear(heard)
        self._ringback_heard |= self.ear.current == "ringback"
        self._notice()

    # -- inside

    def _hear_data(self, pcm: Pcm | None, length: int) -> None:
        """On-hook, only the caller-ID display listens."""
        if pcm is not None:
            self._flush = _FLUSH_FRAMES
        elif self._flush == 0:
            return
        else:
            self._flush -= 1
        received = self._receiver.process(pcm if pcm is not None else np.zeros(length, np.int16))
        if received:
            self._call_begins()
            self._last_sign = self._now()
            self.caller_ids += received
            self._notice()

    def _begin_dialling(self) -> None:
        """An answer noticed before belongs to an earlier call, unless that call is still up and this is for its far end."""
        self._answer_seen = self._answer_seen and self._port.feed is Feed.REVERSED
        self._dialled, self._ringback_heard = True, False

    def _call_begins(self) -> None:
        """Forget the last call's bell and number, if what comes now belongs to another one."""
        if self._new_call or self._last_sign < self._now() - _CALL_GAP_S:
            self.rings, self.caller_ids, self._new_call = [], [], False

    def _hears(self, kind: str) -> bool:
        if kind == "answer":
            stopped = self._ringback_heard and self.ear.current == SILENCE
            return self._answer_seen or self.ear.current == VOICE or stopped
        if kind == SILENCE:
            return self.ear.current == SILENCE and self.ear.silent_s >= SILENCE_S
        return self.ear.current == kind

    def _heard_since(self, began_s: float) -> str:
        kinds = [sound.kind for sound in self.ear.sounds if sound.end_s is None or sound.end_s > began_s]
        return ", then ".join(dict.fromkeys(kinds)) or SILENCE

    def _notice(self) -> None:
        for condition, future in self._waiting:
            if not future.done() and condition():
                future.set_result(None)

    async def _wait(self, condition: Callable[[], bool], within_s: float) -> bool:
        """Whether ``condition`` came true in time; asked whenever something was heard, rung or changed."""
        if condition():
            return True
        future = self._running().create_future()
        entry = (condition, future)
        self._waiting.append(entry)
        timer = self._running().call_later(within_s, lambda: None if future.done() else future.set_result(None))
        try:
            await future
        finally:
            timer.cancel()
            self._waiting.remove(entry)
        return condition()

    async def _break_for(self, breaks: list[tuple[float, float]], what: str, after_s: float = 0.0) -> None:
        """Open the loop from and to these times (seconds from now); returns ``after_s`` after the last."""
        self._need_lifted(what)
        loop, start = self._running(), self._now() + 0.001
        for opened, closed in breaks:
            for at, state in ((start + opened, False), (start + closed, True)):
                self._edges.append(loop.call_at(at, self._move, state, at))
        end = loop.create_future()
        timer = loop.call_at(start + breaks[-1][1] + after_s, lambda: None if end.done() else end.set_result(None))
        try:
            await end
        finally:
            timer.cancel()
            self._cancel_edges()
            if self.lifted:  # it may have been given up amid a break
                self._move(True, self._now())

    def _move(self, closed: bool, at: float) -> None:
        """A contact moves, and bounces."""
        if closed is self._wanted:
            return
        self._wanted = closed
        for bounce in self._bounces:
            bounce.cancel()
        self._bounces = []
        self._touch(closed, at)
        if self._bounce_s > 0 and self._loop is not None:
            moves = 2 * int(self._entropy.uniform() * 3)
            for index, share in enumerate(sorted(self._entropy.uniform() for _ in range(moves))):
                moment = at + share * self._bounce_s
                self._bounces.append(self._loop.call_at(moment, self._touch, closed ^ (index % 2 == 0), moment))

    def _touch(self, closed: bool, at: float) -> None:
        if closed is not self._closed:
            self._closed = closed
            self._port.set_contact(closed, at)

    def _cancel_edges(self) -> None:
        for edge in self._edges:
            edge.cancel()
        self._edges.clear()

    def _need_lifted(self, what: str) -> None:
        if not self.lifted:
            raise LocalProtocolError(f"telephone {self.number} cannot {what}: its handset is on the hook")

    def _running(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            raise LocalProtocolError("the card has not been started")
        return self._loop

    def _now(self) -> float:
        return self._loop.time() if self._loop is not None else 0.0


def _same_number(shown: str, wanted: str) -> bool:
    """Whether a person would take both for one number: alike but for prefixes, which each country shows in its own way."""
    one, other = sorted((shown.lstrip("+0"), wanted.lstrip("+0")), key=len)
    return one == other or (len(one) >= 7 and other.endswith(one))
