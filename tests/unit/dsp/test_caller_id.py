from __future__ import annotations

import numpy as np
import pytest

from voipgw._native import g711
from voipgw.dsp.caller_id import Absence, CallerId, CallerIdReceiver, CallTime, MessageForm, encode, transmission
from voipgw.dsp.caller_id_message import checksum, message, parse
from voipgw.dsp.country_tables import COUNTRIES, country
from voipgw.errors import ParseError

TIME = CallTime(10, 1, 12, 34)
CALLER = CallerId("2125551234", "JANE DOE", time=TIME)
PAD = np.zeros(800, np.int16)


def through_ulaw(x: np.ndarray) -> np.ndarray:
    return g711.decode(g711.ULAW, g711.encode(g711.ULAW, x))


def noisy(x: np.ndarray, level_dbm0: float, rng: np.random.Generator) -> np.ndarray:
    rms = 32767 / np.sqrt(2) * 10 ** ((level_dbm0 - 3.14) / 20)
    return through_ulaw(np.clip(np.rint(x + rng.normal(0, rms, len(x))), -32768, 32767).astype(np.int16))


def test_the_octets_of_an_mdmf_message_are_those_of_gr_30() -> None:
    octets = message(CallerId("4085551212", "J DOE", time=CallTime(9, 30, 12, 24)), MessageForm.MDMF)
    assert octets[:-1] == b"\x80\x1d\x01\x0809301224\x02\x0a4085551212\x07\x05J DOE"
    assert sum(octets) % 256 == 0


def test_the_octets_of_an_sdmf_message_are_those_of_gr_30() -> None:
    octets = message(CallerId("6095551212", time=CallTime(9, 30, 12, 24)), MessageForm.SDMF)
    assert octets == b"\x04\x12093012246095551212\x51"
    assert checksum(octets[:-1]) == 0x51


@pytest.mark.parametrize("standard", ["bellcore", "etsi", "bt"])
@pytest.mark.parametrize(
    "caller",
    [
        CALLER,
        CallerId("100"),
        CallerId(number_absence=Absence.PRIVATE, name_absence=Absence.PRIVATE, time=TIME),
        CallerId(number_absence=Absence.UNAVAILABLE),
        CallerId("+4930123456", "M?LLER"),
    ],
)
def test_what_is_sent_is_received(standard: str, caller: CallerId) -> None:
    x = np.concatenate([PAD, encode(caller, standard), PAD])
    assert CallerIdReceiver(standard).process(x) == [caller]


def test_sdmf_is_received() -> None:
    for caller in (CallerId("5551234", time=TIME), CallerId(number_absence=Absence.PRIVATE, time=TIME)):
        x = np.concatenate([encode(caller, form="sdmf"), PAD])
        assert CallerIdReceiver().process(x) == [caller]


@pytest.mark.parametrize("caller", [CallerId("0123456789"), CallerId(number_absence=Absence.PRIVATE)])
def test_dtmf_caller_id_is_received(caller: CallerId) -> None:
    x = np.concatenate([PAD, encode(caller, "dtmf"), PAD])
    assert CallerIdReceiver("dtmf").process(x) == [caller]


def test_a_name_is_put_into_plain_characters_and_cut() -> None:
    x = np.concatenate([encode(CallerId("1", "Jürgen Groß & Söhne KG")), PAD])
    assert CallerIdReceiver().process(x)[0].name == "Jurgen Gross &"
    x = np.concatenate([encode(CallerId("1", "Jürgen Groß & Söhne KG"), "etsi"), PAD])
    assert CallerIdReceiver("etsi").process(x)[0].name == "Jurgen Gross & Sohne KG"


@pytest.mark.parametrize("step", [1, 7, 160, 1001])
def test_any_cut_of_the_stream_gives_the_same_callers(step: int) -> None:
    x = np.concatenate([PAD, encode(CALLER), PAD, encode(CallerId("7")), PAD])
    receiver = CallerIdReceiver()
    got = [caller for i in range(0, len(x), step) for caller in receiver.process(x[i : i + step])]
    assert got == [CALLER, CallerId("7")]


