"""The offer/answer model for one audio stream (RFC 3264, with the readings of RFC 6337).

A gateway leg has one audio stream. Whatever else the peer offers is refused, each ``m=`` line in its place. Descriptions
are values: ``make_offer`` and ``make_answer`` build ours, ``negotiate`` says what the exchanged pair means for one side.
What is not looked at here (crypto, candidates, feedback) passes as attributes and never disturbs.
"""

from __future__ import annotations

import enum
from collections.abc import Callable

import attrs

from voipgw.entropy import Entropy
from voipgw.errors import NegotiationError
from voipgw.sdp import parameters
from voipgw.sdp.model import (
    Attribute,
    Connection,
    Direction,
    Format,
    MediaDescription,
    Origin,
    SessionDescription,
    Timing,
    address_type,
)
from voipgw.sdp.payload_types import DYNAMIC, NUMBER_OF

TELEPHONE_EVENT = "telephone-event"
DIGITS = "0-16"  #: the events that we understand: DTMF and hook flash (RFC 4733 section 3.2)
_PREFERRED_EVENT_NUMBERS = {8000: 101, 48000: 110}  # what nearly everyone uses; some devices know no other


class Side(enum.Enum):
    """Which of the two a side was in an exchange."""

    OFFERER = "offerer"
    ANSWERER = "answerer"


class Preference(enum.Enum):
    """Whose order of codecs the answer follows."""

    THEIRS = "theirs"  #: the offerer's; what RFC 3264 section 6.1 recommends
    OURS = "ours"


@attrs.frozen
class LocalAudio:
    """Our end of the audio stream, as we want it to be described."""

    address: str  #: where we receive RTP, IPv4 or IPv6
    port: int
    formats: tuple[Format, ...]  #: codecs, best first; unnumbered ones get a number; telephone-event is not listed here
    events: str = DIGITS  #: RFC 4733 events that we understand, "" for none
    direction: Direction = Direction.SENDRECV  #: what we want; SENDONLY or INACTIVE holds the peer
    ptime_ms: int | None = 20  #: what we want to receive
    maxptime_ms: int | None = None
    rtcp_port: int | None = None  #: None: the next port (then no a=rtcp is needed)
    rtcp_mux: bool = False  #: whether RTCP may come to the RTP port
    protocols: tuple[str, ...] = ("RTP/AVP", "RTP/AVPF")  #: what we can do; the first is what we offer
    attributes: tuple[Attribute, ...] = ()  #: more attributes of the audio section


@attrs.frozen
class Agreement:
    """What an exchange means for one side of it."""

    index: int  #: which m= line carries the audio
    remote: tuple[str, int]  #: where our RTP goes
    remote_rtcp: tuple[str, int]  #: where our RTCP goes (RFC 3605, RFC 5761)
    codec: Format  #: what we send, numbered as the peer wants it
    receive_payload_type: int  #: the number that the same codec comes with
    receive_formats: tuple[Format, ...]  #: everything that may come, telephone-event not among it
    telephone_event: int | None  #: the number to send RFC 4733 events with, None: not negotiated
    receive_telephone_event: int | None  #: the number that events come with
    ptime_ms: int  #: length of the packets that we send
    direction: Direction  #: seen from this side
    rtcp_mux: bool
    protocol: str

    @property
    def held(self) -> bool:
        """Whether the peer does not want to hear us."""
        return not self.direction.sends


def new_origin(entropy: Entropy, address: str, username: str = "-") -> Origin:
    """A fresh ``o=`` line; the session id has 31 bits because some devices keep it in a signed word."""
    return Origin(str(entropy.bits(31)), "1", address, username, address_type(address))


def make_offer(ours: LocalAudio, *, origin: Origin, previous: SessionDescription | None = None) -> SessionDescription:
    """An offer of ``ours``.

    Args:
        ours: our end; every format in it is offered.
        origin: of the first description of this session (``new_origin``); the version of a later one is counted from
            ``previous``.
        previous: the description that we sent last in this session, for a re-offer: its ``m=`` lines keep their number
            and order and its payload numbers their meaning (RFC 3264 sections 8 and 8.3.2).
    """
    index = None if previous is None else _audio_index(previous)
    known = previous.media[index].audio_formats if previous is not None and index is not None else ()
    codecs = _number(ours.formats, known)
    events = _number_events(ours, codecs, known)
    section = _section(ours, ours.direction, (*codecs, *events), ours.protocols[0], ours.rtcp_mux)
    if previous is None:
        media: tuple[MediaDescription, ...] = (section,)
    else:
        media = tuple([section if at == index else _refused(old) for at, old in enumerate(previous.media)])
        if index is None:
            media = (*media, section)
    return _describe(ours, origin, media, previous)


