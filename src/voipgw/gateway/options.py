"""The options that every program shares, and how they become a checked configuration."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from voipgw.dsp.country_tables import COUNTRIES
from voipgw.errors import ConfigurationError
from voipgw.gateway.config import (
    CODECS,
    DEFAULT_CODECS,
    DTMF_WAYS,
    SECURE_TRANSPORTS,
    SRTP_MODES,
    Credentials,
    GatewayConfig,
    Listen,
    MediaSettings,
    RegistrarConfig,
    User,
    later,
    parse_codecs,
    parse_host_port,
    parse_nameserver,
    parse_network,
    parse_ports,
    parse_users,
)
from voipgw.net.tls import TlsContexts, TlsFiles
from voipgw.sip.reliable import Reliability
from voipgw.sip.session_timer import LEAST_S, TimerSettings

DIGESTS = ("SHA-512-256", "SHA-256", "MD5")


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line on standard error and exit status 2."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong in one line and end."""
        self.exit(2, f"{self.prog}: {message}\n")


def add_common(parser: argparse.ArgumentParser, listen: str) -> None:
    """The options of every gateway program."""
    group = parser.add_argument_group("common options")
    group.add_argument("--listen", action="append", metavar="TRANSPORT:HOST:PORT",
                       help=f"udp, tcp, tls, ws or wss; repeatable; port 0 picks one (default {listen})")  # fmt: skip
    group.add_argument("--cdr", type=Path, metavar="FILE", help="append one JSON object per finished call")
    group.add_argument(
        "--drain",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="how long live calls may go on after SIGTERM (default 0)",
    )
    group.add_argument(
        "--nameserver",
        action="append",
        default=[],
        metavar="HOST:PORT",
        help="a DNS server to ask for trunks by name, instead of the system's; repeatable",
    )
    group.add_argument("--metrics", metavar="HOST:PORT", help="serve Prometheus text at /metrics")
    group.add_argument(
        "--log-level", choices=("debug", "info", "warning", "error"), default="warning", help="default warning"
    )
    parser.set_defaults(default_listen=listen)


def add_access(parser: argparse.ArgumentParser) -> None:
    """Who may call."""
    group = parser.add_argument_group("who may call")
    group.add_argument(
        "--trust", action="append", default=[], metavar="CIDR", help="who may call without credentials; repeatable"
    )
    group.add_argument(
        "--users", type=Path, metavar="FILE", help="lines user:password or user:realm:HA1; others are challenged"
    )
    group.add_argument("--digest", metavar="LIST",
                       help=f"to challenge with, best first, of {','.join(DIGESTS)} (default SHA-256,MD5)")  # fmt: skip
    group.add_argument(
        "--realm", default="", help="realm of our challenges (default: that of the hashes in --users, else voipgw)"
    )


def add_tls(parser: argparse.ArgumentParser) -> None:
    """Certificates, and who may connect by WebSocket."""
    group = parser.add_argument_group("TLS and WebSocket")
    group.add_argument(
        "--cert", type=Path, metavar="FILE", help="our certificate and those between it and its authority, PEM"
    )
    group.add_argument("--key", type=Path, metavar="FILE", help="its private key, PEM, not encrypted")
    group.add_argument(
        "--ca", type=Path, metavar="FILE", help="authorities of servers we connect to (default: those of the system)"
    )
    group.add_argument(
        "--client-ca", type=Path, metavar="FILE", help="authorities of clients; one without a certificate is refused"
    )
    group.add_argument(
        "--ws-origin",
        action="append",
        default=[],
        metavar="ORIGIN",
        help="a web page that may connect, besides those of our own host, e.g. https://phone.example.com; * for all; repeatable",
    )


def add_media(parser: argparse.ArgumentParser) -> None:
    """How media is carried."""
    group = parser.add_argument_group("media")
    group.add_argument(
        "--media",
        default="relay",
        metavar="relay|none",
        help="relay through this gateway, or pass it by (default relay)",
    )
    group.add_argument(
        "--media-host", default="", metavar="HOST", help="address for our media (default: that of the first listener)"
    )
    group.add_argument("--media-ports", default="16384-32767", metavar="LOW-HIGH", help="default 16384-32767")
    group.add_argument(
        "--codecs",
        default=",".join(DEFAULT_CODECS),
        metavar="LIST",
        help=f"offered onward, best first, converted where the legs differ; of {','.join(CODECS)} "
        f"(default {','.join(DEFAULT_CODECS)})",
    )
    group.add_argument(
        "--g726-packing",
        choices=("rfc3551", "aal2"),
        default="rfc3551",
        help="order of the code words of G726-32 and its like: aal2 for devices that get it wrong (default rfc3551)",
    )
    for side, who in (("in", "of callers"), ("out", "of trunks")):
        group.add_argument(
            f"--srtp-{side}",
            default="off",
            metavar="off|sdes",
            help=f"media {who}: RTP, or SRTP with keys in the descriptions; the other is refused (default off)",
        )
    group.add_argument(
        "--sdes-in-clear",
        action="store_true",
        help="allow SRTP keys in signalling without TLS, which whoever reads it has",
    )
    group.add_argument("--dtmf-out", choices=DTMF_WAYS, default="rfc4733", help="how digits leave (default rfc4733)")
    group.add_argument(
        "--record", type=Path, metavar="DIR", help="one stereo WAV a call: calling party left, called party right"
    )
    group.add_argument("--capture", type=Path, metavar="FILE", help="write signalling and media to a pcap")


