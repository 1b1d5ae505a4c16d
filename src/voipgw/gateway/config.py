"""The checked configuration of a gateway: frozen values; whatever is wrong is said when they are made."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path

import attrs

from voipgw.codecs import ENCODINGS
from voipgw.errors import ConfigurationError
from voipgw.net.tls import TlsFiles
from voipgw.sip.reliable import Reliability
from voipgw.sip.session_timer import TimerSettings

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

TRANSPORTS = ("udp", "tcp", "tls", "ws", "wss")
SRTP_MODES = ("off", "sdes")
SECURE_TRANSPORTS = ("tls", "wss")
CODECS = (*ENCODINGS, "L16/16000")  #: what can be named; L16 alone has 8000 samples a second
DEFAULT_CODECS = ("PCMU", "PCMA")
LATER_CODECS = (
    "iLBC",
    "opus",
    "speex",
    "G729",
    "AMR",
)
DTMF_WAYS = ("rfc4733", "info", "inband")
_LISTEN = re.compile(r"(?P<transport>[a-z]+):(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<host>[^:\[\]]+)):(?P<port>\d+)")


def later(option: str, what: str, have: str) -> ConfigurationError:
    """The refusal of something that a later version brings, by name."""
    return ConfigurationError(f"{option}: {what} is not in this version yet; it has {have}")


@attrs.frozen
class Listen:
    """Where SIP is listened for: ``TRANSPORT:HOST:PORT``, IPv6 in brackets, port 0 picks one."""

    transport: str
    host: str
    port: int

    @classmethod
    def parse(cls, text: str, option: str = "--listen") -> Listen:
        """Read ``text``.

        Raises:
            ConfigurationError: it is not of that form, or names a transport that is not there.
        """
        match = _LISTEN.fullmatch(text)
        if match is None:
            raise ConfigurationError(
                f"{option}: {text!r} is not TRANSPORT:HOST:PORT, e.g. udp:127.0.0.1:5060 or tcp:[::1]:5060"
            )
        transport, port = match["transport"], int(match["port"])
        if transport not in TRANSPORTS:
            raise ConfigurationError(
                f"{option}: unknown transport {transport!r} in {text!r}; it is one of {', '.join(TRANSPORTS)}"
            )
        if port > 65535:
            raise ConfigurationError(f"{option}: port {port} in {text!r} is over 65535")
        host = match["six"] or match["host"]
        if match["six"]:
            try:
                ipaddress.IPv6Address(host)
            except ValueError as error:
                raise ConfigurationError(f"{option}: {host!r} in {text!r} is not an IPv6 address") from error
        return cls(transport, host, port)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.transport}:{host}:{self.port}"


def parse_network(text: str, option: str = "--trust") -> Network:
    """A CIDR block or one address.

    Raises:
        ConfigurationError: it is neither, or has host bits set.
    """
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        raise ConfigurationError(f"{option}: {text!r} is not an address block such as 192.0.2.0/24: {error}") from error


def parse_codecs(text: str, option: str = "--codecs") -> tuple[str, ...]:
    """A comma list of codec names, best first, in the spelling of the registry.

    Raises:
        ConfigurationError: a name is unknown, not there yet, or given twice.
    """
    known = {name.lower(): name for name in CODECS}
    names: list[str] = []
    for word in (part.strip() for part in text.split(",")):
        name = known.get(word.lower())
        if name is None and word.lower() in {other.lower() for other in LATER_CODECS}:
            raise later(option, f"codec {word!r}", ",".join(CODECS))
        if name is None:
            raise ConfigurationError(f"{option}: unknown codec {word!r} in {text!r}; known are {','.join(CODECS)}")
        if name in names:
            raise ConfigurationError(f"{option}: {name} stands twice in {text!r}")
        names.append(name)
    return tuple(names)


def parse_ports(text: str, option: str = "--media-ports") -> tuple[int, int]:
    """A port range ``LOW-HIGH``.

    Raises:
        ConfigurationError: not of that form, or without room for one pair.
    """
    match = re.fullmatch(r"(\d+)-(\d+)", text)
    if match is None:
        raise ConfigurationError(f"{option}: {text!r} is not LOW-HIGH, e.g. 20000-29999")
    low, high = int(match[1]), int(match[2])
    if not 1024 <= low < high <= 65535 or (low + low % 2) + 1 > high:
        raise ConfigurationError(
            f"{option}: {text!r} is not a range within 1024-65535 with room for an even port and the next one"
        )
    return low, high


def parse_host_port(text: str, option: str) -> tuple[str, int]:
    """``HOST:PORT``, IPv6 in brackets.

    Raises:
        ConfigurationError: not of that form.
    """
    match = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([^:\[\]]+)):(\d{1,5})", text)
    if match is None or int(match[3]) > 65535:
        raise ConfigurationError(f"{option}: {text!r} is not HOST:PORT, e.g. 127.0.0.1:9108")
    return match[1] or match[2], int(match[3])


def parse_nameserver(text: str, option: str = "--nameserver") -> tuple[str, int]:
    """``HOST:PORT`` with an address, IPv6 in brackets.

    Raises:
        ConfigurationError: not of that form.
    """
    host, port = parse_host_port(text, option)
    try:
        return str(ipaddress.ip_address(host)), port
    except ValueError as error:
        raise ConfigurationError(f"{option}: {host!r} is not an address; a name server has to be one") from error


@attrs.frozen
class User:
    """Someone who may call with a password: either the password itself, or HA1 of RFC 7616 section 3.4.2 for one realm."""

    name: str
    password: str = attrs.field(default="", repr=False)
    realm: str = ""  #: "" for any realm (with a password only)
    ha1: str = attrs.field(default="", repr=False)


def parse_users(text: str, source: str) -> dict[str, User]:
    """A users file: lines ``user:password`` or ``user:realm:HA1`` (32, 64 hexadecimal digits), ``#`` comments.

    Raises:
        ConfigurationError: naming file and line, for a line of another form, an empty password, or a user given twice.
    """
    users: dict[str, User] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        parts = line.strip().split(":")
        ha1 = len(parts) == 3 and re.fullmatch(r"[0-9a-fA-F]{32}|[0-9a-fA-F]{64}", parts[2]) is not None
        if not parts[0] or not (ha1 or (len(parts) == 2 and parts[1])):
            raise ConfigurationError(f"{source}:{number}: not user:password or user:realm:HA1")
        if parts[0] in users:
            raise ConfigurationError(f"{source}:{number}: user {parts[0]!r} was already given above")
        users[parts[0]] = User(
            parts[0], "" if ha1 else parts[1], parts[1] if ha1 else "", parts[2].lower() if ha1 else ""
        )
    return users


@attrs.frozen
class MediaSettings:
    """How media is carried."""

    mode: str = "relay"  #: "relay", or "none": descriptions pass through and media goes from end to end
    host: str = ""  #: address for our descriptions; "" takes that of the first listener
    ports: tuple[int, int] = (16384, 32767)
    codecs: tuple[str, ...] = DEFAULT_CODECS  #: offered onward, best first
    g726_packing: str = "rfc3551"  #: of "G726-32" and its like; "aal2" for peers that have it the other way round
    dtmf_out: str = "rfc4733"
    srtp_in: str = "off"  #: of callers; "off" is RTP in clear, "sdes" SRTP with keys in the descriptions
    srtp_out: str = "off"  #: of trunks
    sdes_in_clear: bool = False  #: allow keys in signalling without TLS
    record: Path | None = None  #: a directory for one stereo WAV a call
    capture: Path | None = None  #: a pcap of signalling and media
    silence_limit_s: float = 0.0  #: end a call after so long without any packet; 0 never


@attrs.frozen
class Credentials:
    """What we show to a peer that challenges us."""

    username: str
    password: str = attrs.field(repr=False)
    realm: str = ""  #: the only realm that is answered; "" for whichever the peer names


@attrs.frozen
class RegistrarConfig:
    """What a gateway that is a registrar for its users grants."""

    db: Path | None = None  #: an SQLite file that registrations are kept in; None keeps them in memory
    min_expires_s: int = attrs.field(default=60, validator=attrs.validators.gt(0))
    max_expires_s: int = attrs.field(default=3600, validator=attrs.validators.gt(0))
    bindings_per_user: int = attrs.field(default=10, validator=attrs.validators.gt(0))
    domains: tuple[str, ...] = ()  #: hosts of To that are ours; none for whatever is named


@attrs.frozen
class GatewayConfig:
    """Everything about a gateway but its route plan and its cards."""

    listen: tuple[Listen, ...] = (Listen("udp", "127.0.0.1", 5060),)
    trust: tuple[Network, ...] = ()  #: who may call without credentials
    users: dict[str, User] = attrs.field(factory=dict, repr=lambda users: f"<{len(users)} users>")
    digest: tuple[str, ...] = ("SHA-256", "MD5")  #: algorithms we challenge with, best first
    realm: str = ""  #: of our challenges; "" takes those of the users' hashes, else ``voipgw``
    registrar: RegistrarConfig | None = None  #: be a registrar for ``users``; None refuses REGISTER
    credentials: Credentials | None = None
    tls: TlsFiles = attrs.field(factory=TlsFiles)  #: certificates and keys
    origins: tuple[str, ...] = ()  #: web pages that may connect, besides those of our own host; "*" for all
    media: MediaSettings = MediaSettings()
    timer: TimerSettings = attrs.field(factory=TimerSettings)  #: session timers (RFC 4028)
    reliable: Reliability = Reliability.SUPPORTED  #: reliable provisionals (RFC 3262)
    transfers: bool = False  #: peers may ask for transfers (REFER); the plan decides them with the rights of who asks
    cdr: Path | None = None
    metrics: tuple[str, int] | None = None
    nameservers: tuple[tuple[str, int], ...] = ()  #: DNS servers that are asked; (): those of the system
    drain_s: float = 0.0
    user_agent: str = "voipgw"
    country: str = "us"  #: of the analog lines: tones, ringing, caller ID (ISO 3166-1 alpha-2)
    inter_digit_s: float | None = (
        None  #: of the analog lines: after a number that may grow; None is the line's own, 4 s
    )
    max_calls: int = 10000  #: more are answered 503 with Retry-After
