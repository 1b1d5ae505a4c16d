"""The values of a session description (RFC 8866). Fields that a gateway never computes with are kept as their text."""

from __future__ import annotations

import enum
from functools import lru_cache

import attrs

from voipgw.errors import LocalProtocolError
from voipgw.sdp.payload_types import STATIC


class Direction(enum.Enum):
    """Which way media flows, seen from the side that says it (RFC 8866 section 6.7)."""

    SENDRECV = "sendrecv"
    SENDONLY = "sendonly"
    RECVONLY = "recvonly"
    INACTIVE = "inactive"

    @property
    def sends(self) -> bool:
        """Whether the side that says it sends media."""
        return self is Direction.SENDRECV or self is Direction.SENDONLY

    @property
    def receives(self) -> bool:
        """Whether the side that says it wants media."""
        return self is Direction.SENDRECV or self is Direction.RECVONLY

    @classmethod
    def of(cls, *, sends: bool, receives: bool) -> Direction:
        """The direction with these two properties."""
        if sends:
            return cls.SENDRECV if receives else cls.SENDONLY
        return cls.RECVONLY if receives else cls.INACTIVE

    def reverse(self) -> Direction:
        """The same flow seen from the other side."""
        return Direction.of(sends=self.receives, receives=self.sends)


_DIRECTIONS = {direction.value: direction for direction in Direction}


@attrs.frozen
class Attribute:
    """An ``a=`` line: a property (``value`` None) or a name and a value (section 5.13)."""

    name: str
    value: str | None = None

    def __str__(self) -> str:
        return self.name if self.value is None else f"{self.name}:{self.value}"

    @classmethod
    def of(cls, text: str) -> Attribute:
        """The attribute that ``text``, without ``a=``, spells; those that every description repeats are shared objects."""
        return _shared_attribute(text) if len(text) < 64 and text.startswith(_SHARED) else _new_attribute(text)


# Values that calls have in common; never keys, candidates or fingerprints.
_SHARED = ("rtpmap:", "fmtp:", "ptime:", "maxptime:", "sendrecv", "sendonly", "recvonly", "inactive", "rtcp-mux")


def _new_attribute(text: str) -> Attribute:
    name, colon, value = text.partition(":")
    return Attribute(name.rstrip(), value if colon else None)


_shared_attribute = lru_cache(512)(_new_attribute)


@attrs.frozen
class Connection:
    """A ``c=`` line: where media is to be sent (section 5.7)."""

    address: str  #: IP address or host name, without TTL and count
    suffix: str = ""  #: what follows the address, e.g. "/127/3" of a multicast group
    address_type: str = "IP4"
    network: str = "IN"

    @classmethod
    def to(cls, address: str) -> Connection:
        """The connection to an IPv4 or IPv6 ``address``."""
        return cls(address, address_type=address_type(address))

    @property
    def is_null(self) -> bool:
        """Whether it is the unspecified address, the old way to say hold (RFC 3264 section 8.4)."""
        return self.address == "0.0.0.0" or (self.address_type == "IP6" and set(self.address) <= {"0", ":"})

    def __str__(self) -> str:
        return f"{self.network} {self.address_type} {self.address}{self.suffix}"


@attrs.frozen
class Origin:
    """An ``o=`` line: who made the description, and which version of it this is (section 5.2)."""

    session_id: str
    session_version: str = "1"
    address: str = "0.0.0.0"
    username: str = "-"
    address_type: str = "IP4"
    network: str = "IN"

    def __str__(self) -> str:
        return f"{self.username} {self.session_id} {self.session_version} {self.network} {self.address_type} {self.address}"


@attrs.frozen
class Timing:
    """A ``t=`` line and its ``r=`` lines (sections 5.9 and 5.10); zero twice is "now, without end"."""

    start: int = 0
    stop: int = 0
    repeats: tuple[str, ...] = ()


