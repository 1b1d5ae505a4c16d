"""Normalisation: what people dial in each country, and what it means."""

from __future__ import annotations

import pytest

from voipgw.routing.numbering_tables import COUNTRIES
from voipgw.routing.numbers import Numbering, NumberKind, class_patterns


@pytest.mark.parametrize(
    ("iso", "area", "dialled", "number"),
    [
        ("us", "", "2125551234", "+12125551234"), ("us", "", "12125551234", "+12125551234"),
        ("us", "212", "5551234", "+12125551234"), ("us", "", "011442079460000", "+442079460000"),
        ("gb", "", "02079460000", "+442079460000"), ("gb", "20", "79460000", "+442079460000"),
        ("gb", "", "0012125551234", "+12125551234"), ("gb", "", "08001111", "+448001111"),
        ("de", "", "03012345678", "+493012345678"), ("de", "30", "2345678", "+49302345678"),
        ("de", "", "015112345678", "+4915112345678"), ("fr", "", "0142685300", "+33142685300"),
        ("it", "", "0669812345", "+390669812345"), ("it", "", "3123456789", "+393123456789"),
        ("es", "", "912345678", "+34912345678"), ("nl", "", "0201234567", "+31201234567"),
        ("be", "", "021234567", "+3221234567"), ("be", "", "0470123456", "+32470123456"),
        ("ch", "", "0446681800", "+41446681800"), ("at", "", "015336000", "+4315336000"),
        ("se", "", "08123456", "+468123456"), ("no", "", "22123456", "+4722123456"),
        ("dk", "", "33123456", "+4533123456"), ("pl", "", "221234567", "+48221234567"),
        ("au", "", "0293744000", "+61293744000"), ("au", "", "001112125551234", "+12125551234"),
        ("au", "", "1300123456", "+611300123456"), ("jp", "", "0312345678", "+81312345678"),
        ("jp", "", "09012345678", "+819012345678"), ("jp", "", "01012125551234", "+12125551234"),
        ("in", "", "01123456789", "+911123456789"), ("in", "", "9812345678", "+919812345678"),
        ("br", "", "01123456789", "+551123456789"), ("br", "", "0211123456789", "+551123456789"),
        ("br", "", "0021442079460000", "+442079460000"), ("ru", "", "84951234567", "+74951234567"),
        ("ru", "", "81012125551234", "+12125551234"), ("cn", "", "01012345678", "+861012345678"),
        ("cn", "", "13812345678", "+8613812345678"), ("ca", "", "4165551234", "+14165551234"),
        ("us", "", "+442079460000", "+442079460000"), ("us", "", "(212) 555-1234", "+12125551234"),
        ("us", "", "+1-212-555-1234;npdi;rn=+12125550000", "+12125551234"),
    ],
)  # fmt: skip
def test_dialled_numbers_become_e164(iso: str, area: str, dialled: str, number: str) -> None:
    found = Numbering(iso, area).normalise(dialled)
    assert (found.text, found.kind) == (number, NumberKind.E164)


@pytest.mark.parametrize("iso", COUNTRIES)
def test_emergency_numbers_of_each_country_are_known(iso: str) -> None:
    numbering = Numbering(iso)
    assert numbering.emergency
    assert all(numbering.normalise(number).kind is NumberKind.EMERGENCY for number in numbering.emergency)


@pytest.mark.parametrize(
    "dialled",
    ["", " ", "+", "++44", "44+20", "12 34;x\r\n", "sip:1@x", "1@host", "a b", "é12345", "١٢٣٤٥", "1" * 33, "+1234567890123456",
     "a" * 65, "\x00", "1\r\nVia: x", "<1>", "%31", "..", "-"],
)  # fmt: skip
def test_what_is_no_number_is_invalid_and_has_no_text(dialled: str) -> None:
    for numbering in (Numbering("us"), Numbering()):
        found = numbering.normalise(dialled)
        assert (found.kind, found.text) == (NumberKind.INVALID, "")


def test_names_and_codes() -> None:
    assert Numbering("us").normalise("alice").kind is NumberKind.NAME
    assert Numbering("us").normalise("*67").kind is NumberKind.UNKNOWN
    assert Numbering().normalise("*67").kind is NumberKind.SHORT
    assert Numbering("us").normalise("12345").kind is NumberKind.UNKNOWN
    assert Numbering("us").extended(["12345"]).normalise("12345").kind is NumberKind.EXTENSION
    assert Numbering("us", emergency=["112"]).normalise("911").kind is NumberKind.UNKNOWN


@pytest.mark.parametrize(
    ("name", "inside", "out"),
    [
        ("premium", "+449061234567", "+442079460000"),
        ("premium", "+19005551234", "+12125551234"),
        ("toll_free", "+18005551234", "+12125551234"),
        ("toll_free", "+448001111", "+442079460000"),
        ("mobile", "+447400123456", "+442079460000"),
        ("mobile", "+8613812345678", "+861012345678"),
        ("national", "+442079460000", "+12125551234"),
        ("international", "+12125551234", "+442079460000"),
    ],
)
def test_classes(name: str, inside: str, out: str) -> None:
    found = class_patterns(name, "gb")
    assert any(pattern.matches(inside) for pattern in found)
    assert not any(pattern.matches(out) for pattern in found)
