"""Audio codecs: samples to payload octets and back, and what is played for a packet that never came."""

from __future__ import annotations

from voipgw.codecs.registry import ENCODINGS, Codec, Encoding, available, create

__all__ = ["ENCODINGS", "Codec", "Encoding", "available", "create"]
