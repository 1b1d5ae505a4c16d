"""Values of SIP header fields: Via, addresses, CSeq, parameters, lists, challenges (RFC 3261 sections 20 and 25.1).

Text given to a ``parse`` here is one unfolded value, as ``Message.header`` returns it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs

from voipgw.errors import ParseError
from voipgw.sip.uri import Param, Uri, set_text

_CHARS = r"A-Za-z0-9\-.!%*_+`'~"
_QUOTED = r'"(?:[^"\\\x00-\x08\x0a-\x1f\x7f]|\\[\x00-\x09\x0b\x0c\x0e-\x7f])*"'
_VALUE = r"A-Za-z0-9\-.!%*_+`'~()&=$?/#\[\]:@^{|}"
_PARAM = re.compile(rf"[ \t]*;[ \t]*([{_CHARS}]+)[ \t]*(?:=[ \t]*({_QUOTED}|[{_VALUE}]+))?")
_BRACKETED = re.compile(rf"(?:({_QUOTED})[ \t]*|([{_CHARS}\x80-\U0010ffff \t]*))<([^>]*)>")
_BARE = re.compile(r"([^ \t;,<>\"?]+)")
_VIA = re.compile(
    rf"[ \t]*([{_CHARS}]+)[ \t]*/[ \t]*([{_CHARS}]+)[ \t]*/[ \t]*([{_CHARS}]+)[ \t]+"
    r"([A-Za-z0-9\-._]+|\[[0-9A-Fa-f:.]+\])(?:[ \t]*:[ \t]*([0-9]{1,9}))?"
)
_CSEQ = re.compile(rf"([0-9]+)[ \t]+([{_CHARS}]+)")
_AUTH_PARAM = re.compile(rf"[ \t,]*([{_CHARS}]+)[ \t]*=[ \t]*({_QUOTED}|[^ \t,\"]+)[ \t]*(?=,|$)")
_NEXT_IN_LIST = re.compile(rf"(?:{_QUOTED}|<[^>]*>|[^\",<])*")
_TOKEN = re.compile(rf"[{_CHARS}]+").fullmatch
_AUTH_END = re.compile(r"[ \t,]*").fullmatch
_TOKEN68 = re.compile(r"[A-Za-z0-9\-._~+/]+=*[ \t]*").fullmatch  # RFC 7235: what Bearer and its like carry
_SCHEME = re.compile(rf"[ \t]*([{_CHARS}]+)(?:[ \t]+|$)")
_ESCAPED = re.compile(r"\\(.)", re.S)
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


def decode(octets: bytes) -> str:
    """Octets of a field's value as text, unfolded: UTF-8, or Latin-1 where they are not."""
    if b"\r" in octets:
        octets = b" ".join([line.strip(b" \t") for line in octets.split(b"\r\n")])
    try:
        return octets.decode()
    except UnicodeDecodeError:
        return octets.decode("latin-1")


def is_token(text: str) -> bool:
    """Whether the text is a token (section 25.1)."""
    return _TOKEN(text) is not None


def quote(text: str) -> str:
    """The text as a quoted-string; control characters, which could end a line, become spaces."""
    return '"' + _CONTROL.sub(" ", text).replace("\\", "\\\\").replace('"', '\\"') + '"'


def unquote(text: str) -> str:
    """What a quoted-string says; any other text as it is."""
    if len(text) >= 2 and text[0] == '"' == text[-1]:
        text = text[1:-1]
        return _ESCAPED.sub(r"\1", text) if "\\" in text else text
    return text


def split_list(text: str) -> list[str]:
    """The values that commas separate, outside quoted strings and angle brackets; empty ones are left out."""
    if "," not in text:
        text = text.strip(" \t")
        return [text] if text else []
    found, at = [], 0
    while at <= len(text):
        match = _NEXT_IN_LIST.match(text, at)
        end = match.end() if match else at
        if end < len(text) and text[end] != ",":  # a quote or bracket that nothing closes: the rest is one value
            end = len(text)
        value = text[at:end].strip(" \t")
        if value:
            found.append(value)
        at = end + 1
    return found


def delta_seconds(text: str) -> int:
    """A number of seconds, at most 2**32 - 1; a larger one counts as that (section 20.19, RFC 4475 section 3.1.2.4).

    Raises:
        ParseError: not a number.
    """
    if not text.isascii() or not text.isdigit():
        raise ParseError(f"not a number of seconds: {text[:40]!r}")
    return min(int(text[:12]), 0xFFFFFFFF)