def add_sessions(parser: argparse.ArgumentParser) -> None:
    """Extensions of SIP sessions."""
    group = parser.add_argument_group("sessions")
    group.add_argument(
        "--session-expires",
        type=int,
        default=TimerSettings().interval_s,
        metavar="SECONDS",
        help="a session without a refresh for so long ends, on either side (default 1800; 0 leaves it to the peers)",
    )
    group.add_argument(
        "--reliable",
        choices=[one.value for one in Reliability],
        default=Reliability.SUPPORTED.value,
        help="provisional responses with PRACK (default supported)",
    )
    group.add_argument(
        "--transfers",
        action="store_true",
        help="let peers transfer their calls (REFER), as far as the plan lets them call",
    )


def add_credentials(parser: argparse.ArgumentParser) -> None:
    """What we show to trunks that challenge us."""
    group = parser.add_argument_group("credentials towards trunks")
    group.add_argument("--username", metavar="U", help="answer challenges of the trunks as U")
    group.add_argument("--password-env", metavar="VAR", help="the environment variable that holds U's password")


def add_registrar(parser: argparse.ArgumentParser) -> None:
    """What a registrar needs beside its users."""
    group = parser.add_argument_group(
        "registrar",
        "--digest is MD5 here unless told otherwise: some telephones give up when they are offered anything else.",
    )
    parser.set_defaults(digest="MD5")
    group.add_argument(
        "--db", type=Path, metavar="FILE", help="keep registrations in this SQLite file (default: in memory)"
    )
    group.add_argument(
        "--domain", action="append", default=[], metavar="HOST",
        help="host of the users' addresses; repeatable (default: whatever they name)",
    )  # fmt: skip


#: options of the contract whose capability later versions bring: name, metavar
LATER: Mapping[str, str] = {
    "--media-legs": "", "--media-latch": "MODE", "--ice": "MODE", "--public-address": "ADDR", "--workers": "N",
}  # fmt: skip


