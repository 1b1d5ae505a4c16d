"""What a telephone of a country is born with: the tones that its user knows, and its caller-ID receiver."""

from __future__ import annotations

import functools

from voipgw import dsp
from voipgw.drivers.hearing import ToneShape

_NAMES = {
    dsp.ToneKind.DIAL: "dial-tone",
    dsp.ToneKind.STUTTER: "stutter",
    dsp.ToneKind.RINGBACK: "ringback",
    dsp.ToneKind.BUSY: "busy",
    dsp.ToneKind.CONGESTION: "congestion",
    dsp.ToneKind.SIT: "sit",
    dsp.ToneKind.HOWLER: "howler",
    dsp.ToneKind.CALL_WAITING: "call-waiting",
}


@functools.lru_cache(maxsize=64)
def shapes_of(country: str) -> tuple[ToneShape, ...]:
    """The tones of a country (ISO 3166-1 alpha-2).

    Raises:
        ValueError: the table has no such country.
    """
    tones = dsp.country(country).tones
    return tuple(
        ToneShape(name, tuple((part.frequencies_hz, part.duration_ms / 1000) for part in tones[kind]))
        for kind, name in _NAMES.items()
    )


def caller_id_receiver(country: str) -> dsp.CallerIdReceiver:
    """A receiver of the country's standard; of Bell's where the country has none."""
    method = dsp.country(country).caller_id
    return dsp.CallerIdReceiver(method.standard if method is not None else dsp.CallerIdStandard.BELLCORE)


def flash_ms(country: str) -> float:
    """How long the telephone's recall key opens the loop; North Americans press the hook by hand."""
    return 500.0 if country in ("us", "ca") else 150.0
