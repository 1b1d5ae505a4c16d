"""LAPD frames between two flags, without FCS (ITU-T Q.921 sections 2 and 3): modulo 128, two address octets.

Whether a frame is a command or a response follows from its C/R bit and from who sent it: the network sets the bit in its
commands, the user in its responses (section 3.3.2). ``Frame`` therefore keeps the bit as it stands on the wire.
"""

from __future__ import annotations

import enum

import attrs

from voipgw.errors import ParseError


class FrameKind(enum.Enum):
    """Commands and responses of table 5/Q.921; the value is the control field with P/F and sequence numbers 0."""

    I = 0x00  # noqa: E741
    RR = 0x01
    RNR = 0x05
    REJ = 0x09
    SABME = 0x6F
    DM = 0x0F
    UI = 0x03
    DISC = 0x43
    UA = 0x63
    FRMR = 0x87
    XID = 0xAF


class FrameFault(enum.Enum):
    """Why a frame that is long enough is no frame of the protocol; the value is the code of MDL-ERROR (table II.1/Q.921)."""

    UNDEFINED = "L"  #: a control field that nothing defines
    INFORMATION_NOT_PERMITTED = "M"  #: octets after the control field of a frame that has none
    WRONG_SIZE = "N"  #: an FRMR or supervisory frame of a wrong length
    TOO_LONG = "O"  #: more information than N201


class FrameError(ParseError):
    """A frame with a valid address and an invalid rest: the frame reject condition of section 5.8.5."""

    def __init__(self, fault: FrameFault, address: Address) -> None:
        super().__init__(f"LAPD frame: {fault.name.lower().replace('_', ' ')}", at=2)
        self.fault = fault
        self.address = address  #: whom it was for


@attrs.frozen
class Address:
    """The address field (section 3.2)."""

    sapi: int = 0  #: 0 call control, 63 management
    tei: int = 0  #: 0 on a primary rate access, 127 broadcast
    cr: bool = False  #: the C/R bit as sent


@attrs.frozen
class Frame:
    """One frame."""

    kind: FrameKind
    address: Address = Address()
    poll_final: bool = False
    ns: int = 0  #: N(S), of I frames
    nr: int = 0  #: N(R), of I and supervisory frames
    information: bytes = b""

    def __bytes__(self) -> bytes:
        """The octets between the flags, without FCS."""
        address = self.address
        head = (address.sapi << 2 | (2 if address.cr else 0), address.tei << 1 | 1)
        kind = self.kind
        pf = 1 if self.poll_final else 0
        if kind is FrameKind.I:
            return bytes((*head, self.ns << 1, self.nr << 1 | pf)) + self.information
        if kind in _SUPERVISORY:
            return bytes((*head, kind.value, self.nr << 1 | pf))
        return bytes((*head, kind.value | pf << 4)) + self.information


_SUPERVISORY = frozenset({FrameKind.RR, FrameKind.RNR, FrameKind.REJ})
_BY_SUPERVISORY = {kind.value: kind for kind in _SUPERVISORY}
_BY_UNNUMBERED = {
    kind.value: kind
    for kind in (
        FrameKind.SABME, FrameKind.DM, FrameKind.UI, FrameKind.DISC, FrameKind.UA, FrameKind.FRMR, FrameKind.XID,
    )
}  # fmt: skip
_WITH_INFORMATION = frozenset({FrameKind.UI, FrameKind.FRMR, FrameKind.XID})


def parse(data: bytes, n201_octets: int = 260) -> Frame:
    """The frame in ``data`` (octets between flags, FCS removed).

    Raises:
        FrameError: the address is good and the rest is not (section 5.8.5).
        ParseError: an invalid frame in the sense of section 2.9, which is to be ignored.
    """
    if len(data) < 3:
        raise ParseError(f"LAPD frame of {len(data)} octets", at=0)
    if data[0] & 1 or not data[1] & 1:
        raise ParseError("LAPD address field is not two octets", at=0)
    address = Address(data[0] >> 2, data[1] >> 1, bool(data[0] & 2))
    control = data[2]
    if control & 3 == 3:
        return _unnumbered(data, address, n201_octets)
    if len(data) < 4:
        raise ParseError("LAPD frame with sequence numbers of 3 octets", at=3)
    poll_final, nr = bool(data[3] & 1), data[3] >> 1
    if control & 1 == 0:
        if len(data) - 4 > n201_octets:
            raise FrameError(FrameFault.TOO_LONG, address)
        return Frame(FrameKind.I, address, poll_final, control >> 1, nr, bytes(data[4:]))
    kind = _BY_SUPERVISORY.get(control)
    if kind is None:
        raise FrameError(FrameFault.UNDEFINED, address)
    if len(data) != 4:
        raise FrameError(FrameFault.WRONG_SIZE, address)
    return Frame(kind, address, poll_final, 0, nr)


def _unnumbered(data: bytes, address: Address, n201_octets: int) -> Frame:
    kind = _BY_UNNUMBERED.get(data[2] & ~0x10)
    if kind is None:
        raise FrameError(FrameFault.UNDEFINED, address)
    information = bytes(data[3:])
    if information and kind not in _WITH_INFORMATION:
        raise FrameError(FrameFault.INFORMATION_NOT_PERMITTED, address)
    if kind is FrameKind.FRMR and len(information) != 5:
        raise FrameError(FrameFault.WRONG_SIZE, address)
    if len(information) > n201_octets:
        raise FrameError(FrameFault.TOO_LONG, address)
    return Frame(kind, address, bool(data[2] & 0x10), information=information)
