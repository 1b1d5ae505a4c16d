"""The supervision of a loop: raw closures and openings become off-hook, on-hook, dial pulses and hook flashes.

One opening of the loop can be the break of a dial pulse, a hook flash or the beginning of hanging up. Its length decides,
and, where the windows of pulse and flash overlap, what the line is doing: while digits are collected a short opening is a
pulse, in a call it is a flash. All times are those that the port put on its events, so a late delivery changes nothing.
Contacts bounce: an edge counts from its first movement, once the loop has been quiet for ``debounce_s``.

Dial pulses: 8 to 12 per second with 50 to 75 % break are 41 to 94 ms open and 20 to 63 ms closed (EIA/TIA-470, ETSI EN 300
659's loop disconnect terms, ITU-T Q.23 for the digits); the limits here leave the tolerance of a worn dial around that.
"""

from __future__ import annotations

import math

import attrs


@attrs.frozen
class HookTiming:
    """Limits of loop supervision, all in seconds."""

    debounce_s: float = attrs.field(default=0.008, validator=attrs.validators.gt(0))  #: quiet time that ends a bounce
    bounce_limit_s: float = 0.040  #: a bounce that lasts longer than this is decided by its last edge
    seize_s: float = 0.030  #: an on-hook loop must be closed this long to count as off-hook
    pulse_min_s: float = 0.025  #: shortest break of a dial pulse
    pulse_max_s: float = 0.120  #: longest break of a dial pulse
    pulse_pause_s: float = 0.200  #: a loop closed this long ends the pulses of one digit
    pulse_digits: str = attrs.field(default="1234567890")  #: the digit of 1, 2, ... pulses ("0123456789" in Sweden)
    flash_min_s: float = 0.300  #: shortest hook flash
    flash_max_s: float = 1.000  #: longest hook flash; 0 where the line has no flash
    hang_up_s: float = 0.300  #: an opening longer than this, and longer than any flash, is hanging up

    @pulse_digits.validator
    def _check(self, attribute: attrs.Attribute[str], value: str) -> None:
        if not value:
            raise ValueError("pulse_digits names no digit")
        if not self.pulse_min_s < self.pulse_max_s:
            raise ValueError(f"the pulse window {self.pulse_min_s:g} to {self.pulse_max_s:g} s is empty")

    @property
    def on_hook_s(self) -> float:
        """How long the loop is open before the telephone counts as hung up."""
        return max(self.hang_up_s, self.flash_max_s, self.pulse_max_s)


@attrs.frozen
class OffHook:
    """The telephone was lifted."""


@attrs.frozen
class OnHook:
    """The telephone was hung up."""


@attrs.frozen
class PulseBegan:
    """The first pulse of a digit was seen."""


@attrs.frozen
class PulseDigit:
    """All pulses of a digit were seen."""

    symbol: str


@attrs.frozen
class HookFlash:
    """The hook was pressed for a moment."""

    duration_s: float


HookEvent = OffHook | OnHook | PulseBegan | PulseDigit | HookFlash


