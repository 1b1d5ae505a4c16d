"""Requests and responses (RFC 3261 section 7): octets with an index, read when asked, copied as they are when changed.

A message is frozen to whoever holds it. What ``voipgw.sip.parse`` returned has well-formed Via, From, To, Call-ID, CSeq,
Max-Forwards, Contact, Route and Record-Route fields; other fields are checked by whoever asks for their meaning. Changing
a message makes a new one: fields that are not touched are copied as octets, whatever their spelling.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

from voipgw._native import sip as native
from voipgw.causes import reason_phrase
from voipgw.errors import LocalProtocolError, ParseError
from voipgw.sip.compose import entity_lines, field_lines, request_line, status_line
from voipgw.sip.headers import CSeq, NameAddr, Via, decode, is_token, set_source, set_tag, split_list, unread_address
from voipgw.sip.uri import Uri, set_text

_TAIL, _FIELDS, _METHOD = native.TAIL, native.FIELDS, native.METHOD
_ID_OCTETS = tuple(bytes((i,)) for i in range(len(native.HEADERS)))
_NUMBERS: dict[str, int] = {}
for _i, _name in enumerate(native.HEADERS):
    for _form in (_name, native.COMPACT.get(_i, "")):
        if _form:
            _NUMBERS |= {_form: _i, _form.lower(): _i}
# What an answer repeats, in this order.
_COPIED = bytes((native.VIA, native.FROM, native.TO, native.CALL_ID, native.CSEQ))
_COPIED_IN_DIALOG = bytes((native.VIA, native.RECORD_ROUTE, native.FROM, native.TO, native.CALL_ID, native.CSEQ))
_COPIED_IN_100 = bytes((*_COPIED, _NUMBERS["Timestamp"]))
_BODY_FIELDS = ("Content-Length", "Content-Type", "Content-Encoding", "Content-Language", "Content-Disposition")

_new = object.__new__
_FROM, _TO = native.SPAN_FROM, native.SPAN_TO
_METHODS = native.METHODS
_TARGET, _CALL_ID, _FROM_TAG, _TO_TAG, _BRANCH, _SENT_BY, _OTHER_METHOD = range(7)
_span, _line, _u16, _u32, _i32 = native.span, native.line, native.u16, native.u32, native.i32


class Message:
    """What requests and responses have in common."""

    __slots__ = ("_from", "_index", "_raw", "_texts", "_to", "_uri", "_via", "_vias")
    _raw: bytes
    _index: bytes
    _texts: list[str]  #: as ``native.Scanned`` says
    _from: NameAddr | None
    _to: NameAddr | None
    _uri: Uri | None
    _via: Via | None
    _vias: tuple[Via, ...] | None

    @classmethod
    def _of(cls, raw: bytes) -> Self:
        """A message of our own."""
        try:
            return cls._indexed(raw, native.scan_own(raw))
        except native.Fault as fault:
            raise LocalProtocolError(f"our own message: {describe(fault)} (at octet {fault.at})") from None

    @classmethod
    def _indexed(cls, raw: bytes, scanned: native.Scanned) -> Self:
        message: Self = _new(cls)
        message._raw = raw
        message._index, message._texts = scanned
        message._from = message._to = message._uri = message._via = message._vias = None
        return message

    def __bytes__(self) -> bytes:
        return self._raw

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Message) and self._raw == other._raw

    def __hash__(self) -> int:
        return hash(self._raw)

    def __repr__(self) -> str:
        start, _, _ = self._raw.partition(b"\r\n")
        return f"<{start.decode('utf-8', 'replace')}>"

    @property
    def raw(self) -> bytes:
        """The octets of the wire."""
        return self._raw

    # Fields by name.

    def _spans(self, name: str) -> list[tuple[int, int, int, int]]:
        """Line, value, value's end and next line of every field of that name."""
        index = self._index
        count = index[_FIELDS]
        lines = _TAIL + count
        number = _NUMBERS.get(name) or _NUMBERS.get(name.lower(), 0)
        mark = _ID_OCTETS[number]
        found = []
        at = index.find(mark, _TAIL, lines)
        while at >= 0:
            entry = _line(index, lines + 6 * (at - _TAIL))
            if number or self._is_named(entry, name):
                found.append(entry)
            at = index.find(mark, at + 1, lines)
        return found

    def _is_named(self, entry: tuple[int, int, int, int], name: str) -> bool:
        return self._raw[entry[0] : entry[1]].partition(b":")[0].strip().lower() == name.lower().encode()

    def header(self, name: str) -> str | None:
        """The first value of that field, unfolded, or None; the name in any case, long or compact."""
        number = _NUMBERS.get(name)
        if not number:
            found = self._spans(name)
            return decode(self._raw[found[0][1] : found[0][2]]) if found else None
        index = self._index
        lines = _TAIL + index[_FIELDS]
        at = index.find(_ID_OCTETS[number], _TAIL, lines)
        if at < 0:
            return None
        _, value, end, _ = _line(index, lines + 6 * (at - _TAIL))
        return decode(self._raw[value:end])

    def headers(self, name: str) -> tuple[str, ...]:
        """All values of that field in order; where the field is one that commas separate, each value by itself."""
        values = [decode(self._raw[value:end]) for _, value, end, _ in self._spans(name)]
        if _NUMBERS.get(name.lower(), 0) in native.LISTS:
            return tuple(part for value in values for part in split_list(value))
        return tuple(values)

    def fields(self) -> list[tuple[str, str]]:
        """Every field as it came, in order: name as written, value unfolded."""
        index, raw = self._index, self._raw
        count = index[_FIELDS]
        found = []
        for at in range(_TAIL + count, _TAIL + 7 * count, 6):
            line, value, end, _ = _line(index, at)
            found.append((raw[line:value].partition(b":")[0].strip().decode(), decode(raw[value:end])))
        return found

    # What every message has.

    @property
    def call_id(self) -> str:
        """Call-ID (section 20.8)."""
        return self._texts[_CALL_ID]

    @property
    def from_tag(self) -> str | None:
        """The tag of From, or None (RFC 2543 peers have none)."""
        return self._texts[_FROM_TAG] or None

    @property
    def to_tag(self) -> str | None:
        """The tag of To, or None."""
        return self._texts[_TO_TAG] or None

    @property
    def branch(self) -> str | None:
        """The branch of the top Via, or None."""
        return self._texts[_BRANCH] or None

    @property
    def sent_by(self) -> str:
        """Host and port of the top Via in lower case without blanks: with the branch, what a transaction is known by."""
        return self._texts[_SENT_BY]

    @property
    def cseq_number(self) -> int:
        """The number of CSeq."""
        number: int = _u32(self._index, native.U32_CSEQ)[0]
        return number

    @property
    def cseq_method(self) -> str:
        """The method of CSeq; in a request that of the request."""
        return _METHODS[self._index[_METHOD]] or self._texts[_OTHER_METHOD]

    @property
    def cseq(self) -> CSeq:
        """CSeq (section 20.16)."""
        return CSeq(self.cseq_number, self.cseq_method)

    @property
    def from_(self) -> NameAddr:
        """From (section 20.20).

        Raises:
            ParseError: there is none (in a message of our own making).
        """
        value = self._from
        if value is None:
            at, end = _span(self._index, _FROM)
            if not at:
                raise ParseError("From is missing")
            value = self._from = _new(NameAddr)
            set_source(value, self._raw[at:end])
            set_tag(value, self._texts[_FROM_TAG] or None)
        return value

    @property
    def to(self) -> NameAddr:
        """To (section 20.39).

        Raises:
            ParseError: there is none (in a message of our own making).
        """
        value = self._to
        if value is None:
            at, end = _span(self._index, _TO)
            if not at:
                raise ParseError("To is missing")
            value = self._to = _new(NameAddr)
            set_source(value, self._raw[at:end])
            set_tag(value, self._texts[_TO_TAG] or None)
        return value

    @property
    def vias(self) -> tuple[Via, ...]:
        """Every Via value, the top one first."""
        vias = self._vias
        if vias is None:
            vias = self._vias = tuple([Via.parse(value) for value in self.headers("Via")])
        return vias

    @property
    def via(self) -> Via:
        """The top Via.

        Raises:
            ParseError: there is none (in a message of our own making).
        """
        via = self._via
        if via is None:
            value = self.header("Via")
            if value is None:
                raise ParseError("Via is missing")
            via = self._via = Via.parse(split_list(value)[0])
        return via

    @property
    def contacts(self) -> tuple[NameAddr, ...]:
        """Every Contact; empty also for ``Contact: *``, see ``contact_wildcard``."""
        return () if self.contact_wildcard else self._addresses("Contact")

    @property
    def contact_wildcard(self) -> bool:
        """Whether Contact is ``*`` (section 10.2.2)."""
        return self.header("Contact") == "*"

    @property
    def routes(self) -> tuple[NameAddr, ...]:
        """Every Route, the topmost first."""
        return self._addresses("Route")

    @property
    def record_routes(self) -> tuple[NameAddr, ...]:
        """Every Record-Route, the topmost first."""
        return self._addresses("Record-Route")

    def _addresses(self, name: str) -> tuple[NameAddr, ...]:
        return tuple([unread_address(value) for value in self.headers(name)])

    @property
    def max_forwards(self) -> int | None:
        """Max-Forwards, or None without one."""
        hops: int = _i32(self._index, native.I32_MAX_FORWARDS)[0]
        return hops if hops >= 0 else None

    @property
    def content_type(self) -> str | None:
        """Content-Type as written, with its parameters, or None."""
        return self.header("Content-Type")

    @property
    def body(self) -> bytes:
        """The body, as many octets as Content-Length says, or all that came without it."""
        return self._raw[_u32(self._index, native.U32_BODY)[0] :]

    # Other messages from this one.

    def with_fields(
        self,
        *,
        remove: Iterable[str] = (),
        prepend: Iterable[tuple[str, str]] = (),
        append: Iterable[tuple[str, str]] = (),
        body: bytes | None = None,
        content_type: str | None = None,
    ) -> Self:
        """The message with other fields or another body; what is not named is copied octet for octet.

        ``remove`` takes out every field of these names; ``prepend`` goes above all fields, ``append`` below them. A new
        ``body`` takes the old one's Content fields with it and gets its own Content-Length and ``content_type``.

        Raises:
            LocalProtocolError: a name or value that cannot stand in a field (a line end, a NUL).
        """
        raw, index = self._raw, self._index
        names = remove if body is None else (*remove, *_BODY_FIELDS)
        body_at: int = _u32(index, native.U32_BODY)[0]
        at: int = _u16(index, native.U16_FIELDS_AT)[0]
        pieces = [raw[:at], field_lines(prepend)]
        removed = [entry for name in {name.lower() for name in names} for entry in self._spans(name)]
        removed.sort()
        for line, _, _, end in removed:
            pieces.append(raw[at:line])
            at = end
        pieces += (raw[at : body_at - 2], field_lines(append))
        if body is None:
            pieces.append(raw[body_at - 2 :])
        else:
            pieces.append(entity_lines(body, content_type))
        return self._of(b"".join(pieces))

    def with_via(self, via: Via) -> Self:
        """The message with its top Via value replaced (``received`` and ``rport`` noted, section 18.2.1)."""
        _, value, end, _ = self._spans("Via")[0]
        end = value + len(self._top_via(value, end))
        new = str(via)
        field_lines((("Via", new),))
        return self._of(b"".join((self._raw[:value], new.encode(), self._raw[end:])))

    def without_top_via(self) -> Self:
        """The message without its top Via value (section 16.7 step 3)."""
        line, value, end, following = self._spans("Via")[0]
        top = value + len(self._top_via(value, end))
        if top == end:
            return self._of(self._raw[:line] + self._raw[following:])
        rest = self._raw[top:end].lstrip(b" \t\r\n,")
        return self._of(b"".join((self._raw[:value], rest, self._raw[end:])))

    def _top_via(self, value: int, end: int) -> bytes:
        octets = self._raw[value:end]
        if b"," not in octets:
            return octets
        at = len(octets) if b'"' in octets else octets.index(b",")
        if b'"' in octets:
            first = split_list(octets.decode("latin-1"))[0]
            at = octets.index(first.encode("latin-1")) + len(first)
        return octets[:at].rstrip(b" \t\r\n")


