from __future__ import annotations

import pytest

import voipgw
from voipgw.causes import Cause
from voipgw.errors import LocalProtocolError, ParseError
from voipgw.pstn.isdn.carried_elements import (
    CallIdentity,
    CongestionLevel,
    DateTime,
    Display,
    Facility,
    HighLayerCompatibility,
    KeypadFacility,
    LowLayerCompatibility,
    NetworkSpecificFacilities,
    RepeatIndicator,
    SendingComplete,
    Signal,
    TransitNetworkSelection,
    UserUser,
)
from voipgw.pstn.isdn.elements import (
    BearerCapability,
    CallStateInfo,
    CauseInfo,
    ChangeStatus,
    ChannelIdentification,
    NotificationIndicator,
    ProgressIndicator,
    RestartIndicator,
)
from voipgw.pstn.isdn.info import Info
from voipgw.pstn.isdn.numbers import (
    CalledNumber,
    CalledSubaddress,
    CallingNumber,
    CallingSubaddress,
    ConnectedNumber,
    ConnectedSubaddress,
    OriginalCalledNumber,
    RedirectingNumber,
    RedirectionNumber,
)
from voipgw.pstn.isdn.q931 import KINDS, CallReference, Element, ElementId, Message, MessageType, faults, parse

SETUP = bytes.fromhex(
    "0802000105a10403 9090a3 1803a98385 6c0c2180 32313235353530313030 7008a1 35353531323334".replace(" ", "")
)

#: every element with its contents on the wire, worked out by hand from the figures of section 4.5
WIRE = [
    (BearerCapability(0, BearerCapability.A_LAW), "8090a3"), (BearerCapability(BearerCapability.AUDIO_3K1, 2), "9090a2"),
    (BearerCapability(8, None), "8890"), (BearerCapability(8, None, rate=0x18, multiplier=6), "889886"),
    (BearerCapability(0, 1, rest=bytes.fromhex("218f")), "8090218f"), (BearerCapability(8, None, mode=2, rate=0, rest=b"\xc6\xe6"), "88c0c6e6"),
    (CauseInfo(16), "8090"), (CauseInfo(17, 2), "8291"), (CauseInfo(100, 2, b"\x18"), "82e418"), (CauseInfo(1, 0, recommendation=0), "008081"),
    (CallStateInfo(10), "0a"), (CallStateInfo(61), "3d"),
    (ChannelIdentification((5,)), "a98385"), (ChannelIdentification((5,), exclusive=False), "a18385"),
    (ChannelIdentification((1,), interface=3), "e9838381"), (ChannelIdentification((1, 2, 3)), "a983010283"),
    (ChannelIdentification((1, 24), slot_map=True), "a993800001"), (ChannelIdentification((1, 31), slot_map=True, map_slots=32), "a99380000002"),
    (ChannelIdentification((2,), basic=True), "8a"), (ChannelIdentification((), any_channel=True, basic=True, exclusive=False), "83"),
    (ChannelIdentification(()), "a8"), (ChannelIdentification((), d_channel=True), "ac"),
    (ProgressIndicator(8, 2), "8288"), (NotificationIndicator(121), "f9"), (RestartIndicator(7), "87"), (ChangeStatus(64), "c0"),
    (Signal(0x3F), "3f"), (Display("ADA"), "414441"), (Display("ADA", 0xB1), "b1414441"), (KeypadFacility("*72"), "2a3732"),
    (UserUser(b"hi"), "046869"), (Facility(b"\xa1\x00"), "91a100"), (DateTime(26, 7, 4, 12, 30), "1a07040c1e"),
    (SendingComplete(), ""), (RepeatIndicator(2), "02"), (CongestionLevel(15), "0f"), (CallIdentity(b"\x01"), "01"),
    (LowLayerCompatibility(b"\x90\x90\xa3"), "9090a3"), (HighLayerCompatibility(b"\x91\x81"), "9181"),
    (NetworkSpecificFacilities(b"\x00\xe6"), "00e6"), (TransitNetworkSelection(b"\xa1288"), "a1323838"),
    (CalledNumber("5551234", 2, 1), "a135353531323334"), (CallingNumber("100", 0, 9, 1, 3), "0" + "9a3313030"),
    (CallingNumber("1", 2, 1), "a131"), (RedirectingNumber("12", 2, 1, 0, 0, 15), "21008f3132"),
    (ConnectedNumber("", 0, 0, 2, 0), "00c0"), (OriginalCalledNumber("9"), "8139"), (RedirectionNumber("9", 1, 1, 0), "118039"),
    (CalledSubaddress(b"\x50\x12"), "805012"), (CallingSubaddress(b"\x12\x30", 2, True), "a81230"), (ConnectedSubaddress(b"\x01"), "8001"),
]  # fmt: skip


