"""Our tables of national numbering plans against those of the phonenumbers package, example number by example number."""

from __future__ import annotations

import pytest

from voipgw.routing.numbering_tables import COUNTRIES
from voipgw.routing.numbers import Numbering, class_patterns

phonenumbers = pytest.importorskip("phonenumbers", reason="the phonenumbers package is not installed")

KINDS = {"FIXED_LINE": "", "MOBILE": "mobile", "TOLL_FREE": "toll_free", "PREMIUM_RATE": "premium"}
#: what the tables leave out on purpose, with the reason
KNOWN = {
    ("us", "MOBILE"): "mobile numbers cannot be told from others",
    ("ca", "MOBILE"): "mobile numbers cannot be told from others",
    ("dk", "MOBILE"): "mobile numbers cannot be told from others",
    ("in", "FIXED_LINE"): "a fixed number that begins like a mobile one counts as mobile",
    ("cn", "PREMIUM_RATE"): "eight-digit service numbers are short codes here",
}


def example(iso: str, kind: str) -> str:
    found = phonenumbers.example_number_for_type(iso.upper(), getattr(phonenumbers.PhoneNumberType, kind))
    if found is None or phonenumbers.region_code_for_number(found) != iso.upper():
        pytest.skip("the package has no example")
    return str(phonenumbers.format_number(found, phonenumbers.PhoneNumberFormat.E164))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("iso", COUNTRIES)
def test_an_example_number_is_read_from_home_and_from_abroad_and_is_of_its_class(iso: str, kind: str) -> None:
    if (iso, kind) in KNOWN:
        pytest.skip(KNOWN[iso, kind])
    number = example(iso, kind)
    country = COUNTRIES[iso]
    abroad = "de" if iso != "de" else "gb"
    assert Numbering(abroad).normalise("00" + number[1:]).text == number
    significant = number[1 + len(country.code) :]
    dialled = {significant, country.trunk + significant}
    assert number in {Numbering(iso).normalise(text).text for text in dialled}
    for name in ("mobile", "toll_free", "premium"):
        held = any(pattern.matches(number) for pattern in class_patterns(name, iso))
        assert held is (KINDS[kind] == name), name


@pytest.mark.parametrize("iso", COUNTRIES)
def test_the_country_code_and_the_dial_prefixes_are_those_of_the_package(iso: str) -> None:
    metadata = phonenumbers.PhoneMetadata.metadata_for_region(iso.upper(), None)
    country = COUNTRIES[iso]
    assert str(metadata.country_code) == country.code
    assert (metadata.national_prefix or "") == country.trunk
    if not country.carriers:
        import re

        assert re.fullmatch(metadata.international_prefix, country.international)
