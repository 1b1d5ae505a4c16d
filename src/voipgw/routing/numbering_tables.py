"""National numbering plans: how numbers are dialled and written in each country, and which of them are special.

Prefixes and lengths follow the national plans published through ITU-T (E.164 operational bulletins); dial prefixes those
of ITU-T E.164 (national and international prefix). Patterns are of the national significant number.
"""

from __future__ import annotations

import attrs


@attrs.frozen
class Country:
    """One national numbering plan."""

    name: str
    code: str  #: E.164 country code
    trunk: str  #: national prefix, "" where numbers are always dialled whole
    international: str  #: international prefix
    national: tuple[str, ...]  #: patterns dialled after the national prefix
    direct: tuple[str, ...] = ()  #: patterns dialled without it
    carriers: tuple[str, ...] = ()  #: carrier selection codes after the prefix: optional nationally, required abroad
    emergency: tuple[str, ...] = ()
    toll_free: tuple[str, ...] = ()  #: patterns of the beginning
    premium: tuple[str, ...] = ()
    mobile: tuple[str, ...] = ()


_NANP = ("NXXNXXXXXX",)
_NANP_TOLL_FREE = ("800", "822", "833", "844", "855", "866", "877", "888")

COUNTRIES: dict[str, Country] = {
    "us": Country(
        "United States", "1", "1", "011", _NANP, _NANP,
        emergency=("911",), toll_free=_NANP_TOLL_FREE, premium=("900",),
    ),
    "ca": Country(
        "Canada", "1", "1", "011", _NANP, _NANP,
        emergency=("911",), toll_free=_NANP_TOLL_FREE, premium=("900",),
    ),
    "gb": Country(
        "United Kingdom", "44", "0", "00",
        ("1X{8,9}", "2X{9}", "3X{9}", "5[56]X{8}", "7X{9}", "80[08]X{6,7}", "8001111", "845464X", "8[2457]X{8}", "9X{9}"),
        emergency=("999", "112"), toll_free=("80",), premium=("9", "87[123]"), mobile=("7[1-57-9]",),
    ),
    "de": Country(
        "Germany", "49", "0", "00", ("[2-9]X{4,10}", "1[567]X{8,9}", "1[389]X{4,10}", "800X{7,12}"),
        emergency=("112", "110"), toll_free=("800",), premium=("900",), mobile=("1[567]",),
    ),
    "fr": Country(
        "France", "33", "0", "00", ("ZX{8}",),
        emergency=("112", "15", "17", "18", "114"), toll_free=("80[0-5]",), premium=("89",), mobile=("6", "7[3-9]"),
    ),
    "it": Country(
        "Italy", "39", "", "00", (), ("0X{5,10}", "3X{8,9}", "55X{8}", "8X{5,9}", "1X{5,10}"),
        emergency=("112", "113", "115", "118"), toll_free=("800", "803"), premium=("89", "16[346]"), mobile=("3",),
    ),
    "es": Country(
        "Spain", "34", "", "00", (), ("[5-9]X{8}",),
        emergency=("112", "061", "062", "080", "085", "088", "091", "092"),
        toll_free=("[89]00",), premium=("80[367]", "90[57]"), mobile=("6", "7[1-9]"),
    ),
    "nl": Country(
        "Netherlands", "31", "0", "00", ("[1-57]X{8}", "6[1-8]X{7}", "8[458]X{7}", "800X{4,7}", "90[069]X{4,7}", "97X{9}"),
        emergency=("112",), toll_free=("800",), premium=("90[069]",), mobile=("6[1-58]",),
    ),
    "be": Country(
        "Belgium", "32", "0", "00", ("ZX{7}", "4X{8}"),
        emergency=("112", "100", "101"), toll_free=("800",), premium=("90",), mobile=("4[5-9]",),
    ),
    "ch": Country(
        "Switzerland", "41", "0", "00", ("[2-9]X{8}",),
        emergency=("112", "117", "118", "144"), toll_free=("800",), premium=("90[016]",), mobile=("7[5-9]",),
    ),
    "at": Country(
        "Austria", "43", "0", "00", ("ZX{3,12}",),
        emergency=("112", "122", "133", "144"), toll_free=("800",), premium=("9[03][01]",), mobile=("6[5-9]", "64"),
    ),
    "se": Country(
        "Sweden", "46", "0", "00", ("ZX{5,9}",),
        emergency=("112",), toll_free=("20",), premium=("9[034]",), mobile=("7[02369]",),
    ),
    "no": Country(
        "Norway", "47", "", "00", (), ("[2-9]X{7}", "0XXXX"),
        emergency=("112", "110", "113"), toll_free=("80[01]",), premium=("82[09]",), mobile=("4", "9"),
    ),
    "dk": Country(
        "Denmark", "45", "", "00", (), ("[2-9]X{7}",),
        emergency=("112",), toll_free=("80",), premium=("90",),
    ),
    "pl": Country(
        "Poland", "48", "", "00", (), ("ZX{8}",),
        emergency=("112", "997", "998", "999"), toll_free=("800",), premium=("70[01346-8]",),
        mobile=("45", "5[0137]", "6[069]", "7[2389]", "88"),
    ),
    "au": Country(
        "Australia", "61", "0", "0011", ("[2-578]X{8}",), ("13[1-9]XXX", "1300X{6}", "180[1-9]XXX", "1800X{6}", "190X{7}"),
        emergency=("000", "112", "106"), toll_free=("180",), premium=("190",), mobile=("4",),
    ),
    "jp": Country(
        "Japan", "81", "0", "010", ("ZX{8}", "[25-9]0X{8}", "800X{7}"),
        emergency=("110", "118", "119"), toll_free=("120", "800"), premium=("990",), mobile=("[789]0",),
    ),
    "in": Country(
        "India", "91", "0", "00", ("ZX{9}",), ("[6-9]X{9}", "1800X{6,7}", "1860X{7}", "1861X{9}"),
        emergency=("112", "100", "101", "102", "108"), toll_free=("1800",), premium=("1861",), mobile=("[6-9]",),
    ),
    "br": Country(
        "Brazil", "55", "0", "00", ("ZZX{8}", "ZZ9X{8}", "[359]00X{6,7}", "800X{6,7}"),
        carriers=("1[245]", "2[1-35]", "31", "4[13]", "[56]5", "99"),
        emergency=("190", "192", "193", "112", "911"), toll_free=("800",), premium=("[59]00",), mobile=("ZZ9",),
    ),
    "ru": Country(
        "Russia", "7", "8", "810", ("[3-9]X{9}",),
        emergency=("112", "101", "102", "103"), toll_free=("80[04]",), premium=("80[39]",), mobile=("9",),
    ),
    "cn": Country(
        "China", "86", "0", "00", ("10X{8}", "2X{9}", "[3-9]X{9,10}", "1[3-9]X{9}"), ("1[3-9]X{9}", "[48]00X{7}"),
        emergency=("110", "119", "120", "122"), toll_free=("800",), premium=("16[08]",), mobile=("1[3-9]X{9}",),
    ),
}  # fmt: skip