@pytest.mark.parametrize(("info", "wire"), WIRE, ids=lambda value: type(value).__name__)
def test_an_element_is_encoded_as_its_figure_says_and_decoded_again(info: Info, wire: str) -> None:
    assert info.encode().hex() == wire
    assert type(info).decode(bytes.fromhex(wire)) == info


def test_every_known_element_is_among_those() -> None:
    assert set(KINDS.values()) == {type(info) for info, _ in WIRE}


@pytest.mark.parametrize(
    ("kind", "wire"),
    [
        (BearerCapability, ""), (BearerCapability, "80"), (BearerCapability, "8098"), (BearerCapability, "809023"),
        (CauseInfo, ""), (CauseInfo, "80"), (CauseInfo, "00"), (CauseInfo, "000000"), (CallStateInfo, ""), (ChannelIdentification, ""),
        (ChannelIdentification, "a9"), (ChannelIdentification, "a983"), (ChannelIdentification, "e903"), (ChannelIdentification, "a993000000"), (ChannelIdentification, "a9930102"),
        (ChannelIdentification, "a9838102"), (ProgressIndicator, "82"), (NotificationIndicator, ""), (KeypadFacility, "ff"), (UserUser, ""),
        (Facility, ""), (Facility, "11"), (DateTime, "1a07"), (DateTime, "1a0704010203 04"), (CalledNumber, ""), (CalledNumber, "21"),
        (CallingNumber, "21000000"), (CalledNumber, "a1ff"), (CalledSubaddress, ""), (HighLayerCompatibility, ""),
    ],
)  # fmt: skip
def test_contents_that_an_element_cannot_have_raise(kind: type[Info], wire: str) -> None:
    with pytest.raises(ParseError):
        kind.decode(bytes.fromhex(wire))


def test_a_setup_is_read() -> None:
    message = voipgw.pstn.isdn.q931.parse(SETUP)
    assert message.kind == MessageType.SETUP
    assert message.name == "SETUP"
    assert message.reference == CallReference(1, False, 2)
    assert message.find(SendingComplete) is not None
    assert message.find(ChannelIdentification) == ChannelIdentification((5,))
    number = message.find(CallingNumber)
    assert number is not None
    assert (number.digits, number.type_of_number, number.plan, number.presentation) == ("2125550100", 2, 1, 0)
    assert message.find(CalledNumber) == CalledNumber("5551234", 2, 1)
    assert bytes(message) == SETUP
    assert bytes(Message.create(message.kind, message.reference, message.infos())) == SETUP


def test_elements_are_put_in_ascending_order() -> None:
    message = Message.create(5, CallReference(1), [CalledNumber("1"), BearerCapability(), SendingComplete()])
    assert [e.identifier for e in message.elements] == [0xA1, 0x04, 0x70]


def test_a_repeat_indicator_keeps_its_place() -> None:
    infos = [RepeatIndicator(2), BearerCapability(8, None), BearerCapability(), CalledNumber("1")]
    message = parse(bytes(Message.create(5, CallReference(1), infos)))
    assert message.infos() == infos
    assert message.find(BearerCapability) == BearerCapability(8, None), "the first counts"
    assert len(message.find_all(BearerCapability)) == 2


