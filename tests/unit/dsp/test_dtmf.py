from __future__ import annotations

import importlib.util
import wave
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import voipgw
from voipgw.dsp import Digit, DtmfBank, DtmfDetector, dtmf
from voipgw.dsp.dtmf import SYMBOLS

ROW_HZ = (697, 770, 852, 941)
COLUMN_HZ = (1209, 1336, 1477, 1633)
KEYS = "123A456B789C*0#D"
SOUNDS = Path("/usr/share/asterisk/sounds")


def peak(dbm0: float) -> float:
    return float(32767 * 10 ** ((dbm0 - 3.14) / 20))


def pcm(x: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(x), -32768, 32767).astype(np.int16)


def burst(key: str, ms: float, low=-10.0, high=-10.0, low_off=0.0, high_off=0.0, rng=None) -> np.ndarray:
    index = KEYS.index(key)
    t = np.arange(round(ms * 8)) / 8000
    a, b = (0.0, 0.0) if rng is None else rng.uniform(0, 2 * np.pi, 2)
    return peak(low) * np.sin(2 * np.pi * ROW_HZ[index // 4] * (1 + low_off) * t + a) + peak(high) * np.sin(
        2 * np.pi * COLUMN_HZ[index % 4] * (1 + high_off) * t + b
    )


def heard(x: np.ndarray, profile: str = "q24") -> str:
    return "".join(digit.symbol for digit in DtmfDetector(profile=profile).process(pcm(x)))


def trials(make, rng, noise=None, per_key: int = 2) -> list[tuple[str, str]]:
    """What was sent and what was heard, every key at random phase and alignment."""
    out = []
    for key in KEYS:
        for _ in range(per_key):
            x = np.concatenate([np.zeros(rng.integers(160, 400)), make(key), np.zeros(680)])
            out.append((key, heard(x if noise is None else x + noise(len(x)))))
    return out


def all_right(pairs: list[tuple[str, str]]) -> bool:
    return all(sent == got for sent, got in pairs)


def none_heard(pairs: list[tuple[str, str]]) -> bool:
    return all(got == "" for _, got in pairs)


def test_what_is_generated_is_heard() -> None:
    x = dtmf("0123456789*#ABCD", on_ms=40, off_ms=40)
    assert x.dtype == np.int16 and len(x) == 16 * 640
    digits = DtmfDetector().process(x)
    assert "".join(d.symbol for d in digits) == "0123456789*#ABCD"
    for n, digit in enumerate(digits):
        assert digit.start_s == pytest.approx(n * 0.080, abs=0.002)
        assert digit.duration_s == pytest.approx(0.040, abs=0.003)


def test_levels_of_the_generator_are_those_asked_for() -> None:
    x = dtmf("1", on_ms=1000, off_ms=0, level_dbm0=-12, twist_db=3)
    spectrum = np.abs(np.fft.rfft(x.astype(float) * np.hanning(8000))) / (8000 / 4)
    assert 20 * np.log10(spectrum[697] / 32767) + 3.14 == pytest.approx(-12, abs=0.05)
    assert 20 * np.log10(spectrum[1209] / 32767) + 3.14 == pytest.approx(-9, abs=0.05)


def test_the_generator_works_at_other_rates() -> None:
    x = dtmf("5", on_ms=100, off_ms=0, sample_rate_hz=48000)
    assert len(x) == 4800
    assert heard(np.concatenate([x[::6].astype(float), np.zeros(800)])) == "5"


@pytest.mark.parametrize("step", [1, 7, 40, 160, 163, 5000])
def test_any_cut_of_the_stream_gives_the_same_digits(step: int) -> None:
    rng = np.random.default_rng(1)
    x = pcm(np.concatenate([np.zeros(50), *(np.concatenate([burst(k, 50, rng=rng), np.zeros(400)]) for k in KEYS)]))
    whole = DtmfDetector().process(x)
    detector = DtmfDetector()
    cut = [d for i in range(0, len(x), step) for d in detector.process(x[i : i + step])]
    assert cut == whole
    assert len(whole) == 16


@pytest.mark.parametrize(("low_off", "high_off"), [(a, b) for a in (-0.015, 0, 0.015) for b in (-0.015, 0, 0.015)])
def test_1_5_percent_off_is_accepted(low_off: float, high_off: float) -> None:
    rng = np.random.default_rng(2)
    assert all_right(trials(lambda k: burst(k, 50, -17, -17, low_off, high_off, rng), rng))


@pytest.mark.parametrize("profile", ["q24", "etsi", "ntt", "bellcore"])
@pytest.mark.parametrize("off", [-0.035, 0.035])
@pytest.mark.parametrize("which", ["low", "high", "both"])
def test_3_5_percent_off_is_rejected(profile: str, off: float, which: str) -> None:
    rng = np.random.default_rng(3)
    for key in KEYS:
        x = burst(key, 60, -17, -17, off * (which != "high"), off * (which != "low"), rng)
        assert heard(np.concatenate([np.zeros(rng.integers(160, 400)), x, np.zeros(680)]), profile) == ""


@pytest.mark.parametrize(("low", "high"), [(-4, -12), (-8, -4), (0, 0), (-40, -40), (-32, -40)])
def test_twist_and_level_within_the_limits_are_accepted(low: float, high: float) -> None:
    rng = np.random.default_rng(4)
    assert all_right(trials(lambda k: burst(k, 40, low, high, rng=rng), rng))


@pytest.mark.parametrize(("low", "high"), [(-4, -16), (-12, -4), (-50, -50)])
def test_twist_and_level_beyond_the_limits_are_rejected(low: float, high: float) -> None:
    rng = np.random.default_rng(5)
    assert none_heard(trials(lambda k: burst(k, 50, low, high, rng=rng), rng))


def test_40_ms_are_a_digit_and_23_ms_are_not() -> None:
    rng = np.random.default_rng(6)
    assert all_right(trials(lambda k: burst(k, 40, rng=rng), rng))
    assert none_heard(trials(lambda k: burst(k, 23, rng=rng), rng))


@pytest.mark.parametrize(("profile", "bridged_ms"), [("q24", 20), ("etsi", 20), ("ntt", 10), ("bellcore", 10)])
def test_a_short_interruption_does_not_split_a_digit(profile: str, bridged_ms: int) -> None:
    rng = np.random.default_rng(7)
    for key in KEYS:
        x = burst(key, 100, rng=rng)
        x[400 : 400 + 8 * bridged_ms] = 0
        assert heard(np.concatenate([np.zeros(333), x, np.zeros(680)]), profile) == key


@pytest.mark.parametrize(("profile", "pause_ms"), [("q24", 40), ("etsi", 40), ("ntt", 30), ("bellcore", 40)])
def test_a_pause_makes_two_digits_of_one_symbol(profile: str, pause_ms: int) -> None:
    rng = np.random.default_rng(8)
    for key in KEYS:
        x = np.concatenate([burst(key, 50, rng=rng), np.zeros(8 * pause_ms), burst(key, 50, rng=rng)])
        assert heard(np.concatenate([np.zeros(333), x, np.zeros(680)]), profile) == 2 * key


def test_a_digit_that_follows_another_without_a_pause_is_heard() -> None:
    rng = np.random.default_rng(9)
    for one, two in pairwise("159D307"):
        x = np.concatenate([np.zeros(200), burst(one, 80, rng=rng), burst(two, 80, rng=rng), np.zeros(680)])
        assert heard(x) == one + two


@pytest.mark.parametrize("tones_hz", [(350, 440), (425,), (400, 450), (50, 60)])
def test_dial_tone_or_hum_ten_db_above_hides_no_digit(tones_hz: tuple[float, ...]) -> None:
    rng = np.random.default_rng(10)

    def noise(n: int) -> np.ndarray:
        t = np.arange(n) / 8000
        return sum(peak(-5) * np.sin(2 * np.pi * f * t + 1) for f in tones_hz)

    assert all_right(trials(lambda k: burst(k, 50, -15, -15, rng=rng), rng, noise))


@pytest.mark.parametrize("snr_db", [12, 15, 24])
def test_noise_hides_no_digit(snr_db: float) -> None:
    rng = np.random.default_rng(11)
    deviation = peak(-10) / 10 ** (snr_db / 20)
    assert all_right(trials(lambda k: burst(k, 50, rng=rng), rng, lambda n: rng.normal(0, deviation, n), per_key=4))


def test_two_frames_lost_in_a_digit_leave_one_digit() -> None:
    rng = np.random.default_rng(12)
    for key in KEYS:
        for lost in ((1,), (2,), (1, 3), (2, 3), (0, 2), (4,)):
            x = burst(key, 100, rng=rng)
            for frame in lost:
                x[160 * frame : 160 * frame + 160] = 0
            assert heard(np.concatenate([np.zeros(rng.integers(160, 400)), x, np.zeros(680)])) == key, lost


def test_noise_and_single_tones_and_silence_are_no_digits() -> None:
    rng = np.random.default_rng(13)
    assert heard(rng.normal(0, 3000, 8000 * 60)) == ""
    t = np.arange(8000) / 8000
    assert heard(np.concatenate([peak(-10) * np.sin(2 * np.pi * f * t) for f in (697, 941, 1209, 1633, 1000)])) == ""
    assert heard(np.zeros(8000)) == ""
    assert heard(np.full(8000, 32767)) == ""
    assert heard(np.full(8000, -32768)) == ""
    assert heard(np.where(np.arange(80000) // 7 % 2, 32767, -32768)) == ""


def test_a_second_harmonic_beside_the_tones_vetoes() -> None:
    t = np.arange(800) / 8000
    x = np.concatenate([np.zeros(400), burst("5", 100) + peak(-16) * np.sin(2 * np.pi * 1540 * t), np.zeros(680)])
    assert heard(x) == ""


def test_the_symbol_that_sounds_is_known_before_its_end() -> None:
    detector = DtmfDetector()
    assert detector.sounding is None
    assert detector.process(pcm(burst("7", 60))) == []
    assert detector.sounding == "7"
    ended = detector.process(np.zeros(800, np.int16))
    assert [d.symbol for d in ended] == ["7"]
    assert detector.sounding is None


def test_a_bank_hears_each_channel_as_a_detector_would() -> None:
    rng = np.random.default_rng(14)
    x = np.stack([np.concatenate([burst(k, 50, rng=rng), np.zeros(680)]) for k in KEYS]) + rng.normal(
        0, 500, (16, 1080)
    )
    bank, alone = DtmfBank(16), [DtmfDetector() for _ in range(16)]
    got = bank.process(pcm(x))
    assert got == [detector.process(pcm(row)) for detector, row in zip(alone, x, strict=True)]
    assert ["".join(d.symbol for d in row) for row in got] == list(KEYS)


def test_no_digit_is_heard_in_speech() -> None:
    files = sorted(SOUNDS.rglob("*.wav"))
    if not files:
        pytest.skip("asterisk-core-sounds-en-wav is not installed")
    total = []
    for path in files:
        with wave.open(str(path)) as w:
            total += [np.frombuffer(w.readframes(w.getnframes()), "<i2"), np.zeros(800, np.int16)]
    speech = np.concatenate(total)
    assert len(speech) > 8000 * 60
    for gain in (1.0, 0.7):
        assert heard(speech * gain) == ""


@pytest.mark.parametrize(
    ("bad", "error", "says"),
    [
        (np.zeros(160), TypeError, "float64"),
        (np.full(160, np.nan, np.float32), TypeError, "float32"),
        (np.zeros(160, ">i2"), TypeError, ">i2"),
        ([0, 1], TypeError, "list"),
        (np.zeros((2, 160), np.int16), ValueError, "shape"),
        (np.zeros(320, np.int16)[::2], ValueError, "contiguous"),
    ],
)
def test_what_is_not_an_array_of_samples_is_refused(bad: object, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        DtmfDetector().process(bad)  # type: ignore[arg-type]


def test_an_empty_array_changes_nothing() -> None:
    detector = DtmfDetector()
    assert detector.process(np.zeros(0, np.int16)) == []
    assert DtmfBank(3).process(np.zeros((3, 0), np.int16)) == [[], [], []]


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: DtmfDetector(sample_rate_hz=16000), "8000"),
        (lambda: DtmfDetector(profile="mitel"), "q24"),
        (lambda: DtmfBank(0), "channels"),
        (lambda: DtmfBank(2).sounding(2), "channel"),
        (lambda: DtmfBank(2).process(np.zeros((3, 160), np.int16)), "shape"),
        (lambda: dtmf("12E"), "'E'"),
        (lambda: dtmf("1", on_ms=-1), "on_ms"),
        (lambda: dtmf("1", off_ms=float("nan")), "off_ms"),
        (lambda: dtmf("1", level_dbm0=float("nan")), "level_dbm0"),
        (lambda: dtmf("1", level_dbm0=1, twist_db=6), "twist"),
        (lambda: dtmf("1", sample_rate_hz=100), "sample_rate_hz"),
    ],
)
def test_values_out_of_range_are_named(call, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        call()


def test_a_digit_is_a_value() -> None:
    assert Digit("1", 0.0, 0.05) == Digit("1", 0.0, 0.05)
    assert len(SYMBOLS) == 16


def test_the_tables_are_what_their_generator_writes() -> None:
    root = Path(voipgw.__file__).parent
    tool = root.parents[1] / "tools" / "tone_tables.py"
    if not tool.exists():
        pytest.skip("installed without its source tree")
    spec = importlib.util.spec_from_file_location("tone_tables", tool)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.header() == (root / "csrc" / "vg_tone_tables.h").read_text(encoding="utf-8")
    assert module.sine_header() == (root / "csrc" / "vg_sine_tables.h").read_text(encoding="utf-8")
