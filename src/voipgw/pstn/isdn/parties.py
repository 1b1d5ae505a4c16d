"""Who calls whom, and what for: the elements of a SETUP from a few words, in the ways of a switch, and back."""

from __future__ import annotations

import attrs

from voipgw.pstn.isdn.carried_elements import Display, KeypadFacility, SendingComplete, UserUser
from voipgw.pstn.isdn.elements import BearerCapability, ProgressIndicator
from voipgw.pstn.isdn.info import Info
from voipgw.pstn.isdn.numbers import CalledNumber, CallingNumber, Number, OriginalCalledNumber, RedirectingNumber
from voipgw.pstn.isdn.q931 import Message
from voipgw.pstn.isdn.switch_tables import SwitchProfile


@attrs.frozen
class CallDetails:
    """What a SETUP says. Numbers are digits, with "+" first when they are international."""

    called: str = ""
    calling: str = ""
    name: str = ""  #: of the caller
    restricted: bool = False  #: the caller's number and name must not be shown
    screening: int = 0  #: of the calling number: 0 user provided, 1 verified, 3 network provided
    redirecting: str = ""  #: who sent the call on, "" for nobody
    redirecting_reason: int = 15  #: 1 busy, 2 no reply, 15 unconditional
    complete: bool = True  #: the called number is whole
    bearer: int = BearerCapability.SPEECH
    keypad: str = ""
    user_user: bytes | None = None


def elements_of(details: CallDetails, profile: SwitchProfile) -> list[Info]:
    """The elements of a SETUP, without its channel. What the switch does not carry is left out."""
    digital = details.bearer == BearerCapability.UNRESTRICTED_DIGITAL
    infos: list[Info] = [BearerCapability(details.bearer, None if digital else profile.layer1)]
    if details.complete and profile.sending_complete:
        infos.append(SendingComplete())
    if profile.origin_not_isdn:
        infos.append(ProgressIndicator(ProgressIndicator.ORIGIN_NOT_ISDN))
    if details.called:
        infos.append(CalledNumber(*_number(details.called, profile)))
    if details.calling or details.restricted:
        presentation = Number.RESTRICTED if details.restricted else Number.ALLOWED
        infos.append(CallingNumber(*_number(details.calling, profile), presentation, details.screening))
    if details.name and profile.calling_name and not details.restricted:
        infos.append(Display(details.name, profile.display_prefix))
    if details.redirecting and profile.redirecting:
        number = _number(details.redirecting, profile)
        infos.append(RedirectingNumber(*number, Number.ALLOWED, 1, details.redirecting_reason))
    if details.keypad:
        infos.append(KeypadFacility(details.keypad))
    if details.user_user is not None and profile.user_user:
        infos.append(UserUser(details.user_user))
    return infos


def details_of(setup: Message, profile: SwitchProfile) -> CallDetails:
    """What a SETUP says. A switch without overlap sending always sends whole numbers."""
    called, calling, display = setup.find(CalledNumber), setup.find(CallingNumber), setup.find(Display)
    redirecting: Number | None = setup.find(RedirectingNumber) or setup.find(OriginalCalledNumber)
    bearer, keypad, user = setup.find(BearerCapability), setup.find(KeypadFacility), setup.find(UserUser)
    return CallDetails(
        called=_digits(called),
        calling=_digits(calling),
        name=display.text.strip() if display is not None else "",
        restricted=calling.restricted if calling is not None else False,
        screening=calling.screening if calling is not None else 0,
        redirecting=_digits(redirecting),
        redirecting_reason=redirecting.reason if redirecting is not None and redirecting.reason is not None else 15,
        complete=not profile.overlap or setup.find(SendingComplete) is not None,
        bearer=bearer.capability if bearer is not None else BearerCapability.SPEECH,
        keypad=keypad.keys if keypad is not None else "",
        user_user=user.data if user is not None else None,
    )


def _number(number: str, profile: SwitchProfile) -> tuple[str, int, int]:
    if number.startswith("+"):
        return number[1:], Number.INTERNATIONAL, 1
    return number, profile.number_type, profile.number_plan


def _digits(number: Number | None) -> str:
    if number is None:
        return ""
    international = number.type_of_number == Number.INTERNATIONAL and not number.digits.startswith("+")
    return f"+{number.digits}" if international and number.digits else number.digits