class Refuse(argparse.Action):
    """Refuses its option by name."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object, **__: object) -> NoReturn:
        """End with one line that names the option."""
        parser.error(f"{self.option_strings[0]}: not in this version yet; leave it out")


def add_later(parser: argparse.ArgumentParser, names: Sequence[str]) -> None:
    """Options that are known but refused by name, so that none is ever silently ignored."""
    for name in names:
        takes = bool(LATER[name])
        parser.add_argument(
            name, action=Refuse, nargs=None if takes else 0, metavar=LATER[name] or None, help=argparse.SUPPRESS
        )


def read_text(path: Path, option: str) -> str:
    """A text file that the user named.

    Raises:
        ConfigurationError: it cannot be read; the message names option and file.
    """
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise ConfigurationError(f"{option}: cannot read {path}: {reason}") from error


def _users(path: Path | None, realm: str) -> dict[str, User]:
    if path is None:
        return {}
    users = parse_users(read_text(path, "--users"), str(path))
    for user in users.values():
        if realm and user.realm and user.realm != realm:
            raise ConfigurationError(
                f"--users: {path}: {user.name!r} has a hash for realm {user.realm!r}, and --realm is {realm!r}"
            )
    return users


def _digest(text: str | None) -> tuple[str, ...]:
    if text is None:
        return ("SHA-256", "MD5")
    names = tuple(word.strip().upper() for word in text.split(","))
    for name in names:
        if name not in DIGESTS:
            raise ConfigurationError(f"--digest: unknown algorithm {name!r}; known are {','.join(DIGESTS)}")
    return names


def _credentials(options: argparse.Namespace) -> Credentials | None:
    username, variable = getattr(options, "username", None), getattr(options, "password_env", None)
    if username is None and variable is None:
        return None
    if username is None or variable is None:
        raise ConfigurationError("--username and --password-env go together: one of them is missing")
    password = os.environ.get(variable)
    if not password:
        raise ConfigurationError(f"--password-env: the environment has no variable {variable!r}, or it is empty")
    return Credentials(username, password)


def _timer(options: argparse.Namespace) -> TimerSettings:
    seconds: int = getattr(options, "session_expires", TimerSettings().interval_s)
    if seconds and not LEAST_S <= seconds < 2**31:
        raise ConfigurationError(f"--session-expires: {seconds} is not a number of seconds from {LEAST_S}, or 0")
    return TimerSettings(seconds)


def _country(options: argparse.Namespace) -> str:
    code: str = getattr(options, "country", "us")
    if code.lower() not in COUNTRIES:
        raise ConfigurationError(f"--country: found the country {code!r}; right would be one of {', '.join(COUNTRIES)}")
    return code.lower()


def _inter_digit(options: argparse.Namespace) -> float | None:
    seconds: float | None = getattr(options, "inter_digit", None)
    if seconds is not None and not 0.5 <= seconds <= 60:
        raise ConfigurationError(f"--inter-digit: {seconds:g} is not a number of seconds from 0.5 to 60")
    return seconds


def _media(options: argparse.Namespace) -> MediaSettings:
    if not hasattr(options, "media"):
        return MediaSettings()
    if options.media.startswith("rtpengine:"):
        raise later("--media", "rtpengine", "relay and none")
    if options.media not in ("relay", "none"):
        raise ConfigurationError(f"--media: {options.media!r} is neither relay nor none")
    if options.media == "none" and options.record is not None:
        raise ConfigurationError("--record: with --media none no sound passes here to be recorded")
    if options.record is not None and not options.record.is_dir():
        raise ConfigurationError(f"--record: {options.record} is not a directory")
    for option in ("--srtp-in", "--srtp-out"):
        _check_srtp(options, option)
    return MediaSettings(
        mode=options.media,
        host=options.media_host,
        ports=parse_ports(options.media_ports),
        codecs=parse_codecs(options.codecs),
        g726_packing=options.g726_packing,
        dtmf_out=options.dtmf_out,
        srtp_in=options.srtp_in,
        srtp_out=options.srtp_out,
        sdes_in_clear=options.sdes_in_clear,
        record=options.record,
        capture=options.capture,
    )


def _check_srtp(options: argparse.Namespace, option: str) -> None:
    mode = getattr(options, option[2:].replace("-", "_"))
    if mode == "dtls":
        raise later(option, "dtls", " and ".join(SRTP_MODES))
    if mode not in SRTP_MODES:
        raise ConfigurationError(f"{option}: {mode!r} is not one of {', '.join(SRTP_MODES)}")
    if mode != "off" and options.media == "none":
        raise ConfigurationError(f"{option}: with --media none no media passes here to be protected")


def _check_keys(media: MediaSettings, listen: Sequence[Listen]) -> None:
    """Refuse a gateway that could take no call, since keys would come to it in clear only."""
    secure = media.sdes_in_clear or any(one.transport in SECURE_TRANSPORTS for one in listen)
    if media.srtp_in == "sdes" and not secure:
        raise ConfigurationError(
            f"--srtp-in: keys may come over TLS only, and --listen has {' '.join(map(str, listen))}; "
            "listen on tls: or wss:, or allow them in clear with --sdes-in-clear"
        )


def _tls(options: argparse.Namespace, listen: Sequence[Listen]) -> TlsFiles:
    names = ("cert", "key", "ca", "client_ca")
    files = TlsFiles(*(getattr(options, name, None) for name in names))
    secure = next((one for one in listen if one.transport in SECURE_TRANSPORTS), None)
    if secure is not None and files.certificate is None:
        raise ConfigurationError(f"--listen: {secure} needs a certificate: --cert FILE --key FILE")
    if files != TlsFiles():
        TlsContexts(files)
    return files


def config_of(options: argparse.Namespace) -> GatewayConfig:
    """The checked configuration that parsed options mean.

    Raises:
        ConfigurationError: naming the option, what was found and what would be right.
    """
    if options.drain < 0 or options.drain != options.drain:
        raise ConfigurationError(f"--drain: {options.drain} is not a number of seconds from 0")
    users_file = getattr(options, "users", None)
    realm = getattr(options, "realm", "")
    if realm and not re.fullmatch(r"[^\"\\\x00-\x1f\x7f]+", realm):
        raise ConfigurationError(f"--realm: {realm!r} has quotes, backslashes or control characters")
    listen = tuple(Listen.parse(text) for text in options.listen or [options.default_listen])
    media = _media(options)
    _check_keys(media, listen)
    return GatewayConfig(
        listen=listen,
        tls=_tls(options, listen),
        origins=tuple(getattr(options, "ws_origin", ())),
        trust=tuple(parse_network(text) for text in getattr(options, "trust", [])),
        users=_users(users_file, realm),
        digest=_digest(getattr(options, "digest", None)),
        realm=realm,
        registrar=RegistrarConfig(db=options.db, domains=tuple(options.domain)) if hasattr(options, "db") else None,
        credentials=_credentials(options),
        media=media,
        cdr=options.cdr,
        metrics=parse_host_port(options.metrics, "--metrics") if options.metrics else None,
        nameservers=tuple(parse_nameserver(text) for text in options.nameserver),
        drain_s=options.drain,
        timer=_timer(options),
        reliable=Reliability(getattr(options, "reliable", "supported")),
        transfers=getattr(options, "transfers", False),
        country=_country(options),
        inter_digit_s=_inter_digit(options),
    )


def one_line(error: BaseException, program: str) -> None:
    """Say an error in one line on standard error."""
    print(f"{program}: {' '.join(str(error).split())}", file=sys.stderr, flush=True)
