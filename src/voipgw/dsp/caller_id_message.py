"""Caller-ID messages as octets: SDMF and MDMF (Telcordia GR-30), the call set-up message of ETSI EN 300 659-3."""

from __future__ import annotations

import enum
import re
import unicodedata

import attrs

from voipgw.errors import ParseError

SDMF_CALL_SETUP = 0x04
SDMF_MESSAGE_WAITING = 0x06
MDMF_CALL_SETUP = 0x80
MESSAGE_TYPES = frozenset((SDMF_CALL_SETUP, SDMF_MESSAGE_WAITING, MDMF_CALL_SETUP, 0x81, 0x82, 0x86, 0x89))

_TIME, _NUMBER, _DIALABLE, _NO_NUMBER, _NAME, _NO_NAME, _CALL_TYPE = 0x01, 0x02, 0x03, 0x04, 0x07, 0x08, 0x11
_VOICE_CALL = 0x01
_NUMBER_FORM = re.compile(r"[0-9*#+]{0,20}")


class Absence(enum.Enum):
    """Why a number or name is not shown; the value is the character on the line."""

    PRIVATE = "P"  #: the caller withheld it
    UNAVAILABLE = "O"  #: the network does not have it ("out of area")


class MessageForm(enum.Enum):
    """The two data message formats."""

    SDMF = "sdmf"  #: time and number only
    MDMF = "mdmf"  #: parameters: time, number, name, reasons for absence


@attrs.frozen
class CallTime:
    """The network's time of the call; the line carries no year."""

    month: int  #: 1 to 12
    day: int  #: 1 to 31
    hour: int  #: 0 to 23
    minute: int  #: 0 to 59

    def __attrs_post_init__(self) -> None:
        """Raises ValueError for a value out of its range."""
        if not (1 <= self.month <= 12 and 1 <= self.day <= 31 and 0 <= self.hour <= 23 and 0 <= self.minute <= 59):
            raise ValueError(f"no such time of call: {self}")


@attrs.frozen
class CallerId:
    """What a telephone can show of a caller. An empty number or name goes with the reason for its absence, or None."""

    number: str = ""  #: of 0-9 * # +, up to 20
    name: str = ""
    number_absence: Absence | None = None
    name_absence: Absence | None = None
    time: CallTime | None = None

    def __attrs_post_init__(self) -> None:
        """Raises ValueError for a number with other characters or too many, or an absence beside a presence."""
        if not _NUMBER_FORM.fullmatch(self.number):
            raise ValueError(f"a caller's number is up to 20 of 0-9 * # +, not {self.number!r}")
        if (self.number and self.number_absence) or (self.name and self.name_absence):
            raise ValueError("a number or name that is given cannot be absent")


def checksum(octets: bytes) -> int:
    """Two's complement of the sum, so that a whole message sums to 0 modulo 256 (GR-30 section 2.3)."""
    return -sum(octets) & 0xFF


def plain_name(name: str, limit: int) -> bytes:
    """``name`` in the printable ASCII that every display has: accents taken off, other characters as ``?``, cut to ``limit``."""
    flat = unicodedata.normalize("NFKD", name.replace("ß", "ss"))
    kept = (c if " " <= c <= "~" else "?" for c in flat if not unicodedata.combining(c))
    return "".join(kept)[:limit].encode("ascii")


def _time_octets(time: CallTime) -> bytes:
    return b"%02d%02d%02d%02d" % (time.month, time.day, time.hour, time.minute)


def _number_absence(caller: CallerId) -> Absence:
    return caller.number_absence or Absence.UNAVAILABLE


def _sdmf_body(caller: CallerId) -> bytes:
    if caller.time is None:
        raise ValueError("an SDMF message needs the time of the call")
    return _time_octets(caller.time) + (caller.number or _number_absence(caller).value).encode("ascii")


