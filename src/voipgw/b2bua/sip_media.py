"""The media of one SIP leg: its offers and answers, and the RTP stream that they describe (RFC 3264 over a media plane)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import attrs

from voipgw import sdp
from voipgw.b2bua.sip_keys import CLEAR, SECURE, Sdes, SrtpPolicy, taken_keys, usable_audio
from voipgw.call.model import PCMA, PCMU, Codec, Direction, Media
from voipgw.entropy import Entropy
from voipgw.errors import LocalProtocolError, NegotiationError, ParseError
from voipgw.media.plane import MediaPlane, RtpStream
from voipgw.sdp.offer_answer import (
    DIGITS,
    TELEPHONE_EVENT,
    Agreement,
    LocalAudio,
    Preference,
    Side,
    audio_of,
    codecs_of,
    make_answer,
    make_offer,
    negotiate,
    new_origin,
)
from voipgw.srtp.keys import KeyPair


@attrs.frozen
class SipMediaSettings:
    """What the media of all legs of one trunk have in common."""

    host: str  #: local address for RTP
    advertised_host: str = ""  #: the address that descriptions name; "" is ``host``
    codecs: tuple[Codec, ...] = (PCMU, PCMA)  #: what we can do, best first; telephone-event is not listed
    events: bool = True  #: offer and take RFC 4733 digits
    ptime_ms: int = 20
    g726_aal2: bool = False  #: peers pack "G726-32" and its like as I.366.2 does, against RFC 3551
    srtp: SrtpPolicy = SrtpPolicy.OFF
    keys_may_pass: bool = True  #: keys in descriptions are allowed: over TLS, or since clear text was asked for
    keys_in_clear: bool = False  #: clear text was asked for


class SipMedia:
    """Offers, answers and the stream of one leg. Mutable, owned by its leg.

    What the other leg wants of the direction (hold) enters by ``direction``; what the peer wants is in the ``Media`` that
    each exchange returns.
    """

    __slots__ = (
        "_entropy",
        "_events",
        "_keying",
        "_keys",
        "_last",
        "_offer",
        "_ours",
        "_plane",
        "_settings",
        "_taken",
        "agreement",
        "direction",
        "signalling",
        "stream",
    )

    def __init__(self, settings: SipMediaSettings, plane: MediaPlane, entropy: Entropy, *, events: bool = True) -> None:
        self._settings = settings
        self._events = events
        self._plane = plane
        self._entropy = entropy
        self.stream: RtpStream | None = None  #: stays after ``close``, for its statistics
        self.agreement: Agreement | None = None  #: of the last complete exchange
        self.direction = Direction.SENDRECV  #: what we want, seen from us
        self.signalling: str | None = None  #: the IP address that the peer's signalling comes from, where it is known
        self._ours: sdp.SessionDescription | None = None  # the last description that we sent
        self._offer: sdp.SessionDescription | None = None  # the peer's, which waits for our answer
        self._last: Media | None = None
        self._taken: tuple[bytes, Media] | None = None  # the last answer, and what it says
        self._keying = Sdes(entropy, settings.keys_may_pass) if settings.srtp is SrtpPolicy.SDES else None
        self._keys: KeyPair | None = None  # of the stream as it runs

    @property
    def receiving(self) -> bool:
        """Whether the peer is to send us media now."""
        return self.agreement is not None and self.agreement.direction.receives

    @property
    def last(self) -> Media | None:
        """What the peer said in its last answer or offer, once an exchange is complete."""
        return self._last if self.agreement is not None else None

    @property
    def codec(self) -> Codec | None:
        """The codec in use, None before the first complete exchange."""
        if self.agreement is None:
            return None
        used = self.agreement.codec
        return Codec(used.name, used.clock_rate_hz, used.channels, None, used.fmtp)

    def signalled(self, *, answers: bool | None = None, offers: bool | None = None) -> None:
        """Whether the responses (``answers``) and requests (``offers``) of this leg go over TLS from now on."""
        keying, clear = self._keying, self._settings.keys_in_clear
        if keying is not None and answers is not None:
            keying.may_answer = answers or clear
        if keying is not None and offers is not None:
            keying.may_offer = offers or clear

    def take_offer(self, body: bytes) -> Media:
        """Read the peer's offer.

        Raises:
            ParseError: ``body`` is no session description.
            NegotiationError: none of its codecs is ours, its address is a host name, it is in clear where SRTP is wanted or the
                other way round, or it has streams but no audio (an offer of T.38, for one). An offer in mid-call that takes
                every stream away is taken: third-party call control does that.
        """
        offer = sdp.parse(body)
        audio = usable_audio(offer, self._keying)
        media = _media_of(offer, audio, body)
        if audio is not None and not any(
            ours.same_format(theirs) for theirs in media.codecs for ours in self._settings.codecs
        ):
            raise NegotiationError(
                f"no codec in common: offered {_names(media.codecs)}, ours {_names(self._settings.codecs)}"
            )
        if audio is None and (self._ours is None or any(section.port for section in offer.media)):
            raise NegotiationError("no audio stream is offered")
        if audio is not None:
            _check_address(offer, audio)
        self._offer, self._last = offer, media
        return media

    def answer(self, prefer: Sequence[Codec] = ()) -> bytes:
        """Our answer to the offer taken last, and the stream started accordingly; codecs of ``prefer`` come first.

        Raises:
            NegotiationError: no codec in common.
            ResourceError: no port is left.
        """
        offer = self._offer
        if offer is None:
            raise LocalProtocolError("there is no offer to answer")
        wanted = _ordered(self._settings.codecs, prefer)
        ours = make_answer(
            offer,
            self._local(wanted),
            origin=self._origin(),
            previous=self._ours,
            preference=Preference.OURS if prefer else Preference.THEIRS,
            allow_none=self._ours is not None,
            extend=None if self._keying is None else self._keying.extend,
        )
        self._offer, self._ours = None, ours
        if audio_of(ours) is not None:
            agreed = negotiate(offer, ours, Side.ANSWERER)
            keys = None if self._keying is None else self._keying.answered(offer.media[agreed.index])
            self._start(agreed, keys)
        elif self.agreement is not None:
            self._start(attrs.evolve(self.agreement, direction=sdp.Direction.INACTIVE), self._keys)
        return bytes(ours)

    def offer(self, codecs: Sequence[Codec] = ()) -> bytes:
        """Our offer: of ``codecs``, or of all that we can do. Opens the stream where there is none yet.

        Raises:
            NegotiationError: it would have keys in it, and the signalling is in clear.
            ResourceError: no port is left.
        """
        attributes = () if self._keying is None else self._keying.offer()
        local = attrs.evolve(self._local(tuple(codecs) or self._settings.codecs), attributes=attributes)
        self._ours = make_offer(local, origin=self._origin(), previous=self._ours)
        return bytes(self._ours)

    def take_answer(self, body: bytes) -> Media:
        """Read the peer's answer to our offer, and start the stream accordingly. The same answer again changes nothing.

        Raises:
            ParseError: ``body`` is no session description.
            NegotiationError: it takes nothing of what we offered, its address is a host name, or its keys do not match.
        """
        if self._ours is None:
            raise LocalProtocolError("an answer without our offer")
        if self._taken is not None and body == self._taken[0]:
            return self._taken[1]
        answer = sdp.parse(body)
        audio = audio_of(answer)
        if audio is not None:
            _check_address(answer, audio)
        agreed = negotiate(self._ours, answer, Side.OFFERER)
        self._start(agreed, taken_keys(self._keying, self._ours.media[agreed.index], answer.media[agreed.index]))
        media = _media_of(answer, audio, body)
        self._taken, self._last = (body, media), media
        return media

    def wish(self, answered: Media) -> Media:
        """What the peer wants that answered an offer which it had asked for: what our offer excluded, it may want all the same."""
        ours, theirs = _to_sdp(self.direction), _to_sdp(answered.direction)
        wanted = sdp.Direction.of(sends=theirs.sends or not ours.receives, receives=theirs.receives or not ours.sends)
        return attrs.evolve(answered, direction=Direction(wanted.value))

    def reoffer(self) -> bytes:
        """The offer of a re-INVITE: the codec in use first, in the direction that is wanted now."""
        self._taken = None
        kept = self.codec
        if kept is None:
            return self.offer()
        return self.offer((kept, *(one for one in self._settings.codecs if not one.same_format(kept))))

    def close(self) -> None:
        """Close the stream; its statistics can still be read."""
        if self.stream is not None:
            self.stream.close()

    def _local(self, codecs: Sequence[Codec]) -> LocalAudio:
        if self.stream is None:
            self.stream = self._plane.open_rtp(self._settings.host)
        address, port = self.stream.local
        return LocalAudio(
            address=self._settings.advertised_host or address,
            port=port,
            formats=tuple([sdp.Format(c.name, c.clock_rate_hz, c.channels, c.payload_type, c.fmtp) for c in codecs]),
            events=DIGITS if self._events else "",
            direction=_to_sdp(self.direction),
            ptime_ms=self._settings.ptime_ms,
            protocols=CLEAR if self._keying is None else SECURE,
        )

    def _origin(self) -> sdp.Origin:
        if self._ours is not None:
            return self._ours.origin
        address = self._settings.advertised_host or self._settings.host
        return new_origin(self._entropy, address)

    def _seen_from(self, media_host: str) -> str | None:
        """The signalling address for the plane; None where the peer names a neighbour of its own in one private network.

        There the description is believed: a PBX that lets its telephones send media themselves, without any NAT.
        """
        block = _private_block(media_host)
        if self.signalling is None or not block or _private_block(self.signalling) == block:
            return None
        return self.signalling

    def _packed(self, name: str) -> str:
        """The encoding that is sent and received under this name."""
        return f"AAL2-{name}" if self._settings.g726_aal2 and name.upper().startswith("G726-") else name

    def _start(self, agreed: Agreement, keys: KeyPair | None) -> None:
        """Let packets flow as agreed; nothing is done where an exchange changed nothing."""
        stream = self.stream
        if stream is None or (agreed, keys) == (self.agreement, self._keys):
            return
        first = self.agreement is None
        self.agreement, self._keys = agreed, keys
        codec = agreed.codec
        stream.start(
            agreed.remote,
            Codec(self._packed(codec.name), codec.clock_rate_hz, codec.channels, codec.payload_type, codec.fmtp),
            receive_payload_type=agreed.receive_payload_type,
            telephone_event=agreed.telephone_event,
            receive_telephone_event=agreed.receive_telephone_event,
            ptime_ms=agreed.ptime_ms,
            direction=Direction(agreed.direction.value),
            signalling=self._seen_from(agreed.remote[0]),
            srtp=keys,
        )
        if first:
            stream.detect_digits(True)


def _private_block(address: str) -> str:
    """Which private network of RFC 1918, 4193, 6598, loopback or link-local ``address`` is in; "" for a public one."""
    if ":" in address:
        low = address.lower()
        return "::1" if low == "::1" else next((block for block in ("fc", "fd", "fe8") if low.startswith(block)), "")
    first, _, rest = address.partition(".")
    second = rest.partition(".")[0]
    if first in ("10", "127"):
        return first
    if first == "172" and second.isdigit() and 16 <= int(second) < 32:
        return "172.16"
    if first == "100" and second.isdigit() and 64 <= int(second) < 128:
        return "100.64"
    return f"{first}.{second}" if (first, second) in (("192", "168"), ("169", "254")) else ""


def is_numeric(host: str) -> bool:
    """Whether ``host`` is an IPv4 or IPv6 address and not a name."""
    if ":" in host:
        return all(octet in "0123456789abcdefABCDEF:." for octet in host)
    parts = host.split(".")
    return len(parts) == 4 and all(part.isascii() and part.isdigit() and int(part) < 256 for part in parts)


def _check_address(description: sdp.SessionDescription, audio: sdp.MediaDescription) -> None:
    """Refuse a host name in a c= line: finding out what it means would hold up the call, and media with it."""
    connection = description.connection_of(audio)
    if audio.port and connection is None:
        raise ParseError("no c= line says where the audio is to be sent (RFC 8866 section 5.7)")
    if audio.port and connection is not None and not is_numeric(connection.address):
        raise NegotiationError(
            f"media cannot be sent to the host name {connection.address!r}, only to a numeric address"
        )


def _media_of(description: sdp.SessionDescription, audio: sdp.MediaDescription | None, body: bytes) -> Media:
    if audio is None:
        return Media(direction=Direction.INACTIVE, sdp=body)
    codecs = tuple([Codec(f.name, f.clock_rate_hz, f.channels, f.payload_type, f.fmtp) for f in codecs_of(audio)])
    events = any(format_.name.lower() == TELEPHONE_EVENT for format_ in audio.audio_formats)
    return Media(codecs, events, Direction(description.direction_of(audio).value), body)


def _ordered(codecs: Sequence[Codec], first: Iterable[Codec]) -> tuple[Codec, ...]:
    """``codecs``, those that equal one of ``first`` in front, in the order of ``first``."""
    front = [ours for wanted in first for ours in codecs if ours.same_format(wanted)]
    return tuple(dict.fromkeys([*front, *codecs]))


def offered_onward(caller: Sequence[Codec], own: Sequence[Codec], names: Sequence[str]) -> tuple[Codec, ...]:
    """What an outgoing leg offers for a caller that can do ``caller``.

    ``names`` of a route decide alone, in their order; else everything of ``own`` is offered, what the caller can do in
    front in the order of ``own``, so that the sound need not be converted where that can be had.

    Raises:
        NegotiationError: the route names only codecs that neither we nor the caller can do.
    """
    if not names:
        return tuple(sorted(own, key=lambda codec: not any(codec.same_format(theirs) for theirs in caller)))
    known = {codec.name.lower(): codec for codec in own}
    found = [known[name.lower()] for name in names if name.lower() in known]
    if not found:
        raise NegotiationError(f"the route wants {', '.join(names)}, which is not among {_names(own)}")
    return tuple(found)


def _to_sdp(direction: Direction) -> sdp.Direction:
    return sdp.Direction(direction.value)


def _names(codecs: Sequence[Codec]) -> str:
    return " ".join([codec.name for codec in codecs]) or "nothing"
