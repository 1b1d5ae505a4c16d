"""Packets protected and back, for programs that have them in Python; calls use the same C code inside the media engine."""

from __future__ import annotations

from typing import NoReturn

from voipgw._native import srtp as native
from voipgw.errors import AuthenticationError, LocalProtocolError, ParseError, ReplayError, ResourceError
from voipgw.srtp.keys import MasterKey, Profile, SessionKeys


class Context:
    """One master key, with the rollover counter and the replay window of every SSRC that it is used with (RFC 3711).

    ``protect`` and ``unprotect`` count apart, so that both ends of a test may be one context; two parties have a key for
    each direction. A packet that is refused moves nothing.

    Args:
        profile: a name of ``voipgw.srtp.PROFILES``.
        key: the master key.
        salt: the master salt.
        streams: how many SSRCs there may be, those sent and those received together.

    Raises:
        ConfigurationError: no such profile, or a key or salt of another length than it has.
    """

    __slots__ = ("_transform", "profile")

    def __init__(self, profile: str, key: bytes, salt: bytes, *, streams: int = 64) -> None:
        master = MasterKey(profile, key, salt)
        number = Profile.of(profile).number
        self.profile = profile
        self._transform = native.Transform(
            number, native.SessionKeys.derive(number, master.key, master.salt), min(max(streams, 1), 65536)
        )

    @classmethod
    def of_session_keys(cls, profile: str, rtp: SessionKeys, rtcp: SessionKeys, *, streams: int = 64) -> Context:
        """A context whose session keys are given, as the test vectors of RFC 7714 do.

        Raises:
            ConfigurationError: no such profile, or a key or salt of another length than it has.
        """
        for keys in (rtp, rtcp):
            MasterKey(profile, keys.cipher, keys.salt)
        number = Profile.of(profile).number
        session = native.SessionKeys((rtp.cipher, rtcp.cipher), (rtp.auth[:20], rtcp.auth[:20]), (rtp.salt, rtcp.salt))
        context = cls.__new__(cls)
        context.profile = profile
        context._transform = native.Transform(number, session, streams)
        return context

    def protect(self, rtp: bytes) -> bytes:
        """The SRTP packet of an RTP packet.

        Raises:
            ParseError: not an RTP packet.
            ReplayError: an index that has been protected already, or is more than 127 behind the newest.
            LocalProtocolError: the key has been used for 2^48 packets of this SSRC.
            ResourceError: one SSRC more than the context has room for.
        """
        return self._done(self._transform.protect(rtp), "RTP")

    def unprotect(self, srtp: bytes) -> bytes:
        """The RTP packet of an SRTP packet.

        Raises:
            ParseError: not an SRTP packet.
            AuthenticationError: its tag is wrong.
            ReplayError: it has been, or is more than 127 behind the newest.
            ResourceError: one SSRC more than the context has room for.
        """
        return self._done(self._transform.unprotect(srtp), "SRTP")

    def protect_rtcp(self, rtcp: bytes) -> bytes:
        """The SRTCP packet of a compound RTCP packet; raises as ``protect`` does, the key ends after 2^31 packets."""
        return self._done(self._transform.protect(rtcp, rtcp=True), "RTCP")

    def unprotect_rtcp(self, srtcp: bytes) -> bytes:
        """The compound RTCP packet of an SRTCP packet; raises as ``unprotect`` does."""
        return self._done(self._transform.unprotect(srtcp, rtcp=True), "SRTCP")

    def inherit(self, old: Context) -> None:
        """Go on where ``old`` stands, after a change of the master key (RFC 3711 section 3.3.1).

        Its rollover counters are kept; a peer that begins anew with zero is understood as well.

        Raises:
            ResourceError: ``old`` has more SSRCs than there is room for.
        """
        if self._transform.inherit(old._transform) != native.OK:
            raise ResourceError("SRTP: more SSRCs than the context has room for")

    def index(self, ssrc: int, *, sent: bool, rtcp: bool = False) -> int | None:
        """The newest packet index (48 bits, the rollover counter above 16; of RTCP 31) of an SSRC; None before the first."""
        return self._transform.index(ssrc, sent=sent, rtcp=rtcp)

    def set_index(self, ssrc: int, index: int, *, sent: bool, rtcp: bool = False) -> None:
        """Set it, for who joins a stream that has rolled over already.

        Raises:
            LocalProtocolError: it has more bits than an index.
        """
        if self._transform.set_index(ssrc, index, sent=sent, rtcp=rtcp) != native.OK:
            raise LocalProtocolError(f"SRTP: {index} is not an index, or there is no room for another SSRC")

    @staticmethod
    def _done(result: tuple[int, bytes], kind: str) -> bytes:
        status, packet = result
        if status != native.OK:
            _refuse(status, kind)
        return packet


def _refuse(status: int, kind: str) -> NoReturn:
    if status == native.AUTH:
        raise AuthenticationError(f"{kind}: the authentication tag is wrong")
    if status == native.REPLAY:
        raise ReplayError(f"{kind}: a packet that has been, or is too old to tell")
    if status == native.FULL:
        raise ResourceError(f"{kind}: more SSRCs than the context has room for")
    if status == native.LIMIT:
        raise LocalProtocolError(f"{kind}: the key has been used for as many packets as it may be")
    raise ParseError(f"{kind}: {'the packet is too short' if status == native.TRUNCATED else 'not such a packet'}")