class Request(Message):
    """A request (section 7.1)."""

    __slots__ = ()

    @classmethod
    def create(
        cls,
        method: str,
        uri: Uri | str,
        fields: Iterable[tuple[str, str]],
        body: bytes = b"",
        content_type: str | None = None,
    ) -> Request:
        """Make a request from its fields in order; Content-Type (where given) and Content-Length are added.

        Raises:
            LocalProtocolError: a method, URI, name or value that cannot stand on the wire.
        """
        return cls._of(
            b"".join((request_line(method, str(uri)), field_lines(fields), entity_lines(body, content_type)))
        )

    @property
    def method(self) -> str:
        """The method, case as it is."""
        return _METHODS[self._index[_METHOD]] or self._texts[_OTHER_METHOD]

    @property
    def uri_text(self) -> str:
        """The request URI as it stands in the request line."""
        return self._texts[_TARGET]

    @property
    def uri(self) -> Uri:
        """The request URI."""
        uri = self._uri
        if uri is None:
            uri = self._uri = _new(Uri)
            set_text(uri, self._texts[_TARGET])
        return uri

    def with_uri(self, uri: Uri | str) -> Request:
        """The request with another request URI.

        Raises:
            LocalProtocolError: a URI that cannot stand in a request line.
        """
        end = _u16(self._index, native.U16_FIELDS_AT)[0]
        return self._of(request_line(self.method, str(uri)) + self._raw[end:])


