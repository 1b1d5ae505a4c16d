"""Digits in INFO bodies: application/dtmf-relay and application/dtmf, as the field uses them; no standard has them."""

from __future__ import annotations

_SYMBOLS = frozenset("0123456789*#ABCD!")
_NUMBERED = {"10": "*", "11": "#", "12": "A", "13": "B", "14": "C", "15": "D", "16": "!"}  # as RFC 4733 numbers events
_DEFAULT_MS = 100
_LONGEST_MS = 10_000


def read_info(content_type: str, body: bytes) -> tuple[str, int] | None:
    """Symbol (0-9 * # A-D, or ! for a hook flash) and duration in ms of a body; None when it tells of no digit.

    ``content_type`` is in lower case, without parameters. application/dtmf holds the symbol alone or, from some phones, the
    lines of application/dtmf-relay.
    """
    text = body[:256].decode("ascii", "replace").strip()
    named: dict[str, str] = {}
    for line in text.splitlines():
        name, equals, value = line.partition("=")
        if equals:
            named[name.strip().lower()] = value.strip()
    told = named.get("signal")
    if told is None and content_type == "application/dtmf":
        told = text
    symbol = _NUMBERED.get(told or "", (told or "").upper())
    if symbol not in _SYMBOLS or len(symbol) != 1:
        return None
    duration = named.get("duration", "")
    known = duration.isascii() and duration.isdigit() and len(duration) < 7
    return symbol, min(max(int(duration), 1), _LONGEST_MS) if known else _DEFAULT_MS


def write_info(symbol: str, duration_ms: int) -> bytes:
    """The application/dtmf-relay body for one digit."""
    return f"Signal={symbol}\r\nDuration={duration_ms}\r\n".encode()