def parse_params(text: str, at: int = 0) -> tuple[Param, ...]:
    """Header parameters from ``at`` to the end, ``;name=value;name``; values as written, quotes included.

    Raises:
        ParseError: something else than parameters.
    """
    found: list[Param] = []
    end = len(text)
    while at < end:
        match = _PARAM.match(text, at)
        if match is None:
            if text[at:].strip(" \t"):
                raise ParseError(f"malformed parameters {text[at : at + 40]!r}", at=at)
            break
        found.append((match[1], match[2]))
        at = match.end()
    return tuple(found)


def _format_params(params: tuple[Param, ...]) -> str:
    return "".join(f";{name}" if value is None else f";{name}={value}" for name, value in params)


def _param(params: tuple[Param, ...], name: str) -> str | None:
    for key, value in params:
        if key == name or key.lower() == name:
            return unquote(value) if value else ""
    return None


def _set_param(params: tuple[Param, ...], name: str, value: str | None) -> tuple[Param, ...]:
    if _param(params, name) is None:
        return (*params, (name, value))
    return tuple((key, value) if key.lower() == name else (key, old) for key, old in params)


@attrs.frozen
class NameAddr:
    """An address with its header parameters: From, To, Contact, Route, Refer-To, P-Asserted-Identity and their like."""

    uri: Uri
    display_name: str = ""  #: unquoted
    params: tuple[Param, ...] = ()  #: those outside the URI, in order, values as written
    tag: str | None = attrs.field(init=False, eq=False, repr=False)  #: the tag parameter, or None
    _source: bytes | str = attrs.field(init=False, eq=False, repr=False)

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> object:
            # Reached when a slot is empty: an unread address is read when its first part is asked for.
            if name == "tag":
                value = _param(self.params, "tag") or None
                object.__setattr__(self, "tag", value)
                return value
            if name not in _PARTS:
                raise AttributeError(f"NameAddr has no attribute {name!r}")
            source = self._source
            uri, display_name, params = _split_address(source if isinstance(source, str) else decode(source))
            read = _new(Uri)
            set_text(read, uri)
            _set_uri(self, read)
            _set_name(self, display_name)
            _set_params(self, params)
            return getattr(self, name)

    @classmethod
    def parse(cls, text: str) -> NameAddr:
        """Read ``"Name" <uri>;param`` or ``uri;param``; in the latter ``;`` ends the URI (section 20).

        Raises:
            ParseError: the address, its URI or its parameters are malformed.
        """
        uri, display_name, params = _split_address(text)
        return cls(Uri.parse(uri), display_name, params)

    def __str__(self) -> str:
        name = f"{quote(self.display_name)} " if self.display_name else ""
        return f"{name}<{self.uri}>{_format_params(self.params)}"

    def param(self, name: str) -> str | None:
        """A header parameter's value without quotes, "" when it has none, None when absent; ``name`` in lower case."""
        return _param(self.params, name)

    def with_param(self, name: str, value: str | None) -> NameAddr:
        """The same with a parameter set; ``value`` as it is to be written."""
        return attrs.evolve(self, params=_set_param(self.params, name, value))


_PARTS = ("uri", "display_name", "params")
_new = object.__new__
set_source: Callable[[NameAddr, bytes | str], None] = vars(NameAddr)["_source"].__set__
set_tag: Callable[[NameAddr, str | None], None] = vars(NameAddr)["tag"].__set__
_set_uri: Callable[[NameAddr, Uri], None] = vars(NameAddr)["uri"].__set__
_set_name: Callable[[NameAddr, str], None] = vars(NameAddr)["display_name"].__set__
_set_params: Callable[[NameAddr, tuple[Param, ...]], None] = vars(NameAddr)["params"].__set__


def unread_address(source: bytes | str) -> NameAddr:
    """An address that was found well formed; what it says is read when it is asked for."""
    address: NameAddr = _new(NameAddr)
    set_source(address, source)
    return address


def _split_address(text: str) -> tuple[str, str, tuple[Param, ...]]:
    """URI, display name and parameters of an address; the URI is not looked at."""
    text = text.strip(" \t")
    match = _BRACKETED.match(text)
    if match is not None:
        quoted, plain, uri = match.groups()
        name = unquote(quoted) if quoted is not None else plain.strip(" \t")
    else:
        match = _BARE.match(text)
        if match is None:
            raise ParseError(f"malformed address {text[:80]!r}")
        uri, name = match[1], ""
    end = match.end()
    return uri, name, parse_params(text, end) if end < len(text) else ()


