"""Text to values (RFC 8866 section 9): lenient where peers are known to be sloppy, bounded everywhere.

Taken as they come: bare LF or CR as line end, no line end at the end, blank lines, lines in another order than section 5
gives, a missing ``s=`` or ``t=``, an ``m=`` line without formats. Lines of unknown type and ``a=`` lines without a name are
dropped. Octets that are not UTF-8 survive (surrogate escapes), so that what was received can be sent on.
"""

from __future__ import annotations

from bisect import bisect
from typing import NamedTuple

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


def parse(text: str | bytes, limits: Limits = _LIMITS) -> SessionDescription:
    """The description that ``text`` spells.

    Raises:
        ParseError: it is none, or exceeds ``limits``; the message names the line.
    """
    sections = _sections(text, limits)
    session = sections[0]
    version = session.get("v", [])
    if not version or version[0].number != session["first"][0].number:
        raise ParseError("SDP line 1: a description begins with v=")
    if version[0].value.strip() != "0":
        raise version[0].error("version is not 0")
    media = tuple([_media(section, limits) for section in sections[1:]])
    return _session(session, media, limits)


class _Line(NamedTuple):
    """One line: its number, its type and its value."""

    number: int
    letter: str
    value: str

    def error(self, what: str) -> ParseError:
        """The ParseError that names this line."""
        return ParseError(f"SDP line {self.number} ({self.letter}=): {what}")

    def integer(self, text: str, highest: int) -> int:
        """``text`` as a number from 0 to ``highest``."""
        if not (text.isascii() and text.isdigit() and len(text) <= 20) or int(text) > highest:
            raise self.error(f"{text[:40]!r} is not a number from 0 to {highest}")
        return int(text)


_Section = dict[str, list[_Line]]  # the lines of a section by their type; "first" is its first line


def _sections(text: str | bytes, limits: Limits) -> list[_Section]:
    """The session's section and those of its media."""
    section: _Section = {}
    sections = [section]
    for number, line in enumerate(_decoded(text, limits).split("\n"), 1):
        if line[1:2] != "=" or not (line[0].isascii() and line[0].isalpha()):
            if not line or line.isspace():
                continue
            raise ParseError(f"SDP line {number}: {line[:40]!r} is not of the form x=value")
        if len(line) > limits.line_characters:
            raise ParseError(f"SDP line {number} is longer than {limits.line_characters} characters")
        found = _Line(number, line[0], line[2:])
        if found.letter == "m":
            if len(sections) > limits.media:
                raise found.error(f"more than {limits.media} media sections")
            section = {}
            sections.append(section)
        if not section:
            section["first"] = [found]
        lines = section.get(found.letter)
        if lines is None:
            section[found.letter] = [found]
        else:
            lines.append(found)
    if not sections[0]:
        raise ParseError("SDP line 1: a description begins with v=")
    return sections


def _decoded(text: str | bytes, limits: Limits) -> str:
    """``text`` with LF as line end, its size checked."""
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
    return decoded


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


def _attributes(section: _Section, limits: Limits) -> tuple[Attribute, ...]:
    lines = section.get("a", ())
    if len(lines) > limits.attributes:
        raise section["first"][0].error(f"more than {limits.attributes} attributes in this section")
    texts = [line.value.strip() for line in lines]
    return tuple([Attribute.of(text) for text in texts if text and text[0] != ":"])


def _texts(section: _Section, letter: str) -> tuple[str, ...]:
    return tuple([line.value.strip() for line in section.get(letter, ())])


def _text(section: _Section, letter: str) -> str | None:
    lines = section.get(letter)
    return lines[0].value.strip() if lines else None


def _media(section: _Section, limits: Limits) -> MediaDescription:
    first = section["m"][0]
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
        title=_text(section, "i"),
        connections=tuple([_connection(line) for line in section.get("c", ())]),
        bandwidths=_texts(section, "b"),
        key=_text(section, "k"),
        attributes=_attributes(section, limits),
    )


def _session(section: _Section, media: tuple[MediaDescription, ...], limits: Limits) -> SessionDescription:
    if "o" not in section:
        raise ParseError("SDP has no o= line")
    return SessionDescription(
        origin=_origin(section["o"][0]),
        name=_text(section, "s") or "-",
        information=_text(section, "i"),
        uri=_text(section, "u"),
        emails=_texts(section, "e"),
        phones=_texts(section, "p"),
        connection=_connection(section["c"][0]) if "c" in section else None,
        bandwidths=_texts(section, "b"),
        times=_times(section),
        zone=_text(section, "z"),
        key=_text(section, "k"),
        attributes=_attributes(section, limits),
        media=media,
    )


def _times(section: _Section) -> tuple[Timing, ...]:
    """The ``t=`` lines, each with the ``r=`` lines between it and the next."""
    if "t" not in section:
        return (Timing(),)
    times = section["t"]
    repeats = section.get("r", [])
    numbers = [repeat.number for repeat in repeats]
    starts = [bisect(numbers, line.number) for line in times] + [len(repeats)]
    found = []
    for line, start, end in zip(times, starts, starts[1:], strict=False):
        found.append(_timing(line, tuple([repeat.value.strip() for repeat in repeats[start:end]])))
    return tuple(found)


def _timing(line: _Line, repeats: tuple[str, ...]) -> Timing:
    words = line.value.split()
    if len(words) != 2:
        raise line.error("not a start and a stop time")
    return Timing(line.integer(words[0], 1 << 64), line.integer(words[1], 1 << 64), repeats)