def make_answer(
    offer: SessionDescription,
    ours: LocalAudio,
    *,
    origin: Origin,
    previous: SessionDescription | None = None,
    preference: Preference = Preference.THEIRS,
    single: bool = True,
    allow_none: bool = False,
    extend: Extend | None = None,
) -> SessionDescription:
    """The answer to ``offer`` that takes its first audio stream which has a codec in common with ``ours``.

    The answer uses the offerer's payload numbers, refuses every other stream, and takes a direction no wider than what
    both sides want (RFC 3264 section 6.1).

    Args:
        offer: the peer's description.
        ours: our end.
        origin: as in ``make_offer``.
        previous: the description that we sent last in this session; the stream that was in use is preferred.
        preference: whose order of codecs counts.
        single: answer with one codec only (and telephone-event), so that the peer cannot change codecs unannounced;
            False lists every common one.
        allow_none: answer an offer that has no audio stream at all, or only removed ones, instead of raising: third-party
            call control begins so (RFC 3725), and a stream may be taken away in mid-call (RFC 3264 section 8.2). Such an
            answer has ``audio_of(answer) is None``.
        extend: gives the further attributes with which an offered audio section is answered, such as keys, or None where that
            section is not to be taken.

    Raises:
        NegotiationError: no audio stream with a codec in common; the message says what was offered.
    """
    chosen = _choose(offer, ours, preference, None if previous is None else _audio_index(previous), extend)
    if chosen is None and allow_none and audio_of(offer) is None:
        return _describe(ours, origin, tuple([_refused(media) for media in offer.media]), previous, offer.times)
    if chosen is None:
        raise NegotiationError(f"no codec in common: offered {_summary(offer)}, ours {_names(ours.formats)}")
    index, codecs, more = chosen
    if more:
        ours = attrs.evolve(ours, attributes=(*ours.attributes, *more))
    theirs = offer.media[index]
    codecs = codecs[:1] if single else codecs
    direction = _meet(ours.direction, offer.direction_of(theirs).reverse())
    events = _common_events(ours, theirs, codecs)
    mux = ours.rtcp_mux and theirs.rtcp_mux
    section = _section(ours, direction, (*codecs, *events), theirs.protocol, mux)
    media = tuple([section if at == index else _refused(other) for at, other in enumerate(offer.media)])
    return _describe(ours, origin, media, previous, offer.times)


def negotiate(offer: SessionDescription, answer: SessionDescription, side: Side) -> Agreement:
    """What the exchange of ``offer`` and ``answer`` means for ``side``.

    The codec is the first of the answer that was offered. Each direction uses the numbers of the side that receives.

    Raises:
        NegotiationError: the answer accepts no audio stream, nothing that was offered, or names no address.
    """
    index, pairs = _accepted(offer, answer)
    local, remote = (offer, answer) if side is Side.OFFERER else (answer, offer)
    ours, theirs = local.media[index], remote.media[index]
    if side is Side.OFFERER:
        pairs = [(offered, answered) for answered, offered in pairs]
    receive, send = pairs[0]
    connection = remote.connection_of(theirs)
    if connection is None:
        raise NegotiationError("the peer's description has no c= line")
    local_direction, remote_direction = local.direction_of(ours), remote.direction_of(theirs)
    mux = ours.rtcp_mux and theirs.rtcp_mux
    return Agreement(
        index=index,
        remote=(connection.address, theirs.port),
        remote_rtcp=(connection.address, theirs.port) if mux else _rtcp_address(connection, theirs),
        codec=send,
        receive_payload_type=_numbered(receive),
        receive_formats=tuple([format_ for format_, _ in pairs]),
        telephone_event=_event_number(theirs, ours, send),
        receive_telephone_event=_event_number(ours, theirs, send),
        ptime_ms=_packet_time(ours, theirs),
        direction=_meet(local_direction, remote_direction.reverse()),
        rtcp_mux=mux,
        protocol=answer.media[index].protocol,
    )


def audio_of(description: SessionDescription) -> MediaDescription | None:
    """The first audio section whose port is not 0."""
    index = _audio_index(description)
    return None if index is None else description.media[index]


def codecs_of(media: MediaDescription) -> tuple[Format, ...]:
    """The codecs of an audio section, without telephone-event, CN and redundancy."""
    return tuple([format_ for format_ in media.audio_formats if format_.name.lower() not in _NOT_CODECS])


#: further attributes of the answer to an offered audio section; None refuses it
Extend = Callable[[MediaDescription], tuple[Attribute, ...] | None]
_NOT_CODECS = {TELEPHONE_EVENT, "cn", "red", "tone", "ulpfec", "parityfec", "flexfec"}


