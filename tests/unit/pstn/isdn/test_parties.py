from __future__ import annotations

import pytest

from voipgw.pstn.isdn.carried_elements import Display, SendingComplete
from voipgw.pstn.isdn.elements import BearerCapability
from voipgw.pstn.isdn.numbers import CalledNumber, CallingNumber, OriginalCalledNumber
from voipgw.pstn.isdn.parties import CallDetails, details_of, elements_of
from voipgw.pstn.isdn.q931 import CallReference, Message, parse
from voipgw.pstn.isdn.q931_tables import MessageType
from voipgw.pstn.isdn.switch_tables import SWITCHES

FULL = CallDetails(
    "+4930123", "5551234", "ADA", screening=1, redirecting="77", redirecting_reason=1, keypad="*72", user_user=b"hi"
)


@pytest.mark.parametrize("switch", SWITCHES)
def test_what_goes_into_a_setup_comes_out_of_it_as_far_as_the_switch_carries_it(switch: str) -> None:
    profile = SWITCHES[switch]
    message = Message.create(MessageType.SETUP, CallReference(1), elements_of(FULL, profile))
    back = details_of(parse(bytes(message)), profile)
    assert (back.called, back.calling, back.redirecting, back.redirecting_reason) == ("+4930123", "5551234", "77", 1)
    assert back.name == ("ADA" if profile.calling_name else "")
    assert back.user_user == (b"hi" if profile.user_user else None)
    assert back.complete


def test_numbers_have_the_type_and_plan_of_their_switch() -> None:
    infos = elements_of(CallDetails("100", "200"), SWITCHES["ni2"])
    assert CalledNumber("100", 2, 1) in infos
    infos = elements_of(CallDetails("100", "200"), SWITCHES["qsig"])
    assert CalledNumber("100", 0, 9) in infos
    infos = elements_of(CallDetails("+1", "200"), SWITCHES["qsig"])
    assert CalledNumber("1", 1, 1) in infos


def test_a_caller_who_must_not_be_shown_is_marked_and_has_no_name() -> None:
    infos = elements_of(CallDetails("100", "200", "ADA", restricted=True), SWITCHES["euroisdn"])
    assert not any(isinstance(info, Display) for info in infos)
    assert CallingNumber("200", 0, 1, 1, 0) in infos


def test_sending_complete_is_said_where_numbers_may_come_in_parts() -> None:
    assert SendingComplete() in elements_of(CallDetails("1"), SWITCHES["euroisdn"])
    assert SendingComplete() not in elements_of(CallDetails("1", complete=False), SWITCHES["euroisdn"])
    assert SendingComplete() not in elements_of(CallDetails("1"), SWITCHES["ni2"])


def test_digital_calls_name_no_law_and_an_original_called_number_will_do() -> None:
    infos = elements_of(CallDetails("1", bearer=BearerCapability.UNRESTRICTED_DIGITAL), SWITCHES["ni2"])
    assert infos[0] == BearerCapability(8, None)
    setup = Message.create(MessageType.SETUP, CallReference(1), [*infos, OriginalCalledNumber("9")])
    assert details_of(setup, SWITCHES["ni2"]).redirecting == "9"
