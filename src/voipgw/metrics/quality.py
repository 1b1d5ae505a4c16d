"""How a call sounded, estimated from what its packets did: the E-model (ITU-T G.107) with default values for the rest.

R is 93.2 for an undisturbed narrow-band call; delay (Idd, section 7.4) and coding with loss (Ie,eff, section 7.5) take from
it. Echo is taken to be cancelled, as it is at a gateway. Wide-band codecs are counted on the narrow-band scale.
"""

from __future__ import annotations

import math

import attrs

from voipgw.media.plane import StreamStatistics

DEFAULT_RATING = 93.2  #: R with every parameter at its default (G.107 table 3)


@attrs.frozen
class CodecImpairment:
    """What a codec takes from R, and how well it bears loss (ITU-T G.113 appendix I)."""

    ie: float  #: equipment impairment without loss
    bpl: float  #: robustness against packet loss


#: By encoding name in lower case; those with concealment where they have it.
CODECS: dict[str, CodecImpairment] = {
    "pcmu": CodecImpairment(0.0, 25.1),
    "pcma": CodecImpairment(0.0, 25.1),
    "l16": CodecImpairment(0.0, 25.1),
    "g722": CodecImpairment(0.0, 25.1),
    "g723": CodecImpairment(15.0, 16.1),
    "g729": CodecImpairment(11.0, 19.0),
    "gsm-efr": CodecImpairment(5.0, 10.0),
}
WITHOUT_CONCEALMENT = CodecImpairment(0.0, 4.3)  #: G.711 that plays nothing for a lost packet


def delay_impairment(delay_ms: float) -> float:
    """Idd: what a one-way mouth-to-ear delay takes (G.107 equations 7-27 and 7-28)."""
    if delay_ms <= 100:
        return 0.0
    x = math.log2(delay_ms / 100)
    return 25 * (math.pow(1 + math.pow(x, 6), 1 / 6) - 3 * math.pow(1 + math.pow(x / 3, 6), 1 / 6) + 2)


def loss_impairment(codec: CodecImpairment, loss_percent: float, burst_ratio: float = 1.0) -> float:
    """Ie,eff: what coding and loss take (G.107 equation 7-29).

    ``burst_ratio`` is the mean length of bursts of loss by that of random loss: 1 for random loss, more for bursts.
    """
    return codec.ie + (95 - codec.ie) * loss_percent / (loss_percent / burst_ratio + codec.bpl)


def rating(
    codec: CodecImpairment, *, loss_percent: float = 0.0, delay_ms: float = 0.0, burst_ratio: float = 1.0
) -> float:
    """R, from 0 to 93.2."""
    taken = delay_impairment(delay_ms) + loss_impairment(codec, loss_percent, burst_ratio)
    return max(0.0, DEFAULT_RATING - taken)


def mos_of_rating(r: float) -> float:
    """The mean opinion score of R (G.107 annex B), 1 to 4.5."""
    if r <= 0:
        return 1.0
    if r >= 100:
        return 4.5
    return max(1.0, 1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6)


def burst_ratio(loss_fraction: float, loss_after_loss: float) -> float:
    """The burst ratio of a two-state chain: loss probability overall, and right after a lost packet (G.107 section 7.5)."""
    if not 0 < loss_fraction < 1 or loss_after_loss >= 1:
        return 1.0
    return max(1.0, (1 - loss_fraction) / (1 - loss_after_loss))


def estimate_mos(
    statistics: StreamStatistics, *, ptime_ms: float = 20.0, network_delay_ms: float = 0.0
) -> float | None:
    """The opinion score of what a stream received, two decimals; None where nothing came or the codec is not known.

    Late packets count as lost. The delay is half the measured round trip (``network_delay_ms`` where none was measured), the
    packet time, and a jitter buffer of twice the jitter or one packet, whichever is more.
    """
    codec = CODECS.get(statistics.codec.lower())
    if codec is None or statistics.packets_received <= 0:
        return None
    expected = statistics.packets_received + max(statistics.packets_lost, 0)
    missing = min(max(statistics.packets_lost, 0) + statistics.packets_late, expected)
    one_way_ms = network_delay_ms if statistics.round_trip_ms is None else statistics.round_trip_ms / 2
    delay_ms = one_way_ms + ptime_ms + max(2 * statistics.jitter_ms, ptime_ms)
    return round(mos_of_rating(rating(codec, loss_percent=100 * missing / expected, delay_ms=delay_ms)), 2)