@pytest.mark.parametrize("standard", ["bellcore", "etsi"])
@pytest.mark.parametrize(("level", "snr"), [(-13, 10), (-38, 40), (-40, 40)])
def test_noise_and_low_level_spoil_no_message(standard: str, level: float, snr: float) -> None:
    rng = np.random.default_rng(5)
    for _ in range(25):
        x = np.concatenate([np.zeros(rng.integers(0, 400), np.int16), encode(CALLER, standard, level_dbm0=level), PAD])
        assert CallerIdReceiver(standard).process(noisy(x, level - snr, rng)) == [CALLER]


@pytest.mark.parametrize("twist_db", [-6, 6])
def test_a_line_that_favours_one_tone_is_read(twist_db: float) -> None:
    x = np.concatenate([PAD, encode(CALLER), PAD]).astype(float)
    spectrum = np.fft.rfft(x)
    hz = np.fft.rfftfreq(len(x), 1 / 8000)
    tilted = np.fft.irfft(spectrum * 10 ** (twist_db / 20 * (hz - 1700) / 1000), len(x))
    assert CallerIdReceiver().process(np.clip(np.rint(tilted), -32768, 32767).astype(np.int16)) == [CALLER]


@pytest.mark.parametrize("off", [-0.01, 0.01])
def test_a_sender_one_percent_off_is_read(off: float) -> None:
    x = np.concatenate([PAD, encode(CALLER), PAD]).astype(float)
    at = np.arange(0, len(x) - 1, 1 + off)
    assert CallerIdReceiver().process(np.rint(np.interp(at, np.arange(len(x)), x)).astype(np.int16)) == [CALLER]


def test_a_spoilt_message_is_not_shown_and_the_next_one_is() -> None:
    bad = encode(CALLER).copy()
    bad[5000:5200] = 0
    x = np.concatenate([PAD, bad, PAD, encode(CallerId("42")), PAD])
    assert CallerIdReceiver().process(x) == [CallerId("42")]


def test_noise_is_no_caller() -> None:
    rng = np.random.default_rng(6)
    x = rng.normal(0, 2000, 8000 * 20).astype(np.int16)
    assert CallerIdReceiver().process(x) == []
    assert CallerIdReceiver("etsi").process(x) == []


def test_each_country_sends_what_its_telephones_read() -> None:
    assert country("us").caller_id is not None
    for entry in COUNTRIES.values():
        if entry.caller_id is None:
            continue
        x = np.concatenate([transmission(CallerId("0123456"), entry.caller_id), PAD])
        assert CallerIdReceiver(entry.caller_id.standard).process(x) == [CallerId("0123456")], entry.code


def test_a_message_that_is_no_call_is_skipped() -> None:
    head = b"\x82\x03\x0b\x01\xff"
    assert parse(head + bytes([checksum(head)])) is None


@pytest.mark.parametrize(
    ("octets", "says"),
    [
        (b"", "not a caller-ID"),
        (b"\x55\x01\x00", "not a caller-ID"),
        (b"\x80\x05\x01", "announces 5"),
        (b"\x80\x00\x81", "checksum"),
        (b"\x80\x02\x02\x05\x77", "longer than its message"),
        (b"\x80\x03\x04\x01X\x20", "P or O"),
        (b"\x04\x01\x31\xca", "eight digits"),
    ],
)
def test_octets_against_the_rules_are_refused(octets: bytes, says: str) -> None:
    with pytest.raises(ParseError, match=says):
        parse(octets)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: CallerId("12x"), "0-9"),
        (lambda: CallerId("1" * 21), "up to 20"),
        (lambda: CallerId("1", number_absence=Absence.PRIVATE), "absent"),
        (lambda: CallTime(13, 1, 0, 0), "time"),
        (lambda: encode(CALLER, "telex"), "telex"),
        (lambda: encode(CALLER, "etsi", form="sdmf"), "Bellcore"),
        (lambda: encode(CallerId("1"), form="sdmf"), "time"),
        (lambda: encode(CALLER, level_dbm0=float("nan")), "level_dbm0"),
        (lambda: CallerIdReceiver("bellcore", 16000), "8000"),
    ],
)
def test_values_out_of_range_are_named(call, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        call()