@pytest.mark.parametrize(
    ("wire", "reference"),
    [("0800 7d", CallReference(0, False, 0)), ("080181 05", CallReference(1, True, 1)), ("08028001 05", CallReference(1, True, 2)),
     ("080100 46", CallReference(0, False, 1)), ("0802ffff 05", CallReference(32767, True, 2))],
)  # fmt: skip
def test_call_references_of_every_length(wire: str, reference: CallReference) -> None:
    message = parse(bytes.fromhex(wire))
    assert message.reference == reference
    assert bytes(Message.create(message.kind, reference)) == bytes.fromhex(wire)


def test_shifts_change_the_codeset_for_one_element_or_for_the_rest() -> None:
    message = parse(bytes.fromhex("08020001 05 9e 010181 040280 90 96 010182 9d 010183 020184".replace(" ", "")))
    assert [(e.codeset, e.identifier) for e in message.elements] == [(6, 1), (0, 4), (6, 1), (5, 1), (6, 2)]
    again = parse(bytes(Message(message.kind, message.reference, message.elements)))
    assert again.elements != ()
    up = Message(
        message.kind, message.reference, (Element(4, b"\x80\x90"), Element(1, b"\x81", 6), Element(2, b"\x81", 5))
    )
    assert parse(bytes(up)).elements == up.elements


def test_a_locking_shift_downwards_changes_nothing() -> None:
    message = parse(bytes.fromhex("08020001 05 96 010182 95 010183".replace(" ", "")))
    assert [e.codeset for e in message.elements] == [6, 6]


def test_unknown_elements_are_carried() -> None:
    wire = bytes.fromhex("08020001 05 0402 8090 5503 010203 b3 e7".replace(" ", ""))
    message = parse(wire)
    assert message.element(0x55) == Element(0x55, b"\x01\x02\x03")
    assert bytes(Message(message.kind, message.reference, message.elements)) == wire


@pytest.mark.parametrize(
    "wire", ["", "08", "0800", "0801", "080105", "09020001 05", "080300000105", "08120001 05", "08020001 05 04", "08020001 05 0403 8090"]
)  # fmt: skip
def test_what_is_no_message_raises(wire: str) -> None:
    with pytest.raises(ParseError):
        parse(bytes.fromhex(wire))


def test_a_message_beyond_the_limit_raises() -> None:
    with pytest.raises(ParseError):
        parse(bytes(5000))


def test_an_element_of_ours_that_is_too_long_raises() -> None:
    with pytest.raises(LocalProtocolError):
        bytes(Message.create(5, CallReference(1), [UserUser(bytes(300))]))


def test_missing_and_wrong_elements_are_found_and_told_apart() -> None:
    reference = CallReference(1)
    assert [(f.cause, f.identifier, f.mandatory) for f in faults(Message.create(MessageType.SETUP, reference))] == [
        (Cause.MANDATORY_ELEMENT_MISSING, ElementId.BEARER_CAPABILITY, True)
    ]
    wrong = Message.create(MessageType.SETUP, reference, [Element(4, b"\x80"), Element(0x1E, b"\x82")])
    assert [(f.cause, f.identifier, f.mandatory) for f in faults(wrong)] == [
        (Cause.INVALID_ELEMENT_CONTENTS, ElementId.BEARER_CAPABILITY, True),
        (Cause.INVALID_ELEMENT_CONTENTS, ElementId.PROGRESS_INDICATOR, False),
    ]
    assert wrong.find(BearerCapability) is None


def test_an_unknown_element_is_a_fault_only_where_it_asks_to_be_understood() -> None:
    unknown = Message.create(MessageType.CONNECT, CallReference(1), [Element(0x55, b"x"), Element(0x0D, b"x")])
    (fault,) = faults(unknown)
    assert (fault.cause, fault.identifier, fault.mandatory) == (Cause.MANDATORY_ELEMENT_MISSING, 0x0D, True)


def test_a_maintenance_message_is_read() -> None:
    message = parse(bytes.fromhex("0302000007 0101c1 1803a98303".replace(" ", "")))
    assert message.discriminator == 3
    assert message.find(ChangeStatus) == ChangeStatus(0x41)