@attrs.frozen
class Format:
    """An audio format of an ``m=`` line, with what rtpmap and fmtp, or RFC 3551, say of it."""

    name: str  #: encoding name, e.g. "PCMU"; compares without case (section 6.6)
    clock_rate_hz: int = 8000  #: RTP clock
    channels: int = 1
    payload_type: int | None = None  #: None where it has not been numbered yet
    fmtp: str = ""  #: format parameters as written

    def same_encoding(self, other: Format) -> bool:
        """Whether name, clock rate and channels agree; parameters are looked at by offer and answer."""
        return (
            self.clock_rate_hz == other.clock_rate_hz
            and self.channels == other.channels
            and self.name.lower() == other.name.lower()
        )

    @property
    def rtpmap(self) -> str:
        """The rtpmap value without the number, e.g. ``opus/48000/2``."""
        tail = f"/{self.channels}" if self.channels != 1 else ""
        return f"{self.name}/{self.clock_rate_hz}{tail}"

    @property
    def parameters(self) -> dict[str, str]:
        """``fmtp`` split at semicolons; names in lower case, a parameter without ``=`` has the value ""."""
        pairs = (part.strip().partition("=") for part in self.fmtp.split(";"))
        return {name.strip().lower(): value.strip() for name, _, value in pairs if name.strip()}


@attrs.frozen
class MediaDescription:
    """An ``m=`` line and what belongs to it (section 5.14)."""

    kind: str  #: audio, video, image, application, ...
    port: int  #: 0: refused or removed (RFC 3264 sections 6 and 8.2)
    protocol: str = "RTP/AVP"
    formats: tuple[str, ...] = ()
    port_count: int = 1
    title: str | None = None
    connections: tuple[Connection, ...] = ()
    bandwidths: tuple[str, ...] = ()
    key: str | None = None
    attributes: tuple[Attribute, ...] = ()
    _audio_formats: tuple[Format, ...] | None = attrs.field(default=None, init=False, eq=False, repr=False)

    def attribute(self, name: str) -> str | None:
        """The value of the first attribute ``name``, "" for a property, None when it is not there."""
        return _attribute(self.attributes, name)

    def values(self, name: str) -> tuple[str, ...]:
        """The values of every attribute ``name``, in order."""
        return tuple(a.value or "" for a in self.attributes if a.name == name)

    @property
    def direction(self) -> Direction | None:
        """What this media section itself says; None leaves it to the session level (``SessionDescription.direction_of``)."""
        return _direction(self.attributes)

    @property
    def audio_formats(self) -> tuple[Format, ...]:
        """The formats in the order of the ``m=`` line, telephone-event and CN among them.

        A number that neither an rtpmap nor RFC 3551 explains, or whose rtpmap makes no sense, is left out.
        """
        if self._audio_formats is None:
            object.__setattr__(self, "_audio_formats", self._read_audio_formats())
        return self._audio_formats or ()

    def _read_audio_formats(self) -> tuple[Format, ...]:
        rtpmaps = _numbered(self.values("rtpmap"))
        fmtps = _numbered(self.values("fmtp"))
        found = []
        for text in dict.fromkeys(self.formats):
            if text.isascii() and text.isdigit() and len(text) <= 3:
                number = int(text)
                rtpmap, fmtp = rtpmaps.get(number), fmtps.get(number, "")
                short = len(fmtp) < 64 and (rtpmap is None or len(rtpmap) < 64)
                format_ = _shared_format(number, rtpmap, fmtp) if short else _new_format(number, rtpmap, fmtp)
                if format_ is not None:
                    found.append(format_)
        return tuple(found)

    @property
    def ptime_ms(self) -> int | None:
        """The packet time that this side wants to receive (section 6.4); None when not said or not sensible."""
        return _milliseconds(self.attribute("ptime"))

    @property
    def maxptime_ms(self) -> int | None:
        """The longest packet time that this side takes (section 6.5)."""
        return _milliseconds(self.attribute("maxptime"))

    @property
    def rtcp_mux(self) -> bool:
        """Whether RTCP comes to the RTP port (RFC 5761)."""
        return self.attribute("rtcp-mux") is not None

    def lines(self) -> list[str]:
        """The section's lines without line ends."""
        count = f"/{self.port_count}" if self.port_count != 1 else ""
        lines = [" ".join([f"m={self.kind} {self.port}{count} {self.protocol}", *self.formats])]
        if self.title is not None:
            lines.append(f"i={self.title}")
        lines += [f"c={connection}" for connection in self.connections]
        lines += [f"b={bandwidth}" for bandwidth in self.bandwidths]
        if self.key is not None:
            lines.append(f"k={self.key}")
        lines += [f"a={attribute}" for attribute in self.attributes]
        return lines


