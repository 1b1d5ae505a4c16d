"""SDP: session descriptions (RFC 8866) and offer/answer (RFC 3264)."""

from __future__ import annotations

from voipgw.sdp.model import (
    Attribute,
    Connection,
    Direction,
    Format,
    MediaDescription,
    Origin,
    SessionDescription,
    Timing,
)
from voipgw.sdp.parser import Limits, parse

__all__ = [
    "Attribute",
    "Connection",
    "Direction",
    "Format",
    "Limits",
    "MediaDescription",
    "Origin",
    "SessionDescription",
    "Timing",
    "parse",
]
