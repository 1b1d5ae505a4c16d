"""SIP, SIPS and TEL URIs (RFC 3261 section 19.1, RFC 3966), and any other URI as a scheme with opaque text."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs

from voipgw.errors import ParseError

_USER = r"A-Za-z0-9\-_.!~*'()&=+$,;?/#"
_PARAM = r"A-Za-z0-9\-_.!~*'()\[\]/:&+$"
_HEADER = r"A-Za-z0-9\-_.!~*'()\[\]/?:+$"
_HOST = r"(?:[A-Za-z0-9\-._]+|\[[0-9A-Fa-f.]*:[0-9A-Fa-f.]*:[0-9A-Fa-f.:]*\])"
_PARAMS = rf"(?:;[{_PARAM}%]+(?:=[{_PARAM}%]+)?)*"
_SIP = re.compile(
    rf"(?:[{_USER}%]+(?::[{_USER}%]*)?@)?{_HOST}(?::([0-9]{{1,9}}))?{_PARAMS}"
    rf"(?:\?[{_HEADER}%]+=[{_HEADER}%]*(?:&[{_HEADER}%]+=[{_HEADER}%]*)*)?"
)
_TEL = re.compile(rf"\+?(?=[\-.()]*[0-9A-Fa-f*#])[0-9A-Fa-f*#\-.()]+{_PARAMS}")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.\-_]*):")
_OPAQUE = re.compile(r"[A-Za-z0-9\-_.!~*'()&=+$,;?/#\[\]:@%]+")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_ESCAPES = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
_NOT_USER = re.compile(r"[^A-Za-z0-9\-_.!~*'()&=+$,;?/]")
_NOT_PASSWORD = re.compile(r"[^A-Za-z0-9\-_.!~*'()&=+$,]")
_NOT_PARAM = re.compile(rf"[^{_PARAM}]")
_NOT_HEADER = re.compile(rf"[^{_HEADER}]")
_SEPARATORS = str.maketrans("", "", "-.()")
_NEVER_ALONE = frozenset({"user", "ttl", "method", "maddr", "transport"})

Param = tuple[str, str | None]


def _unescape_run(match: re.Match[str]) -> str:
    octets = bytes.fromhex(match[0].replace("%", ""))
    try:
        return octets.decode()
    except UnicodeDecodeError:
        return octets.decode("latin-1")


def unescape(text: str) -> str:
    """``text`` with its ``%`` escapes resolved as UTF-8 (as Latin-1 where they are not UTF-8)."""
    return _ESCAPES.sub(_unescape_run, text) if "%" in text else text


def _escape(text: str, forbidden: re.Pattern[str]) -> str:
    return forbidden.sub(lambda match: "".join(f"%{octet:02X}" for octet in match[0].encode("utf-8", "replace")), text)


def _parse_params(text: str) -> tuple[Param, ...]:
    found: list[Param] = []
    for part in text.split(";"):
        name, equals, value = part.partition("=")
        found.append((unescape(name), unescape(value) if equals else None))
    return tuple(found)


@attrs.frozen
class Uri:
    """A URI. Escapes are resolved in every part; ``str`` gives the text it was parsed from, or makes it anew."""

    scheme: str  #: in lower case: "sip", "sips", "tel" or any other
    user: str = ""  #: of a tel URI the number as written; "" when there is none
    host: str = ""  #: as written, an IPv6 address in brackets; "" unless sip or sips
    port: int | None = None
    params: tuple[Param, ...] = ()  #: in order; value None for a parameter that is only a name
    headers: tuple[tuple[str, str], ...] = ()
    password: str | None = None
    opaque: str = ""  #: what follows the scheme of a URI that is neither sip, sips nor tel
    _text: str | None = attrs.field(default=None, init=False, eq=False, repr=False)

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> object:
            # Reached when a slot is empty: an unread URI is taken apart when its first part is asked for.
            if name not in _PARTS:
                raise AttributeError(f"Uri has no attribute {name!r}")
            _take_apart(self, self._text)
            return getattr(self, name)

    @classmethod
    def parse(cls, text: str) -> Uri:
        """Read a URI.

        Raises:
            ParseError: the text breaks the grammar of its scheme (RFC 3261 section 25.1, RFC 3966 section 3).
        """
        scheme = _SCHEME.match(text)
        if scheme is None or _BAD_ESCAPE.search(text):
            raise ParseError(f"malformed URI {text[:80]!r}")
        name, at = scheme[1].lower(), scheme.end()
        if name in ("sip", "sips"):
            match = _SIP.fullmatch(text, at)
            good = match is not None and (match[1] is None or int(match[1]) <= 65535)
        else:
            good = (_TEL if name == "tel" else _OPAQUE).fullmatch(text, at) is not None
        if not good:
            raise ParseError(f"malformed {name} URI {text[:80]!r}")
        uri: Uri = _new(cls)
        set_text(uri, text)
        _take_apart(uri, text)
        return uri

    def __str__(self) -> str:
        if self._text is not None:
            return self._text
        if self.scheme in ("sip", "sips"):
            text = f"{self.scheme}:{self._userinfo()}{self.host}"
            if self.port is not None:
                text += f":{self.port}"
        elif self.scheme == "tel":
            text = f"tel:{self.user}"
        else:
            text = f"{self.scheme}:{self.opaque}"
        for name, value in self.params:
            text += f";{_escape(name, _NOT_PARAM)}"
            if value is not None:
                text += f"={_escape(value, _NOT_PARAM)}"
        if self.headers:
            text += "?" + "&".join(
                f"{_escape(name, _NOT_HEADER)}={_escape(value, _NOT_HEADER)}" for name, value in self.headers
            )
        object.__setattr__(self, "_text", text)
        return text

    def _userinfo(self) -> str:
        if not self.user:
            return ""
        text = _escape(self.user, _NOT_USER)
        if self.password is not None:
            text += ":" + _escape(self.password, _NOT_PASSWORD)
        return text + "@"

    def param(self, name: str) -> str | None:
        """The value of a parameter, "" when it has none, None when it is absent; ``name`` in lower case."""
        for key, value in self.params:
            if key.lower() == name:
                return value or ""
        return None

    @property
    def transport(self) -> str | None:
        """The transport parameter in lower case, or None (section 19.1.1)."""
        value = self.param("transport")
        return value.lower() if value else None

    @property
    def address(self) -> str:
        """The host as sockets and resolvers want it: an IPv6 address without its brackets."""
        return self.host.strip("[]")

    @property
    def hostport(self) -> str:
        """The host and, where given, the port as they stand in the URI."""
        return self.host if self.port is None else f"{self.host}:{self.port}"

    def matches(self, other: Uri) -> bool:
        """Whether both name the same resource: RFC 3261 section 19.1.4 for sip and sips, RFC 3966 section 4 for tel.

        The relation is not transitive, which is why it is not ``==``. Escaped characters equal themselves.
        """
        if self.scheme != other.scheme:
            return False
        mine, theirs = _folded(self.params), _folded(other.params)
        if self.scheme == "tel":
            return _digits(self.user) == _digits(other.user) and mine == theirs
        if self.scheme not in ("sip", "sips"):
            return self.opaque == other.opaque
        if (self.user, self.password, self.port) != (other.user, other.password, other.port):
            return False
        if self.host.lower() != other.host.lower():
            return False
        if any(mine[name] != theirs[name] for name in mine.keys() & theirs.keys()):
            return False
        if (mine.keys() ^ theirs.keys()) & _NEVER_ALONE:
            return False
        return _folded_headers(self) == _folded_headers(other)


_PARTS = tuple(field.name for field in attrs.fields(Uri) if field.init)
_new = object.__new__
# How a message makes a URI whose text it found well formed: by setting only this; the rest is read when asked.
set_text: Callable[[Uri, str], None] = vars(Uri)["_text"].__set__
_set_scheme: Callable[[Uri, str], None] = vars(Uri)["scheme"].__set__
_set_user: Callable[[Uri, str], None] = vars(Uri)["user"].__set__
_set_password: Callable[[Uri, str | None], None] = vars(Uri)["password"].__set__
_set_host: Callable[[Uri, str], None] = vars(Uri)["host"].__set__
_set_port: Callable[[Uri, int | None], None] = vars(Uri)["port"].__set__
_set_params: Callable[[Uri, tuple[Param, ...]], None] = vars(Uri)["params"].__set__
_set_headers: Callable[[Uri, tuple[tuple[str, str], ...]], None] = vars(Uri)["headers"].__set__
_set_opaque: Callable[[Uri, str], None] = vars(Uri)["opaque"].__set__


def _take_apart(uri: Uri, text: str) -> None:
    """Fill a URI from its text, which is well formed."""
    scheme, _, rest = text.partition(":")
    scheme = scheme.lower()
    user = host = opaque = ""
    password: str | None = None
    port: int | None = None
    headers: tuple[tuple[str, str], ...] = ()
    params = ""
    if scheme in ("sip", "sips"):
        userinfo, at, hostpart = rest.rpartition("@")
        if at:
            user, colon, secret = userinfo.partition(":")
            user = unescape(user)
            password = unescape(secret) if colon else None
        hostpart, _, query = hostpart.partition("?")
        if query:
            headers = tuple([_split_header(part) for part in query.split("&")])
        host, _, params = hostpart.partition(";")
        bracket = host.find("]") + 1
        if ":" in host[bracket:]:
            host, _, digits = host.rpartition(":")
            port = int(digits)
    elif scheme == "tel":
        user, _, params = rest.partition(";")
    else:
        opaque = rest
    _set_scheme(uri, scheme)
    _set_user(uri, user)
    _set_password(uri, password)
    _set_host(uri, host)
    _set_port(uri, port)
    _set_params(uri, _parse_params(params) if params else ())
    _set_headers(uri, headers)
    _set_opaque(uri, opaque)


def _split_header(part: str) -> tuple[str, str]:
    name, _, value = part.partition("=")
    return unescape(name), unescape(value)


def _digits(number: str) -> str:
    return number.translate(_SEPARATORS).lower()


def _folded(params: tuple[Param, ...]) -> dict[str, str | None]:
    return {name.lower(): None if value is None else value.lower() for name, value in params}


def _folded_headers(uri: Uri) -> list[tuple[str, str]]:
    return sorted((name.lower(), value) for name, value in uri.headers)