class LoopSupervision:
    """Watches one loop. ``counting`` says whether short openings are dial pulses; its owner sets it with its own state."""

    __slots__ = (
        "_bounce_began",
        "_closed",
        "_last_edge",
        "_pulses",
        "_raw",
        "_since",
        "_suspended",
        "_timing",
        "_unsure",
        "counting",
        "off_hook",
    )

    def __init__(self, timing: HookTiming) -> None:
        self._timing = timing
        self.off_hook = False  #: decided, not raw
        self.counting = False
        self._raw = False  # as last reported: closed?
        self._closed = False  # debounced
        self._since = -math.inf  # of the debounced state: first movement of the edge that led to it
        self._bounce_began = math.inf  # first edge of a bounce that has not settled
        self._last_edge = -math.inf
        self._pulses = 0
        self._suspended = False
        self._unsure = False  # an opening that the port itself made must not pass for a flash

    @property
    def loop_closed(self) -> bool:
        """The loop as last reported, not debounced."""
        return self._raw

    def receive(self, closed: bool, at: float) -> list[HookEvent]:
        """The port saw the loop close or open at the time ``at``; what was due before that happens first."""
        events: list[HookEvent] = []
        while self.next_deadline() < at:
            events += self._fire(self.next_deadline())
        if closed is self._raw:
            return events
        self._raw = closed
        if not self._suspended:
            if self._bounce_began == math.inf:
                self._bounce_began = at
            self._last_edge = at
        return events

    def trip(self, at: float) -> None:
        """The port says that the telephone was lifted while ringing: no doubt, no debounce."""
        self._raw = self._closed = self.off_hook = True
        self._since = at
        self._bounce_began = math.inf
        self._pulses = 0

    def suspend(self) -> None:
        """The feed is taken away: what the loop shows from now on says nothing about the hook."""
        self._suspended = True
        self._bounce_began = math.inf
        self._pulses = 0

    def resume(self, now: float) -> None:
        """The feed is back; the loop must close again soon if the telephone is off-hook."""
        self._suspended, self._unsure = False, self._raw is not self._closed
        self._since = now
        if self._raw is not self._closed:
            self._bounce_began = self._last_edge = now

    def reset(self) -> None:
        """On-hook, whatever was seen so far."""
        self.off_hook = self._raw = self._closed = self._suspended = self._unsure = False
        self._bounce_began = math.inf
        self._pulses = 0

    def next_deadline(self) -> float:
        """When ``handle_deadline`` is wanted; ``math.inf`` for never."""
        if self._suspended:
            return math.inf
        if self._bounce_began != math.inf:  # anything else was due before it began, or waits for what comes of it
            return min(self._last_edge + self._timing.debounce_s, self._bounce_began + self._timing.bounce_limit_s)
        if self._closed and not self.off_hook:
            return self._since + self._timing.seize_s
        if self._closed and self._pulses:
            return self._since + self._timing.pulse_pause_s
        if self.off_hook and not self._closed:
            return self._since + self._timing.on_hook_s
        return math.inf

    def handle_deadline(self, now: float) -> list[HookEvent]:
        """Whatever is due up to ``now``, in order."""
        events: list[HookEvent] = []
        while (due := self.next_deadline()) <= now:
            events += self._fire(due)
        return events

    def _fire(self, due: float) -> list[HookEvent]:
        if self._bounce_began != math.inf:
            return self._settle()
        if self._closed and not self.off_hook:
            self.off_hook, self._pulses = True, 0
            return [OffHook()]
        if self._closed:
            pulses, self._pulses = self._pulses, 0
            digits = self._timing.pulse_digits
            return [PulseDigit(digits[pulses - 1])] if self.counting and pulses <= len(digits) else []
        self.off_hook, self._pulses = False, 0
        return [OnHook()]

    def _settle(self) -> list[HookEvent]:
        began, self._bounce_began = self._bounce_began, math.inf
        if self._raw is self._closed:
            self._unsure = False
            return []  # a glitch
        opened_s = began - self._since
        self._closed, self._since = self._raw, began
        if not self._closed:
            return []
        unsure, self._unsure = self._unsure, False
        return [] if unsure or not self.off_hook else self._opening_ended(opened_s)

    def _opening_ended(self, opened_s: float) -> list[HookEvent]:
        """An off-hook loop closed again after ``opened_s``: pulse, flash or neither."""
        timing = self._timing
        if self.counting and timing.pulse_min_s <= opened_s <= timing.pulse_max_s:
            self._pulses += 1
            return [PulseBegan()] if self._pulses == 1 else []
        if self.counting and opened_s < timing.pulse_min_s:
            return []  # dirt on a contact amid a digit
        self._pulses = 0
        return [HookFlash(opened_s)] if timing.flash_min_s <= opened_s <= timing.flash_max_s else []