@attrs.frozen
class SessionDescription:
    """A whole description. ``str`` and ``bytes`` give the wire form; lines come in the order that section 5 prescribes."""

    origin: Origin
    name: str = "-"
    information: str | None = None
    uri: str | None = None
    emails: tuple[str, ...] = ()
    phones: tuple[str, ...] = ()
    connection: Connection | None = None
    bandwidths: tuple[str, ...] = ()
    times: tuple[Timing, ...] = (Timing(),)
    zone: str | None = None
    key: str | None = None
    attributes: tuple[Attribute, ...] = ()
    media: tuple[MediaDescription, ...] = ()

    def attribute(self, name: str) -> str | None:
        """The value of the first session-level attribute ``name``, "" for a property, None when it is not there."""
        return _attribute(self.attributes, name)

    def connection_of(self, media: MediaDescription) -> Connection | None:
        """Where ``media`` is to be sent: its own ``c=`` line, else the session's."""
        return media.connections[0] if media.connections else self.connection

    def direction_of(self, media: MediaDescription) -> Direction:
        """The direction of ``media``: its own, else the session's, else sendrecv; the null address takes the receiving away.

        A description with ``c=`` 0.0.0.0 asks for silence towards its maker (RFC 3264 section 8.4, RFC 6337 section 5.3).
        """
        said = media.direction or _direction(self.attributes) or Direction.SENDRECV
        connection = self.connection_of(media)
        if connection is not None and connection.is_null:
            return Direction.of(sends=said.sends, receives=False)
        return said

    def __str__(self) -> str:
        lines = ["v=0", f"o={self.origin}", f"s={self.name}"]
        optional = (("i", self.information), ("u", self.uri))
        lines += [f"{letter}={text}" for letter, text in optional if text is not None]
        lines += [f"e={email}" for email in self.emails]
        lines += [f"p={phone}" for phone in self.phones]
        if self.connection is not None:
            lines.append(f"c={self.connection}")
        lines += [f"b={bandwidth}" for bandwidth in self.bandwidths]
        for timing in self.times:
            lines.append(f"t={timing.start} {timing.stop}")
            lines += [f"r={repeat}" for repeat in timing.repeats]
        lines += [f"{letter}={text}" for letter, text in (("z", self.zone), ("k", self.key)) if text is not None]
        lines += [f"a={attribute}" for attribute in self.attributes]
        for media in self.media:
            lines += media.lines()
        text = "\r\n".join(lines) + "\r\n"
        if text.count("\n") != len(lines) or text.count("\r") != len(lines):
            raise LocalProtocolError("a value of a session description contains a line end")
        return text

    def __bytes__(self) -> bytes:
        return str(self).encode("utf-8", "surrogateescape")


def address_type(address: str) -> str:
    """``IP6`` for an address with a colon, else ``IP4``."""
    return "IP6" if ":" in address else "IP4"


def _attribute(attributes: tuple[Attribute, ...], name: str) -> str | None:
    for attribute in attributes:
        if attribute.name == name:
            return attribute.value or ""
    return None


def _direction(attributes: tuple[Attribute, ...]) -> Direction | None:
    for attribute in attributes:
        if attribute.value is None and attribute.name in _DIRECTIONS:
            return _DIRECTIONS[attribute.name]
    return None


def _numbered(values: tuple[str, ...]) -> dict[int, str]:
    found: dict[int, str] = {}
    for value in values:
        number, _, rest = value.strip().partition(" ")
        if number.isascii() and number.isdigit() and len(number) <= 3:
            found.setdefault(int(number), rest.strip())
    return found


def _new_format(number: int, rtpmap: str | None, fmtp: str) -> Format | None:
    encoding = STATIC.get(number) if rtpmap is None else _encoding(rtpmap)
    return None if encoding is None or number > 127 else Format(*encoding, number, fmtp)


_shared_format = lru_cache(512)(_new_format)


def _encoding(rtpmap: str) -> tuple[str, int, int] | None:
    name, _, tail = rtpmap.partition("/")
    rate, _, channels = tail.partition("/")
    rate, channels = rate.strip(), channels.strip() or "1"
    if not (rate.isascii() and rate.isdigit() and len(rate) <= 7 and name):
        return None
    if not (channels.isascii() and channels.isdigit() and len(channels) <= 2):
        channels = "1"  # parameters of other media in this place (RFC 8866 section 6.6)
    if int(rate) == 0 or int(channels) == 0:
        return None
    return name.strip(), int(rate), int(channels)


def _milliseconds(text: str | None) -> int | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return int(value) if 1 <= value <= 1000 else None