def _mdmf_body(caller: CallerId, name_limit: int, call_type: bool) -> bytes:
    parameters: list[tuple[int, bytes]] = [(_CALL_TYPE, bytes([_VOICE_CALL]))] if call_type else []
    if caller.time is not None:
        parameters.append((_TIME, _time_octets(caller.time)))
    if caller.number:
        parameters.append((_NUMBER, caller.number.encode("ascii")))
    else:
        parameters.append((_NO_NUMBER, _number_absence(caller).value.encode("ascii")))
    if caller.name:
        parameters.append((_NAME, plain_name(caller.name, name_limit)))
    elif caller.name_absence is not None:
        parameters.append((_NO_NAME, caller.name_absence.value.encode("ascii")))
    return b"".join(bytes([kind, len(value)]) + value for kind, value in parameters)


def message(caller: CallerId, form: MessageForm, *, name_limit: int = 15, call_type: bool = False) -> bytes:
    """The message with its type, length and checksum.

    ``name_limit`` is 15 in North America, 50 in EN 300 659-3; ``call_type`` puts "voice call" first, as SIN 227 asks.

    Raises:
        ValueError: SDMF without a time.
    """
    sdmf = form is MessageForm.SDMF
    body = _sdmf_body(caller) if sdmf else _mdmf_body(caller, name_limit, call_type)
    head = bytes([SDMF_CALL_SETUP if sdmf else MDMF_CALL_SETUP, len(body)]) + body
    return head + bytes([checksum(head)])


def _parse_time(octets: bytes) -> CallTime:
    if len(octets) != 8 or not octets.isdigit():
        raise ParseError("the time of a call is eight digits")
    month, day, hour, minute = (int(octets[i : i + 2]) for i in (0, 2, 4, 6))
    try:
        return CallTime(month, day, hour, minute)
    except ValueError as error:
        raise ParseError(str(error)) from error


def _parse_number(octets: bytes) -> str:
    text = octets.decode("latin-1").strip()
    if not _NUMBER_FORM.fullmatch(text):
        raise ParseError(f"a caller's number is up to 20 of 0-9 * # +, not {text!r}")
    return text


def _parse_absence(octets: bytes) -> Absence:
    try:
        return Absence(octets.decode("latin-1"))
    except ValueError as error:
        raise ParseError(f"a reason for absence is P or O, not {octets!r}") from error


def _parse_parameters(body: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    at = 0
    while at < len(body):
        if at + 2 > len(body) or at + 2 + body[at + 1] > len(body):
            raise ParseError("a parameter is longer than its message", at=2 + at)
        found.setdefault(body[at], body[at + 2 : at + 2 + body[at + 1]])
        at += 2 + body[at + 1]
    return found


def parse(octets: bytes) -> CallerId | None:
    """What a whole message (type, length, body, checksum) says; None for a valid message that is no call set-up.

    Raises:
        ParseError: an unknown type, another length than the one announced, a wrong checksum, or a body against its rules.
    """
    if len(octets) < 3 or octets[0] not in MESSAGE_TYPES:
        raise ParseError("not a caller-ID message", at=0)
    if len(octets) != octets[1] + 3:
        raise ParseError(f"the message announces {octets[1]} octets and has {len(octets) - 3}", at=1)
    if sum(octets) & 0xFF:
        raise ParseError("the checksum is wrong", at=len(octets) - 1)
    body = octets[2:-1]
    if octets[0] == SDMF_CALL_SETUP:
        time, rest = _parse_time(body[:8]), body[8:]
        if rest in (b"P", b"O"):
            return CallerId(number_absence=_parse_absence(rest), time=time)
        return CallerId(_parse_number(rest), time=time)
    if octets[0] != MDMF_CALL_SETUP:
        return None
    given = _parse_parameters(body)
    number = _parse_number(given.get(_NUMBER, given.get(_DIALABLE, b"")))
    name = given.get(_NAME, b"").decode("latin-1").strip()
    return CallerId(
        number,
        name,
        _parse_absence(given[_NO_NUMBER]) if _NO_NUMBER in given and not number else None,
        _parse_absence(given[_NO_NAME]) if _NO_NAME in given and not name else None,
        _parse_time(given[_TIME]) if _TIME in given else None,
    )
