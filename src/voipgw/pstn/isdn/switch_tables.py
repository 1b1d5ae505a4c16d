"""How the switches that speak Q.931 differ, as one table of flags.

A user adds a switch by ``attrs.evolve`` of the nearest one; nothing in call control asks for a switch by name.
"""

from __future__ import annotations

import attrs

from voipgw.pstn.isdn.elements import BearerCapability
from voipgw.pstn.isdn.numbers import Number

E1_CHANNELS = (*range(1, 16), *range(17, 32))
T1_CHANNELS = tuple(range(1, 24))


@attrs.frozen
class SwitchProfile:
    """One kind of switch."""

    name: str
    channels: tuple[int, ...] = E1_CHANNELS  #: B-channels of a span with a D-channel
    law: str = "PCMA"
    symmetric: bool = False  #: both ends have the same role in call control, as in QSIG (ISO/IEC 11572)
    overlap: bool = True  #: numbers may come digit by digit
    sending_complete: bool = True  #: a whole number is marked so in SETUP
    number_type: int = Number.UNKNOWN  #: of numbers that do not say theirs
    number_plan: int = 1
    exclusive: bool = True  #: the channel of our SETUP is not negotiable
    hold: bool = False  #: HOLD and RETRIEVE (Q.932)
    display_prefix: int | None = None  #: octet before the text of a display element
    calling_name: bool = True  #: the calling name goes in the display element of SETUP
    user_user: bool = True  #: user-user elements are carried
    redirecting: bool = True  #: the redirecting number is carried
    bearer: int = BearerCapability.SPEECH
    origin_not_isdn: bool = False  #: SETUP for a telephone of ours carries progress indicator 3
    restart_at_start: bool = False  #: channels are restarted when the data link has come up first
    status_on_faults: bool = True  #: optional elements with invalid contents are answered with STATUS (section 5.8.7.2)
    maintenance: int | None = None  #: protocol discriminator of its SERVICE messages

    @property
    def layer1(self) -> int:
        """User information layer 1 protocol of its law."""
        return BearerCapability.A_LAW if self.law == "PCMA" else BearerCapability.MU_LAW

    @property
    def map_slots(self) -> int:
        """Slots of a channel map."""
        return 32 if max(self.channels) > 24 else 24


_T1 = SwitchProfile("t1", T1_CHANNELS, "PCMU", overlap=False, sending_complete=False, number_type=Number.NATIONAL)

#: Every switch that is known, by the name that options use.
SWITCHES: dict[str, SwitchProfile] = {
    "euroisdn": SwitchProfile("euroisdn", hold=True),
    "euroisdn_t1": SwitchProfile("euroisdn_t1", T1_CHANNELS, "PCMU", hold=True),
    "ni1": attrs.evolve(_T1, name="ni1", display_prefix=0xB1, maintenance=0x03),
    "ni2": attrs.evolve(_T1, name="ni2", display_prefix=0xB1, maintenance=0x43),
    "dms100": attrs.evolve(_T1, name="dms100", display_prefix=0xB1, hold=True, maintenance=0x03),
    "4ess": attrs.evolve(_T1, name="4ess", origin_not_isdn=True, maintenance=0x03),
    "5ess": attrs.evolve(_T1, name="5ess", origin_not_isdn=True, maintenance=0x03),
    "qsig": SwitchProfile("qsig", symmetric=True, number_plan=9, calling_name=False, user_user=False),
}
