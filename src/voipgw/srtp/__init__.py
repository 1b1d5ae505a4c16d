"""SRTP and SRTCP (RFC 3711, 6188, 7714), and their keys in session descriptions (RFC 4568)."""

from __future__ import annotations

from voipgw.srtp.context import Context
from voipgw.srtp.keys import PROFILES, KeyPair, MasterKey, Profile, SessionKeys

__all__ = ["PROFILES", "Context", "KeyPair", "MasterKey", "Profile", "SessionKeys"]
