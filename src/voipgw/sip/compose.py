"""Lines of a message of our own making; nothing that could end a line early gets into one (RFC 3261 section 7.3)."""

from __future__ import annotations

import re
from collections.abc import Iterable

from voipgw._native import sip as native
from voipgw.errors import LocalProtocolError
from voipgw.sip.headers import is_token

_KNOWN = frozenset(native.HEADERS[1:]) - {"Content-Length"}
_URI_TEXT = re.compile(r"[!-~]+").fullmatch
_FORBIDDEN = re.compile(r"[\r\n\x00]").search
_METHODS = frozenset(native.METHODS[1:])


def request_line(method: str, uri: str) -> bytes:
    """The request line with its CRLF.

    Raises:
        LocalProtocolError: the method is no token, or the URI has a space, a control or a character outside ASCII.
    """
    if method not in _METHODS and not is_token(method):
        raise LocalProtocolError(f"a method is a token, not {method!r}")
    if _URI_TEXT(uri) is None or "<" in uri or ">" in uri:
        raise LocalProtocolError(f"not a request URI: {uri!r}")
    return f"{method} {uri} SIP/2.0\r\n".encode()


def status_line(status: int, reason: str) -> bytes:
    """The status line with its CRLF.

    Raises:
        LocalProtocolError: the status is not 100 to 699, or the reason has a line end.
    """
    if not 100 <= status <= 699:
        raise LocalProtocolError(f"a status is 100 to 699, not {status}")
    if _FORBIDDEN(reason):
        raise LocalProtocolError(f"a reason phrase has no line end: {reason!r}")
    return f"SIP/2.0 {status} {reason}\r\n".encode("utf-8", "replace")


def field_lines(fields: Iterable[tuple[str, str]]) -> bytes:
    """The lines of these fields.

    Raises:
        LocalProtocolError: a name is no token, a value has CR, LF or NUL, or the field is Content-Length.
    """
    if not fields:
        return b""
    text = ""
    count = 0
    for name, value in fields:
        if name not in _KNOWN:
            if not is_token(name):
                raise LocalProtocolError(f"a field name is a token, not {name!r}")
            if name.lower() in ("l", "content-length"):
                raise LocalProtocolError("Content-Length is computed, not given")
        text += f"{name}: {value}\r\n"
        count += 1
    if text.count("\n") != count or text.count("\r") != count or "\0" in text:
        bad = [(name, value) for name, value in fields if _FORBIDDEN(value)]
        raise LocalProtocolError(f"a field value has no CR, LF or NUL: {bad!r}")
    return text.encode("utf-8", "replace")


def entity_lines(body: bytes, content_type: str | None) -> bytes:
    """Content-Type where given, Content-Length, the empty line and the body."""
    head = b"Content-Length: %d\r\n\r\n" % len(body)
    if content_type is not None:
        head = field_lines((("Content-Type", content_type),)) + head
    return head + body if body else head
