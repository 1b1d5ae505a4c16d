"""The E-model against published values."""

from __future__ import annotations

import pytest

from voipgw.media.plane import StreamStatistics
from voipgw.metrics.quality import (
    CODECS,
    WITHOUT_CONCEALMENT,
    burst_ratio,
    delay_impairment,
    estimate_mos,
    loss_impairment,
    mos_of_rating,
    rating,
)


@pytest.mark.parametrize(("r", "mos"), [(93.2, 4.41), (90, 4.34), (80, 4.03), (70, 3.60), (60, 3.10), (50, 2.58)])
def test_opinion_scores_are_those_of_g107_annex_b(r: float, mos: float) -> None:
    assert mos_of_rating(r) == pytest.approx(mos, abs=0.0065)


@pytest.mark.parametrize(("r", "mos"), [(-5, 1.0), (0, 1.0), (3, 1.0), (100, 4.5), (120, 4.5)])
def test_opinion_scores_stay_in_their_range(r: float, mos: float) -> None:
    assert mos_of_rating(r) == mos


@pytest.mark.parametrize(
    ("delay_ms", "idd"), [(0, 0), (100, 0), (150, 0.16), (200, 3.04), (300, 14.76), (400, 24.07), (800, 40.83)]
)
def test_delay_takes_what_equation_7_27_gives(delay_ms: float, idd: float) -> None:
    assert delay_impairment(delay_ms) == pytest.approx(idd, abs=0.05)


def test_an_undisturbed_call_has_the_default_rating() -> None:
    assert rating(CODECS["pcmu"]) == 93.2
    assert rating(CODECS["g729"]) == pytest.approx(82.2)  # the value of G.108 for G.729A
    assert rating(CODECS["g723"]) == pytest.approx(78.2)


def test_loss_takes_more_where_nothing_conceals_it() -> None:
    assert loss_impairment(CODECS["pcmu"], 0) == 0
    assert loss_impairment(CODECS["pcmu"], 5) == pytest.approx(95 * 5 / 30.1)
    assert loss_impairment(WITHOUT_CONCEALMENT, 5) == pytest.approx(95 * 5 / 9.3)
    assert loss_impairment(CODECS["g729"], 2) == pytest.approx(11 + 84 * 2 / 21)


def test_bursts_take_more_than_random_loss() -> None:
    assert burst_ratio(0.02, 0.02) == pytest.approx(1.0)
    assert burst_ratio(0.02, 0.51) == pytest.approx(2.0)
    assert burst_ratio(0.0, 0.5) == burst_ratio(0.5, 1.0) == 1.0
    assert loss_impairment(CODECS["pcmu"], 5, 2.0) > loss_impairment(CODECS["pcmu"], 5)


def test_an_estimate_for_a_stream() -> None:
    clean = StreamStatistics("PCMA", packets_received=1000)
    assert estimate_mos(clean) == 4.41
    lossy = StreamStatistics("PCMA", packets_received=950, packets_lost=50)
    late = StreamStatistics("PCMA", packets_received=1000, packets_late=50)
    assert estimate_mos(lossy) == estimate_mos(late) == pytest.approx(3.92)
    slow = StreamStatistics("PCMA", packets_received=1000, round_trip_ms=600.0)
    assert estimate_mos(slow) == estimate_mos(clean, network_delay_ms=300.0)
    assert 3 < (estimate_mos(slow) or 0) < 4
    duplicated = StreamStatistics("PCMA", packets_received=1000, packets_lost=-5)
    assert estimate_mos(duplicated) == 4.41
    gone = StreamStatistics("PCMA", packets_received=1, packets_lost=999, packets_late=5)
    assert estimate_mos(gone) == pytest.approx(1.18)


def test_no_estimate_where_there_is_nothing_to_go_by() -> None:
    assert estimate_mos(StreamStatistics("PCMU")) is None
    assert estimate_mos(StreamStatistics("unknown", packets_received=5)) is None