def _meet(one: Direction, other: Direction) -> Direction:
    """What both allow, seen from the same side."""
    return Direction.of(sends=one.sends and other.sends, receives=one.receives and other.receives)


def _audio_index(description: SessionDescription) -> int | None:
    for index, media in enumerate(description.media):
        if media.kind == "audio" and media.port != 0:
            return index
    return None


def _number(formats: tuple[Format, ...], known: tuple[Format, ...]) -> tuple[Format, ...]:
    """``formats`` with payload types: the own one, else that in ``known``, else the static one, else a free one.

    A number that an earlier format has taken is not used again.
    """
    reserved = {format_.payload_type for format_ in (*formats, *known)} | set(_PREFERRED_EVENT_NUMBERS.values())
    free = (number for number in DYNAMIC if number not in reserved)
    found: dict[int, Format] = {}
    for format_ in formats:
        name, rate, channels = format_.name, format_.clock_rate_hz, format_.channels
        wanted = [format_.payload_type]
        wanted += [k.payload_type for k in known if parameters.compatible(k, format_)]
        wanted.append(NUMBER_OF.get((name.lower(), rate, channels)))
        number = next((n for n in wanted if n is not None and n not in found), None)
        if number is None:
            number = next(free, None)
        if number is None:
            raise NegotiationError("more formats than there are dynamic payload types")
        found[number] = Format(name, rate, channels, number, format_.fmtp)
    return tuple(found.values())


def _number_events(ours: LocalAudio, codecs: tuple[Format, ...], known: tuple[Format, ...]) -> tuple[Format, ...]:
    """One telephone-event format for each clock rate of ``codecs`` (RFC 4733 section 2.1)."""
    if not ours.events:
        return ()
    taken = {format_.payload_type for format_ in codecs}
    found = []
    for rate in dict.fromkeys(codec.clock_rate_hz for codec in codecs):
        event = Format(TELEPHONE_EVENT, rate, 1, None, ours.events)
        wanted = [k.payload_type for k in known if k.same_encoding(event)]
        wanted += [_PREFERRED_EVENT_NUMBERS.get(rate), *DYNAMIC]
        number = next((n for n in wanted if n is not None and n not in taken), None)
        if number is not None:
            taken.add(number)
            found.append(Format(TELEPHONE_EVENT, rate, 1, number, ours.events))
    return tuple(found)


def _common_events(ours: LocalAudio, theirs: MediaDescription, codecs: tuple[Format, ...]) -> tuple[Format, ...]:
    if not ours.events:
        return ()
    rates = {codec.clock_rate_hz for codec in codecs}
    found = []
    for format_ in theirs.audio_formats:
        if format_.name.lower() == TELEPHONE_EVENT and format_.clock_rate_hz in rates:
            rates.discard(format_.clock_rate_hz)
            events = parameters.common_events(format_.fmtp, ours.events)
            if events:
                found.append(Format(TELEPHONE_EVENT, format_.clock_rate_hz, 1, format_.payload_type, events))
    return tuple(found)


def _section(
    ours: LocalAudio, direction: Direction, formats: tuple[Format, ...], protocol: str, mux: bool
) -> MediaDescription:
    texts = []
    for format_ in formats:
        texts.append(f"rtpmap:{format_.payload_type} {format_.rtpmap}")
        if format_.fmtp:
            texts.append(f"fmtp:{format_.payload_type} {format_.fmtp}")
    if ours.ptime_ms is not None:
        texts.append(f"ptime:{ours.ptime_ms}")
    if ours.maxptime_ms is not None:
        texts.append(f"maxptime:{ours.maxptime_ms}")
    texts.append(direction.value)
    if ours.rtcp_port is not None and ours.rtcp_port != ours.port + 1:
        texts.append(f"rtcp:{ours.rtcp_port}")
    if mux:
        texts.append("rtcp-mux")
    numbers = tuple([str(format_.payload_type) for format_ in formats])
    attributes = (*[Attribute.of(text) for text in texts], *ours.attributes)
    return MediaDescription("audio", ours.port, protocol, numbers, attributes=attributes)


def _refused(media: MediaDescription) -> MediaDescription:
    return MediaDescription(media.kind, 0, media.protocol, media.formats or ("0",))


def _describe(
    ours: LocalAudio,
    origin: Origin,
    media: tuple[MediaDescription, ...],
    previous: SessionDescription | None,
    times: tuple[Timing, ...] = (Timing(),),
) -> SessionDescription:
    """The description of ``media``; a later one of a session counts the version, unless nothing changed."""
    connection = Connection.to(ours.address)
    if previous is not None:
        if (previous.media, previous.connection, previous.times) == (media, connection, times):
            return previous
        version = previous.origin.session_version
        counted = str(int(version) + 1) if version.isascii() and version.isdigit() and len(version) <= 20 else "1"
        origin = attrs.evolve(previous.origin, session_version=counted)
    return SessionDescription(origin, connection=connection, times=times, media=media)


