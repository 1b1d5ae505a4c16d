"""What a data link is set to, and what it asks for and reports; frozen values (ITU-T Q.921 sections 4 and 5.9)."""

from __future__ import annotations

import enum

import attrs


class Side(enum.Enum):
    """Which end of the interface we are; decides the C/R bit (section 3.3.2)."""

    USER = "user"
    NETWORK = "network"


class LinkState(enum.IntEnum):
    """States of annex B."""

    TEI_ASSIGNED = 4  #: released
    AWAITING_ESTABLISHMENT = 5
    AWAITING_RELEASE = 6
    ESTABLISHED = 7  #: multiple frame established
    TIMER_RECOVERY = 8


@attrs.frozen
class LinkTiming:
    """System parameters of section 5.9, with the values for a primary rate access."""

    t200_s: float = attrs.field(default=1.0, validator=attrs.validators.gt(0))  #: wait for an acknowledgement
    t203_s: float = attrs.field(default=10.0, validator=attrs.validators.gt(0))  #: longest silence without enquiry
    n200: int = attrs.field(default=3, validator=attrs.validators.ge(1))  #: retransmissions of one frame
    n201_octets: int = attrs.field(default=260, validator=attrs.validators.ge(1))  #: longest information field
    k: int = attrs.field(
        default=7, validator=[attrs.validators.ge(1), attrs.validators.le(127)]
    )  #: window, in I frames
    #: Frames may overtake one another, as in a D-channel over packets: an N(R) just behind V(A) is an old one, not an error.
    overtaking: bool = False


@attrs.frozen
class SendFrame:
    """Put these octets on the D-channel."""

    octets: bytes


@attrs.frozen
class LinkUp:
    """DL-ESTABLISH confirm or indication: the link can carry data."""

    asked_for: bool  #: by our own ``establish``


@attrs.frozen
class LinkReset:
    """DL-ESTABLISH indication on a link that was up: I frames that were not acknowledged are lost."""


@attrs.frozen
class LinkDown:
    """DL-RELEASE confirm or indication: nothing can be sent."""

    asked_for: bool  #: by our own ``release``


@attrs.frozen
class DataReceived:
    """DL-DATA indication: the information of one I frame, in order."""

    information: bytes


@attrs.frozen
class UnitDataReceived:
    """DL-UNIT DATA indication: the information of one UI frame."""

    information: bytes


@attrs.frozen
class LinkFault:
    """MDL-ERROR indication."""

    code: str  #: A to O of table II.1/Q.921


LinkEffect = SendFrame | LinkUp | LinkReset | LinkDown | DataReceived | UnitDataReceived | LinkFault
