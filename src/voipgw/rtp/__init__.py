"""RTP and RTCP formats and arithmetic (RFC 3550), telephone events (RFC 4733)."""

from __future__ import annotations

from voipgw.rtp.packet import Extension, Packet

__all__ = ["Extension", "Packet"]
