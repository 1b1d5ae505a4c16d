"""Octets to messages, the answer to octets that are no message, and the checks that need no state (RFC 3261 section 8.2)."""

from __future__ import annotations

import zlib
from collections.abc import Iterable

import attrs

from voipgw._native import sip as native
from voipgw.errors import ParseError
from voipgw.sip.compose import entity_lines, status_line
from voipgw.sip.headers import is_token
from voipgw.sip.message import Request, Response, describe

_CLASSES: tuple[type[Request], type[Response]] = (Request, Response)
_new = object.__new__
_KIND, _TRIMMED = native.KIND, native.TRIMMED
scan = native.scan


def parse(data: bytes) -> Request | Response:
    """Read one message: a datagram, or what ``Framer`` cut from a stream.

    CRLF before the start line is skipped, octets after the body that Content-Length announces are dropped (section 18.3).

    Raises:
        ParseError: the octets are no well-formed message; ``status`` is what RFC 3261 answers it with, and
            ``refusal`` makes that answer.
    """
    if type(data) is not bytes:
        data = bytes(data)
    try:
        index, texts = scan(data)
    except native.Fault as fault:
        raise _parse_error(data, fault) from None
    if index[_TRIMMED]:
        start: int = native.u32(index, native.U32_START)[0]
        data = data[start : start + native.u32(index, native.U32_END)[0]]
    message: Request | Response = _new(_CLASSES[index[_KIND]])
    message._raw = data
    message._index = index
    message._texts = texts
    message._from = message._to = message._uri = message._via = message._vias = None
    return message  # as Message._indexed makes it, without the call


def _parse_error(data: bytes, fault: native.Fault) -> ParseError:
    status = native.FAULTS[fault.code][1]
    if fault.code == native.MISMATCH and data.split(b" ", 1)[0].decode("latin-1") not in native.METHODS:
        status = 501  # RFC 4475 section 3.1.2.18: an unknown method is the better reason
    return ParseError(describe(fault), at=fault.at, status=status)


def keep_alive(data: bytes) -> bool:
    """Whether a datagram is a keep-alive: nothing, or only line ends, blanks and NULs (RFC 5626 section 3.5, field devices)."""
    return not data.strip(b"\r\n\0 ")


def refusal(data: bytes, error: ParseError) -> Response | None:
    """The response to octets that ``parse`` refused, with the fields that can be read; None where none is due.

    None is due to a response, to an ACK, and to what has no Via (RFC 4475 sections 3.1.2 and 3.3.1). It goes back the
    way the octets came. The To tag is made from the octets, so that a retransmission gets the same answer; fields that
    were malformed are repeated as they came, so that those of the answer may not be readable either.
    """
    data = data.lstrip(b"\r\n")
    method, space, _ = data[:200].partition(b" ")
    if not space or method == b"ACK" or not is_token(method.decode("latin-1")):
        return None
    wanted: dict[int, list[bytes]] = {i: [] for i in (native.VIA, native.FROM, native.TO, native.CALL_ID, native.CSEQ)}
    head = data.partition(b"\r\n\r\n")[0][: native.MAX_HEADERS].replace(b"\r\n ", b" ").replace(b"\r\n\t", b" ")
    for line in head.split(b"\r\n")[1:]:
        name, colon, value = line.partition(b":")
        number = native.header_id(name.strip(b" \t")) if colon else 0
        if number in wanted and not any(octet in line for octet in b"\r\n\0") and value.strip():
            wanted[number].append(name.strip(b" \t") + b": " + value.strip(b" \t") + b"\r\n")
    if not wanted[native.VIA]:
        return None
    to = wanted[native.TO][:1]
    if to and b";tag" not in to[0].replace(b" ", b"").lower():
        to = [to[0].rstrip() + b";tag=%08x\r\n" % zlib.crc32(data)]
    wanted[native.TO] = to
    lines = b"".join([line for i, found in wanted.items() for line in (found if i == native.VIA else found[:1])])
    phrase = str(error).partition(" (at octet")[0]
    raw = b"".join((status_line(error.status, phrase), lines, entity_lines(b"", None)))
    try:
        return Response._indexed(raw, native.scan_own(raw, checked=False))
    except native.Fault:  # what has to be repeated goes over the limits of a message
        return None


@attrs.frozen
class Capabilities:
    """What an element understands, for ``check``."""

    methods: frozenset[str] = frozenset({"INVITE", "ACK", "BYE", "CANCEL", "OPTIONS"})
    extensions: frozenset[str] = frozenset()  #: option tags for Supported and Require
    schemes: frozenset[str] = frozenset({"sip", "sips", "tel"})  #: of request URIs
    content_types: frozenset[str] = frozenset({"application/sdp"})  #: of bodies, in lower case
    accepts: frozenset[str] = frozenset({"application/sdp"})  #: what our answers to an INVITE are made of


@attrs.frozen
class Rejection:
    """Why a request cannot be processed: the status, and the fields that RFC 3261 wants in that answer."""

    status: int
    fields: tuple[tuple[str, str], ...] = ()


def check(request: Request, capabilities: Capabilities, *, forwarding: bool = False) -> Rejection | None:
    """The checks of section 8.2 that need no state, in its order: method, URI scheme, Require, body, Accept; None: go on.

    With ``forwarding`` (a proxy, or a gateway whose other leg is SIP) Max-Forwards 0 is refused too (section 16.3). ACK
    and CANCEL are never refused for Require or a body (sections 8.2.2.3 and 9.2).
    """
    method = request.method
    if method not in capabilities.methods:
        known = method in native.METHODS
        return Rejection(405 if known else 501, (("Allow", ", ".join(sorted(capabilities.methods))),))
    if request.uri_text.partition(":")[0].lower() not in capabilities.schemes:
        return Rejection(416)
    if forwarding and request.max_forwards == 0:
        return Rejection(483)
    if method in ("ACK", "CANCEL"):
        return None
    missing = [tag for tag in request.headers("Require") if tag not in capabilities.extensions]
    if missing:
        return Rejection(420, (("Unsupported", ", ".join(missing)),))
    return _check_body(request, capabilities)


def _check_body(request: Request, capabilities: Capabilities) -> Rejection | None:
    content = request.content_type
    if content is not None and request.body and _media_type(content) not in capabilities.content_types:
        disposition = request.header("Content-Disposition") or ""
        if "handling=optional" not in disposition.replace(" ", "").lower():
            return Rejection(415, (("Accept", ", ".join(sorted(capabilities.content_types))),))
    if (request.header("Content-Encoding") or "identity").lower() != "identity":
        return Rejection(415, (("Accept-Encoding", "identity"),))
    accept = request.headers("Accept")
    if request.method == "INVITE" and accept and not _acceptable(accept, capabilities.accepts):
        return Rejection(406)
    return None


def _media_type(value: str) -> str:
    return value.partition(";")[0].replace(" ", "").replace("\t", "").lower()


def _acceptable(accept: Iterable[str], types: frozenset[str]) -> bool:
    ranges = {_media_type(value) for value in accept}
    return "*/*" in ranges or any(name in ranges or name.partition("/")[0] + "/*" in ranges for name in types)