def _choose(
    offer: SessionDescription, ours: LocalAudio, preference: Preference, in_use: int | None, extend: Extend | None
) -> tuple[int, tuple[Format, ...], tuple[Attribute, ...]] | None:
    """The audio stream to accept, its common codecs, numbered as offered, and further attributes of the answer."""
    for index in sorted(range(len(offer.media)), key=lambda at: at != in_use):
        media = offer.media[index]
        if media.kind != "audio" or media.port == 0 or media.protocol not in ours.protocols:
            continue
        if media.attribute("rtcp-mux-only") is not None and not ours.rtcp_mux:  # RFC 8858 section 4
            continue
        if offer.connection_of(media) is None:
            continue
        common = _common(media, ours.formats, preference)
        more = extend(media) if common and extend is not None else ()
        if common and more is not None:
            return index, common, more
    return None


def _common(media: MediaDescription, formats: tuple[Format, ...], preference: Preference) -> tuple[Format, ...]:
    pairs = []
    for theirs in codecs_of(media):
        for rank, mine in enumerate(formats):
            if parameters.compatible(theirs, mine):
                pairs.append((rank, theirs, mine))
                break
    if preference is Preference.OURS:
        pairs.sort(key=lambda pair: pair[0])
    return tuple([_answered(theirs, mine) for _, theirs, mine in pairs])


def _answered(theirs: Format, mine: Format) -> Format:
    fmtp = parameters.answer(theirs, mine)
    if theirs.name == mine.name and theirs.fmtp == fmtp:
        return theirs
    return Format(mine.name, mine.clock_rate_hz, mine.channels, theirs.payload_type, fmtp)


def _accepted(offer: SessionDescription, answer: SessionDescription) -> tuple[int, list[tuple[Format, Format]]]:
    """The stream that the answer takes, and the codecs of answer and offer in it."""
    for index, (offered, answered) in enumerate(zip(offer.media, answer.media, strict=False)):
        if offered.kind == answered.kind == "audio" and offered.port != 0 and answered.port != 0:
            pairs = _pairs(answered, offered)
            if pairs:
                return index, pairs
    raise NegotiationError(f"the answer takes no codec of the offer: answered {_summary(answer)}")


def _pairs(first: MediaDescription, second: MediaDescription) -> list[tuple[Format, Format]]:
    """The codecs that both list, in the order of ``first``: by number where that fits, else by encoding."""
    found = []
    others = codecs_of(second)
    for one in codecs_of(first):
        matches = [other for other in others if parameters.compatible(one, other)]
        if matches:
            found.append((one, next((m for m in matches if m.payload_type == one.payload_type), matches[0])))
    return found


def _event_number(media: MediaDescription, other: MediaDescription, codec: Format) -> int | None:
    """The number under which ``media`` wants events, if both sides know them at the codec's clock rate."""

    def number(section: MediaDescription) -> int | None:
        for format_ in section.audio_formats:
            if format_.name.lower() == TELEPHONE_EVENT and format_.clock_rate_hz == codec.clock_rate_hz:
                return format_.payload_type
        return None

    return number(media) if number(other) is not None else None


def _rtcp_address(connection: Connection, media: MediaDescription) -> tuple[str, int]:
    words = (media.attribute("rtcp") or "").split()
    if words and words[0].isascii() and words[0].isdigit() and len(words[0]) <= 5 and 0 < int(words[0]) < 65536:
        return (words[3] if len(words) == 4 else connection.address, int(words[0]))
    return (connection.address, media.port + 1)


def _packet_time(ours: MediaDescription, theirs: MediaDescription) -> int:
    """What the peer asked for, else what we would like ourselves, never more than the peer takes."""
    wanted = theirs.ptime_ms or ours.ptime_ms or 20
    return min(wanted, theirs.maxptime_ms or wanted)


def _numbered(format_: Format) -> int:
    assert format_.payload_type is not None  # every format of a parsed section has one
    return format_.payload_type


def _names(formats: tuple[Format, ...]) -> str:
    return " ".join([format_.rtpmap for format_ in formats]) or "nothing"


def _summary(description: SessionDescription) -> str:
    parts = [f"{m.kind}({_names(m.audio_formats) if m.kind == 'audio' else m.protocol})" for m in description.media]
    return ", ".join(parts)[:400] or "no media"