class Response(Message):
    """A response (section 7.2)."""

    __slots__ = ()

    @classmethod
    def create(
        cls,
        status: int,
        reason: str | None,
        fields: Iterable[tuple[str, str]],
        body: bytes = b"",
        content_type: str | None = None,
    ) -> Response:
        """Make a response from its fields in order; ``reason`` None takes the status's usual phrase.

        Raises:
            LocalProtocolError: a status out of 100 to 699, or text that cannot stand on the wire.
        """
        start = status_line(status, reason_phrase(status) if reason is None else reason)
        return cls._of(b"".join((start, field_lines(fields), entity_lines(body, content_type))))

    @classmethod
    def answer(
        cls,
        request: Request,
        status: int,
        reason: str | None = None,
        *,
        to_tag: str | None = None,
        fields: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
        content_type: str | None = None,
    ) -> Response:
        """The response to a request (section 8.2.6.2): its Via, From, To, Call-ID and CSeq lines as they came.

        ``to_tag`` is added to a To that has no tag. Record-Route is copied in 101 to 299 (section 12.1.1), Timestamp in
        100 (section 8.2.6.1).

        Raises:
            LocalProtocolError: a status out of 100 to 699, or text that cannot stand on the wire.
        """
        if to_tag is not None and (not is_token(to_tag) or len(to_tag) > 256):
            raise LocalProtocolError(f"a tag is a token of at most 256 characters, not {to_tag!r}")
        tag = to_tag.encode() if to_tag is not None and not request._texts[_TO_TAG] else b""
        copied = _COPIED_IN_100 if status == 100 else _COPIED_IN_DIALOG if status < 300 else _COPIED
        pieces = (
            status_line(status, reason_phrase(status) if reason is None else reason),
            native.copy_lines(request._raw, request._index, copied, tag),
            field_lines(fields),
            entity_lines(body, content_type),
        )
        return cls._of(b"".join(pieces))

    @property
    def status(self) -> int:
        """The status code, 100 to 699."""
        status: int = _u16(self._index, native.U16_STATUS)[0]
        return status

    @property
    def reason(self) -> str:
        """The reason phrase, "" when there is none."""
        at, end = _span(self._index, native.SPAN_TARGET)
        return decode(self._raw[at:end])


def describe(fault: native.Fault) -> str:
    """A refusal of the scanner in words."""
    text, _ = native.FAULTS[fault.code]
    return text.format(field=native.HEADERS[fault.field] or "field")
