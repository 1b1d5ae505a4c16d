"""Messages of ITU-T Q.931: octets to message and back. Elements are looked into when they are asked for.

An element that nothing here knows is carried, whatever its codeset. ``bytes`` of a message that was parsed gives the octets
that were parsed.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self, TypeVar

import attrs

from voipgw.causes import Cause
from voipgw.errors import LocalProtocolError, ParseError
from voipgw.pstn.isdn import carried_elements, elements, numbers
from voipgw.pstn.isdn.info import Info
from voipgw.pstn.isdn.q931_tables import MANDATORY, CallState, ElementId, MessageType

__all__ = [
    "CallReference",
    "CallState",
    "Element",
    "ElementFault",
    "ElementId",
    "Message",
    "MessageType",
    "faults",
    "parse",
]

Q931 = 0x08  #: protocol discriminator of call control
MAINTENANCE = (0x03, 0x43)  #: of the maintenance messages of NI-2, 4ESS and 5ESS, and of DMS-100
MAX_OCTETS = 4096  #: longest message that is looked at; N201 is 260
T = TypeVar("T", bound=Info)


@attrs.frozen
class CallReference:
    """A call reference (section 4.3)."""

    value: int  #: 1 to 127 in one octet, to 32767 in two; 0 is the global call reference
    to_originator: bool = False  #: the flag: this message goes to the side that chose the value
    octets: int = 2  #: length of the value; 0 is the dummy call reference

    def __bytes__(self) -> bytes:
        """Length octet and value."""
        if not self.octets:
            return b"\x00"
        flag = 1 << (8 * self.octets - 1) if self.to_originator else 0
        return bytes((self.octets,)) + (self.value | flag).to_bytes(self.octets, "big")


@attrs.frozen
class Element:
    """One information element as it stands in a message."""

    identifier: int  #: 0x00 to 0x7F with contents; 0x80 up: of one octet, value bits cleared where it has a value
    contents: bytes = b""  #: without length; the value of a single-octet element of type 1 in one octet
    codeset: int = 0

    @classmethod
    def of(cls, info: Info) -> Self:
        """The element that carries ``info``."""
        return cls(info.IDENTIFIER, info.encode(), info.CODESET)

    def __bytes__(self) -> bytes:
        """Identifier, length and contents."""
        if self.identifier & 0x80:
            return bytes((self.identifier | (self.contents[0] if self.contents else 0),))
        if len(self.contents) > 255:
            raise LocalProtocolError(f"element {self.identifier:#04x} of {len(self.contents)} octets")
        return bytes((self.identifier, len(self.contents))) + self.contents


@attrs.frozen
class Message:
    """One message. ``elements`` are those of all codesets, in order."""

    kind: int  #: see ``MessageType``; one that nothing defines is kept
    reference: CallReference
    elements: tuple[Element, ...] = ()
    discriminator: int = Q931
    raw: bytes = attrs.field(default=b"", eq=False, repr=False)  #: as received, b"" for one of ours

    @classmethod
    def create(cls, kind: int, reference: CallReference, infos: Iterable[Info | Element] = ()) -> Self:
        """A message of ours, its elements put in the order that section 4.5.1 wants; a repeat indicator keeps the order given."""
        given = [info if isinstance(info, Element) else Element.of(info) for info in infos]
        if not any(e.identifier == ElementId.REPEAT_INDICATOR for e in given):
            given.sort(key=lambda e: (e.codeset, not e.identifier & 0x80, e.identifier))
        return cls(kind, reference, tuple(given))

    def __bytes__(self) -> bytes:
        """The octets, from protocol discriminator to last element."""
        if self.raw:
            return self.raw
        out = bytearray((self.discriminator,))
        out += bytes(self.reference)
        out.append(self.kind)
        locked = 0
        for element in self.elements:
            if element.codeset > locked:
                locked = element.codeset
                out.append(ElementId.SHIFT | locked)
            elif element.codeset < locked:
                out.append(ElementId.SHIFT | 8 | element.codeset)
            out += bytes(element)
        return bytes(out)

    @property
    def name(self) -> str:
        """Its type in words."""
        try:
            return MessageType(self.kind).name.replace("_", " ")
        except ValueError:
            return f"message {self.kind:#04x}"

    def element(self, identifier: int, codeset: int = 0) -> Element | None:
        """The first element of that identifier."""
        for element in self.elements:
            if element.identifier == identifier and element.codeset == codeset:
                return element
        return None

    def find(self, info: type[T]) -> T | None:
        """The first element of that kind, None when there is none or its contents are invalid."""
        element = self.element(info.IDENTIFIER, info.CODESET)
        if element is None:
            return None
        try:
            return info.decode(element.contents)
        except ParseError:
            return None

    def find_all(self, info: type[T]) -> list[T]:
        """Every element of that kind with valid contents."""
        found = []
        for element in self.elements:
            if element.identifier == info.IDENTIFIER and element.codeset == info.CODESET:
                try:
                    found.append(info.decode(element.contents))
                except ParseError:
                    continue
        return found

    def infos(self) -> list[Info | Element]:
        """Every element, decoded where it is known and valid."""
        found: list[Info | Element] = []
        for element in self.elements:
            kind = KINDS.get(element.identifier) if element.codeset == 0 else None
            try:
                found.append(kind.decode(element.contents) if kind is not None else element)
            except ParseError:
                found.append(element)
        return found


@attrs.frozen
class ElementFault:
    """An element that is missing or wrong (sections 5.8.6 and 5.8.7)."""

    cause: Cause  #: 96, 99 or 100
    identifier: int
    mandatory: bool  #: the message cannot be acted on


def faults(message: Message) -> list[ElementFault]:
    """What is wrong with the elements of ``message``, the worst first.

    Missing mandatory elements and unknown ones that require comprehension (identifier 0000 xxxx, section 4.5.1) count as
    mandatory; other unknown ones are not faults, for they may be ignored (section 5.8.7.1).
    """
    mandatory = MANDATORY.get(message.kind, ())
    found = [
        ElementFault(Cause.MANDATORY_ELEMENT_MISSING, identifier, True)
        for identifier in mandatory
        if message.element(identifier) is None
    ]
    seen: set[int] = set()
    for element in message.elements:
        if element.codeset or element.identifier in seen:
            continue  # the first of several counts (section 5.8.5.2)
        seen.add(element.identifier)
        kind = KINDS.get(element.identifier)
        if kind is None:
            if element.identifier & 0xF0 == 0:
                found.append(ElementFault(Cause.MANDATORY_ELEMENT_MISSING, element.identifier, True))
            continue
        try:
            kind.decode(element.contents)
        except ParseError:
            found.append(
                ElementFault(Cause.INVALID_ELEMENT_CONTENTS, element.identifier, element.identifier in mandatory)
            )
    found.sort(key=lambda fault: not fault.mandatory)
    return found


def parse(data: bytes) -> Message:
    """The message in ``data``, the information of one I or UI frame.

    Raises:
        ParseError: not a message of call control or maintenance, or one whose elements do not fit it.
    """
    if len(data) > MAX_OCTETS:
        raise ParseError(f"message of {len(data)} octets")
    if len(data) < 3:
        raise ParseError(f"message of {len(data)} octets", at=0)
    if data[0] != Q931 and data[0] not in MAINTENANCE:
        raise ParseError(f"protocol discriminator {data[0]:#04x}", at=0)
    length = data[1]
    if length > 2:
        raise ParseError(f"call reference length octet {length:#04x}", at=1)
    at = 2 + length
    if at >= len(data):
        raise ParseError("message without a type", at=at)
    value = int.from_bytes(data[2:at], "big")
    flag = 1 << (8 * length - 1) if length else 0
    reference = CallReference(value & ~flag, bool(value & flag), length)
    return Message(data[at], reference, _parse_elements(data, at + 1), data[0], bytes(data))


def _parse_elements(data: bytes, at: int) -> tuple[Element, ...]:
    found: list[Element] = []
    locked = codeset = 0
    end = len(data)
    while at < end:
        identifier = data[at]
        at += 1
        if identifier & 0x80:
            kind = identifier & 0xF0
            if kind == ElementId.SHIFT:
                codeset = identifier & 7
                if not identifier & 8:
                    codeset = locked = max(codeset, locked)  # a locking shift only goes up (section 4.5.3)
                continue
            if kind == ElementId.MORE_DATA:
                found.append(Element(identifier, b"", codeset))
            else:
                found.append(Element(kind, bytes((identifier & 0x0F,)), codeset))
        else:
            if at >= end:
                raise ParseError(f"element {identifier:#04x} without a length", at=at)
            length = data[at]
            at += 1
            if at + length > end:
                raise ParseError(f"element {identifier:#04x} of {length} octets where {end - at} are left", at=at)
            found.append(Element(identifier, bytes(data[at : at + length]), codeset))
            at += length
        codeset = locked
    return tuple(found)


#: The class of each element of codeset 0 that is known.
KINDS: dict[int, type[Info]] = {
    kind.IDENTIFIER: kind
    for module in (elements, carried_elements, numbers)
    for kind in vars(module).values()
    if isinstance(kind, type) and issubclass(kind, Info) and hasattr(kind, "IDENTIFIER")
}
