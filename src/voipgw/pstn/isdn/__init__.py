"""ISDN as pure machines: the data link (Q.921), messages (Q.931), calls and spans."""

from __future__ import annotations

from voipgw.pstn.isdn import q921, q931

__all__ = ["q921", "q931"]
