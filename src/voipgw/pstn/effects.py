"""What the machine of a line asks for, and what it reports; frozen values for whoever drives it.

``LineAction`` values change something on the port or on its audio; ``LineReport`` values tell what the telephone did.
"""

from __future__ import annotations

import enum

import attrs

from voipgw.pstn.dialling import DiallingFault
from voipgw.pstn.line import Feed


class Tone(enum.Enum):
    """Tones of an exchange by name; what they sound like is the country's business (ITU-T E.180)."""

    DIAL = "dial"
    STUTTER = "stutter"  #: dial tone that says that messages wait
    RINGBACK = "ringback"
    BUSY = "busy"
    CONGESTION = "congestion"  #: reorder, equipment busy
    SIT = "sit"  #: special information tones; played once
    HOWLER = "howler"  #: receiver off-hook tone
    CALL_WAITING = "call-waiting"


@attrs.frozen
class LineAction:
    """Root of what is to be done on the port or its audio."""


@attrs.frozen
class SetRing(LineAction):
    """Ringing voltage on or off."""

    on: bool


@attrs.frozen
class SetFeed(LineAction):
    """Change the battery."""

    feed: Feed


@attrs.frozen
class StartTone(LineAction):
    """Play a tone to the telephone until ``StopSound`` or the next ``StartTone``."""

    tone: Tone


@attrs.frozen
class StopSound(LineAction):
    """Silence whatever is being played to the telephone: a tone or caller-ID data."""


@attrs.frozen
class SendCallerId(LineAction):
    """Play the caller-ID data now; ``FxsMachine.receive(CallerIdSent())`` is due when its last sample has been played."""


@attrs.frozen
class ListenForDigits(LineAction):
    """Switch the DTMF receiver of the line on or off."""

    on: bool


@attrs.frozen
class LineReport:
    """Root of what the telephone did."""


@attrs.frozen
class Seized(LineReport):
    """An idle telephone went off-hook; it hears dial tone."""


@attrs.frozen
class Dialled(LineReport):
    """A number is complete."""

    digits: str


@attrs.frozen
class DiallingFailed(LineReport):
    """Digits, or their absence, led to no number; the telephone hears a tone that says so."""

    digits: str
    fault: DiallingFault


@attrs.frozen
class RingAnswered(LineReport):
    """A ringing telephone was lifted; ringing is off and both directions are through."""


@attrs.frozen
class Flashed(LineReport):
    """A hook flash while a call exists."""

    duration_s: float


@attrs.frozen
class HungUp(LineReport):
    """The telephone is back on-hook (or its port went out of service); the line is idle."""


@attrs.frozen
class Parked(LineReport):
    """A telephone left off-hook has been given up; only hanging up brings the line back."""


@attrs.frozen
class ServiceChanged(LineReport):
    """The port went out of service, or came back."""

    in_service: bool
