"""Text to values (RFC 8866 section 9): lenient where peers are known to be sloppy, bounded everywhere.

Taken as they come: bare LF or CR as line end, no line end at the end, blank lines, lines in another order than section 5
gives, a missing ``s=`` or ``t=``, an ``m=`` line without formats. Lines of unknown type and ``a=`` lines without a name are
dropped. Octets that are not UTF-8 survive (surrogate escapes), so that what was received can be sent on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import attrs

from voipgw.errors import ParseError
from voipgw.sdp.model import Attribute, Connection, MediaDescription, Origin, SessionDescription, Timing


@attrs.frozen
class Limits:
    """What is too much of a description."""

    octets: int = 65536
    lines: int = 2048
    line_characters: int = 8192
    media: int = 32  #: media sections
    attributes: int = 512  #: of the session or of one media section
    formats: int = 256  #: of one media section


_LIMITS = Limits()
_Value = TypeVar("_Value")


def parse(text: str | bytes, limits: Limits = _LIMITS) -> SessionDescription:
    """The description that ``text`` spells.

    Raises:
        ParseError: it is none, or exceeds ``limits``; the message names the line.
    """
    sections: list[list[_Line]] = [[]]
    for line in _lines(text, limits):
        if line.letter == "m":
            if len(sections) > limits.media:
                raise line.error(f"more than {limits.media} media sections")
            sections.append([])
        sections[-1].append(line)
    session = sections[0]
    if not session or session[0].letter != "v":
        raise ParseError("SDP line 1: a description begins with v=")
    if session[0].value.strip() != "0":
        raise session[0].error("version is not 0")
    media = tuple([_media(section, limits) for section in sections[1:]])
    return _session(session, media, limits)


class _Line:
    """One line: its number, its type and its value."""

    __slots__ = ("letter", "number", "value")

    def __init__(self, number: int, letter: str, value: str) -> None:
        self.number, self.letter, self.value = number, letter, value

    def error(self, what: str) -> ParseError:
        """The ParseError that names this line."""
        return ParseError(f"SDP line {self.number} ({self.letter}=): {what}")

    def integer(self, text: str, highest: int) -> int:
        """``text`` as a number from 0 to ``highest``."""
        if not (text.isascii() and text.isdigit() and len(text) <= 20) or int(text) > highest:
            raise self.error(f"{text[:40]!r} is not a number from 0 to {highest}")
        return int(text)


def _lines(text: str | bytes, limits: Limits) -> list[_Line]:
    """Every line that is not blank."""
    if not isinstance(text, bytes):
        if len(text) > limits.octets:
            raise ParseError(f"SDP is longer than {limits.octets} octets")
        try:
            text = text.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError:
            raise ParseError("SDP contains half a surrogate pair") from None
    if len(text) > limits.octets:
        raise ParseError(f"SDP is longer than {limits.octets} octets")
    if b"\0" in text:
        raise ParseError("SDP contains a NUL", at=text.index(b"\0"))
    decoded = text.decode("utf-8", "surrogateescape").replace("\r\n", "\n").replace("\r", "\n")
    if decoded.count("\n") > limits.lines:
        raise ParseError(f"SDP has more than {limits.lines} lines")
    found = []
    for number, line in enumerate(decoded.split("\n"), 1):
        if not line or line.isspace():
            continue
        if len(line) > limits.line_characters:
            raise ParseError(f"SDP line {number} is longer than {limits.line_characters} characters")
        if line[1:2] != "=" or not (line[0].isascii() and line[0].isalpha()):
            raise ParseError(f"SDP line {number}: {line[:40]!r} is not of the form x=value")
        found.append(_Line(number, line[0], line[2:]))
    return found


def _origin(line: _Line) -> Origin:
    words = line.value.split()
    if len(words) == 5:  # an empty user name, seen in the field
        words.insert(0, "-")
    if len(words) != 6:
        raise line.error("not user name, session id, version, network type, address type and address")
    username, session_id, version, network, kind, address = words
    return Origin(session_id, version, address, username, kind, network)


def _connection(line: _Line) -> Connection:
    words = line.value.split()
    if len(words) != 3:
        raise line.error("not network type, address type and address")
    address, slash, suffix = words[2].partition("/")
    if not address:
        raise line.error("no address")
    return Connection(address, slash + suffix, words[1], words[0])


def _timing(line: _Line) -> Timing:
    words = line.value.split()
    if len(words) != 2:
        raise line.error("not a start and a stop time")
    return Timing(line.integer(words[0], 1 << 64), line.integer(words[1], 1 << 64))


def _attribute(line: _Line) -> Attribute | None:
    name, colon, value = line.value.strip().partition(":")
    name = name.rstrip()
    return Attribute(name, value if colon else None) if name else None


def _attributes(lines: list[_Line], limits: Limits) -> tuple[Attribute, ...]:
    found = [attribute for line in lines if line.letter == "a" and (attribute := _attribute(line)) is not None]
    if len(found) > limits.attributes:
        raise lines[0].error(f"more than {limits.attributes} attributes in this section")
    return tuple(found)


def _texts(lines: list[_Line], letter: str) -> tuple[str, ...]:
    return tuple([line.value.strip() for line in lines if line.letter == letter])


def _text(lines: list[_Line], letter: str) -> str | None:
    for line in lines:
        if line.letter == letter:
            return line.value.strip()
    return None


def _media(lines: list[_Line], limits: Limits) -> MediaDescription:
    first = lines[0]
    words = first.value.split()
    if len(words) < 3:
        raise first.error("not media, port, protocol and formats")
    if len(words) - 3 > limits.formats:
        raise first.error(f"more than {limits.formats} formats")
    port, slash, count = words[1].partition("/")
    return MediaDescription(
        kind=words[0],
        port=first.integer(port, 65535),
        protocol=words[2],
        formats=tuple(words[3:]),
        port_count=first.integer(count, 65535) if slash else 1,
        title=_text(lines, "i"),
        connections=tuple([_connection(line) for line in lines if line.letter == "c"]),
        bandwidths=_texts(lines, "b"),
        key=_text(lines, "k"),
        attributes=_attributes(lines, limits),
    )


def _session(lines: list[_Line], media: tuple[MediaDescription, ...], limits: Limits) -> SessionDescription:
    origin = _only(lines, "o", _origin)
    if origin is None:
        raise ParseError("SDP has no o= line")
    times: list[Timing] = []
    for line in lines:
        if line.letter == "t":
            times.append(_timing(line))
        elif line.letter == "r" and times:
            times[-1] = attrs.evolve(times[-1], repeats=(*times[-1].repeats, line.value.strip()))
    return SessionDescription(
        origin=origin,
        name=_text(lines, "s") or "-",
        information=_text(lines, "i"),
        uri=_text(lines, "u"),
        emails=_texts(lines, "e"),
        phones=_texts(lines, "p"),
        connection=_only(lines, "c", _connection),
        bandwidths=_texts(lines, "b"),
        times=tuple(times) or (Timing(),),
        zone=_text(lines, "z"),
        key=_text(lines, "k"),
        attributes=_attributes(lines, limits),
        media=media,
    )


def _only(lines: list[_Line], letter: str, read: Callable[[_Line], _Value]) -> _Value | None:
    for line in lines:
        if line.letter == letter:
            return read(line)
    return None