@attrs.frozen
class Via:
    """One Via value: where a message came by and where its responses go (sections 18.2 and 20.42, RFC 3581)."""

    transport: str  #: as written, e.g. "UDP", "TCP", "TLS", "WSS"
    host: str  #: sent-by host as written, an IPv6 address in brackets
    port: int | None = None
    params: tuple[Param, ...] = ()
    protocol: str = "SIP/2.0"

    @classmethod
    def parse(cls, text: str) -> Via:
        """Read one value.

        Raises:
            ParseError: it is malformed.
        """
        match = _VIA.match(text)
        if match is None:
            raise ParseError(f"malformed Via {text[:80]!r}")
        name, version, transport, host, port = match.groups()
        number = None if port is None else int(port)
        if number is not None and number > 65535:
            raise ParseError(f"malformed port in Via {text[:80]!r}")
        return cls(transport, host, number, parse_params(text, match.end()), f"{name}/{version}")

    def __str__(self) -> str:
        return f"{self.protocol}/{self.transport} {self.sent_by}{_format_params(self.params)}"

    def param(self, name: str) -> str | None:
        """A parameter's value without quotes, "" when it has none, None when absent; ``name`` in lower case."""
        return _param(self.params, name)

    def with_param(self, name: str, value: str | None) -> Via:
        """The same with a parameter set; ``value`` as it is to be written."""
        return attrs.evolve(self, params=_set_param(self.params, name, value))

    @property
    def sent_by(self) -> str:
        """Host and, where given, port."""
        return self.host if self.port is None else f"{self.host}:{self.port}"

    @property
    def branch(self) -> str | None:
        """The branch parameter, or None."""
        return self.param("branch") or None

    @property
    def received(self) -> str | None:
        """The received parameter, an IPv6 address without brackets (RFC 5118 section 4.5), or None."""
        value = self.param("received")
        return value.strip("[]") if value else None

    @property
    def rport(self) -> int | None:
        """The port in rport, or None when it is absent or only asked for."""
        value = self.param("rport")
        return int(value) if value and value.isascii() and value.isdigit() and len(value) < 6 else None

    @property
    def wants_rport(self) -> bool:
        """Whether the rport parameter is there, with a value or without."""
        return self.param("rport") is not None


@attrs.frozen
class CSeq:
    """Sequence number and method (section 20.16)."""

    number: int  #: 0 to 2**32 - 1
    method: str

    @classmethod
    def parse(cls, text: str) -> CSeq:
        """Read the value.

        Raises:
            ParseError: it is malformed or the number does not fit 32 bits.
        """
        match = _CSEQ.fullmatch(text)
        if match is None or len(match[1].lstrip("0")) > 10 or int(match[1]) > 0xFFFFFFFF:
            raise ParseError(f"malformed CSeq {text[:80]!r}")
        return cls(int(match[1]), match[2])

    def __str__(self) -> str:
        return f"{self.number} {self.method}"


_BARE_AUTH = frozenset({"stale", "algorithm", "nc"})


@attrs.frozen
class Auth:
    """A challenge or credentials: WWW-Authenticate, Authorization and their proxy forms (sections 20.7, 20.44; RFC 8760)."""

    scheme: str  #: as written, e.g. "Digest"
    params: tuple[tuple[str, str], ...] = ()  #: in order, values without quotes; name "" for text that is no parameter

    @classmethod
    def parse(cls, text: str) -> Auth:
        """Read a scheme and its parameters; of a scheme that has none, the text is kept under the name "".

        Raises:
            ParseError: there is no scheme, or a Digest whose parameters are malformed.
        """
        scheme = _SCHEME.match(text)
        if scheme is None:
            raise ParseError(f"malformed challenge or credentials {text[:80]!r}")
        found: list[tuple[str, str]] = []
        at = scheme.end()
        if scheme[1].lower() != "digest" and _TOKEN68(text, at):
            return cls(scheme[1], (("", text[at:].strip(" \t")),))
        while _AUTH_END(text, at) is None:
            match = _AUTH_PARAM.match(text, at)
            if match is None:
                if scheme[1].lower() == "digest":
                    raise ParseError(f"malformed Digest parameters {text[at : at + 40]!r}", at=at)
                return cls(scheme[1], (("", text[scheme.end() :].strip(" \t")),))
            found.append((match[1], unquote(match[2])))
            at = match.end()
        return cls(scheme[1], tuple(found))

    def __str__(self) -> str:
        credentials = self.param("response") is not None
        parts = []
        for name, value in self.params:
            if not name:
                parts.append(value)
            elif name.lower() in _BARE_AUTH or (credentials and name.lower() == "qop"):
                parts.append(f"{name}={value}")
            else:
                parts.append(f"{name}={quote(value)}")
        return f"{self.scheme} {', '.join(parts)}" if parts else self.scheme

    def param(self, name: str) -> str | None:
        """A parameter's value, or None; ``name`` in lower case."""
        for key, value in self.params:
            if key.lower() == name:
                return value
        return None
