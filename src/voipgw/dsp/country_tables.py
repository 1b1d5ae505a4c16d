"""The table of countries, in the form of ITU-T E.180 Supplement 2.

The values are those in common use; they have not been compared line by line with the Supplement or with the operators' own
interface descriptions, and caller-ID methods are a country's most usual one. An operator's document outranks a row of this table.
A modulated tone is given as its two side lines (India's 400 Hz times 25 Hz as 375 + 425 Hz). Where a country has no howler of its
own on record, the four-frequency one of North America is used; where it has no own special information tone, E.180's.
"""

from __future__ import annotations

from voipgw.dsp.tones import (
    Cadence,
    CallerIdAlert,
    CallerIdMethod,
    CallerIdStandard,
    CallerIdTiming,
    Country,
    ToneKind,
    ToneSegment,
    silence,
)


def _cadence(text: str, level_dbm0: float) -> Cadence:
    """Written as in the Supplement: ``frequency[+frequency]/milliseconds``, frequency 0 a pause, no time: without end."""
    parts = []
    for word in text.split():
        frequencies, _, duration = word.partition("/")
        tones = tuple(float(hz) for hz in frequencies.split("+") if hz != "0")
        parts.append(ToneSegment(tones, int(duration or 0), level_dbm0) if tones else silence(int(duration)))
    return tuple(parts)


_SIT = "950/330 1400/330 1800/330 0/1000"
_HOWLER = "1400+2060+2450+2600/100 0/100"
_AFTER_RING_BELL = CallerIdMethod(CallerIdStandard.BELLCORE)
_AFTER_RING_ETSI = CallerIdMethod(CallerIdStandard.ETSI)
_BEFORE_RING_DTMF = CallerIdMethod(CallerIdStandard.DTMF, CallerIdTiming.BEFORE_RING, CallerIdAlert.POLARITY_REVERSAL)
_BT = CallerIdMethod(CallerIdStandard.BT, CallerIdTiming.BEFORE_RING, CallerIdAlert.POLARITY_REVERSAL_DT_AS)


def _stutter(tone: str, on_ms: int = 100, off_ms: int = 100, times: int = 10) -> str:
    return f"{tone}/{on_ms} 0/{off_ms} " * times + tone


def _country(
    code: str,
    name: str,
    ring_ms: tuple[int, ...],
    caller_id: CallerIdMethod | None,
    *,
    dial: str,
    ringback: str,
    busy: str,
    congestion: str,
    call_waiting: str,
    stutter: str,
    howler: str = _HOWLER,
    sit: str = _SIT,
    levels_dbm0: tuple[float, float, float] = (-13.0, -19.0, -20.0),
) -> Country:
    """``levels_dbm0``: of dial tone; of ringback; of busy and congestion."""
    dial_dbm0, ringback_dbm0, busy_dbm0 = levels_dbm0
    return Country(
        code,
        name,
        {
            ToneKind.DIAL: _cadence(dial, dial_dbm0),
            ToneKind.STUTTER: _cadence(stutter, dial_dbm0),
            ToneKind.RINGBACK: _cadence(ringback, ringback_dbm0),
            ToneKind.BUSY: _cadence(busy, busy_dbm0),
            ToneKind.CONGESTION: _cadence(congestion, busy_dbm0),
            ToneKind.SIT: _cadence(sit, -14.0),
            ToneKind.CALL_WAITING: _cadence(call_waiting, -16.0),
            ToneKind.HOWLER: _cadence(howler, -10.0),
        },
        ring_ms,
        caller_id,
    )


_US = {
    "dial": "350+440", "ringback": "440+480/2000 0/4000", "busy": "480+620/500 0/500", "congestion": "480+620/250 0/250",
    "call_waiting": "440/300 0/9700", "stutter": _stutter("350+440"),
}  # fmt: skip

_TABLE = (
    _country("us", "United States", (2000, 4000), _AFTER_RING_BELL, **_US, levels_dbm0=(-13.0, -19.0, -24.0)),
    _country("ca", "Canada", (2000, 4000), _AFTER_RING_BELL, **_US, levels_dbm0=(-13.0, -19.0, -24.0)),
    _country(
        "gb", "United Kingdom", (400, 200, 400, 2000), _BT,
        dial="350+440", ringback="400+450/400 0/200 400+450/400 0/2000", busy="400/375 0/375",
        congestion="400/400 0/350 400/225 0/525", call_waiting="400/100 0/2900", stutter="350+440/750 440/750",
    ),
    _country(
        "de", "Germany", (1000, 4000), _AFTER_RING_ETSI,
        dial="425", ringback="425/1000 0/4000", busy="425/480 0/480", congestion="425/240 0/240",
        call_waiting="425/200 0/200 425/200 0/5000", stutter="425+400",
    ),
    _country(
        "fr", "France", (1500, 3500), _AFTER_RING_ETSI,
        dial="440", ringback="440/1500 0/3500", busy="440/500 0/500", congestion="440/250 0/250",
        call_waiting="440/300 0/10000", stutter="350+440",
    ),
    _country(
        "it", "Italy", (1000, 4000), _AFTER_RING_ETSI,
        dial="425/200 0/200 425/600 0/1000", ringback="425/1000 0/4000", busy="425/500 0/500", congestion="425/200 0/200",
        call_waiting="425/400 0/100 425/250 0/100 425/150 0/14000", stutter="470/400 425/400",
    ),
    _country(
        "es", "Spain", (1500, 3000), _AFTER_RING_ETSI,
        dial="425", ringback="425/1500 0/3000", busy="425/200 0/200",
        congestion="425/200 0/200 425/200 0/200 425/200 0/600", call_waiting="425/175 0/175 425/175 0/3500",
        stutter="425/1000 0/100",
    ),
    _country(
        "nl", "Netherlands", (1000, 4000), _BEFORE_RING_DTMF,
        dial="425", ringback="425/1000 0/4000", busy="425/500 0/500", congestion="425/250 0/250",
        call_waiting="425/500 0/9500", stutter="425/500 0/50",
    ),
    _country(
        "be", "Belgium", (1000, 3000), _AFTER_RING_ETSI,
        dial="425", ringback="425/1000 0/3000", busy="425/500 0/500", congestion="425/167 0/167",
        call_waiting="1400/175 0/175 1400/175 0/3500", stutter="425/1000 0/250",
    ),
    _country(
        "ch", "Switzerland", (1000, 4000), _AFTER_RING_ETSI,
        dial="425", ringback="425/1000 0/4000", busy="425/500 0/500", congestion="425/200 0/200",
        call_waiting="425/200 0/200 425/200 0/4000", stutter="425+340/1100 425/1100",
    ),
    _country(
        "at", "Austria", (1000, 5000), _AFTER_RING_ETSI,
        dial="420", ringback="420/1000 0/5000", busy="420/400 0/400", congestion="420/200 0/200",
        call_waiting="420/40 0/1950", stutter="420+380",
    ),
    _country(
        "pt", "Portugal", (1000, 5000), _AFTER_RING_ETSI,
        dial="425", ringback="425/1000 0/5000", busy="425/500 0/500", congestion="425/200 0/200",
        call_waiting="425/200 0/600 425/200 0/5000", stutter="425/1000 0/200",
    ),
    _country(
        "ie", "Ireland", (400, 200, 400, 2000), _AFTER_RING_ETSI,
        dial="425", ringback="400+450/400 0/200 400+450/400 0/2000", busy="425/500 0/500", congestion="425/250 0/250",
        call_waiting="425/180 0/200 425/200 0/4500", stutter="425/400 0/40",
    ),
    _country(
        "dk", "Denmark", (1000, 4000), _BEFORE_RING_DTMF,
        dial="425", ringback="425/1000 0/4000", busy="425/500 0/500", congestion="425/200 0/200",
        call_waiting="425/200 0/600 425/200 0/3000", stutter="425/400 0/40",
    ),
    _country(
        "se", "Sweden", (1000, 5000), _BEFORE_RING_DTMF,
        dial="425", ringback="425/1000 0/5000", busy="425/250 0/250", congestion="425/250 0/750",
        call_waiting="425/200 0/500 425/200 0/5000", stutter="425/320 0/40",
    ),
    _country(
        "no", "Norway", (1000, 4000), _AFTER_RING_ETSI,
        dial="425", ringback="425/1000 0/4000", busy="425/500 0/500", congestion="425/200 0/200",
        call_waiting="425/200 0/600 425/200 0/10000", stutter="470/400 425/400",
    ),
    _country(
        "fi", "Finland", (1000, 4000), _BEFORE_RING_DTMF,
        dial="425", ringback="425/1000 0/4000", busy="425/300 0/300", congestion="425/200 0/200",
        call_waiting="425/150 0/150 425/150 0/8000", stutter="425/650 0/25",
    ),
    _country(
        "pl", "Poland", (1000, 4000), _AFTER_RING_ETSI,
        dial="425", ringback="425/1000 0/4000", busy="425/500 0/500", congestion="425/250 0/250",
        call_waiting="425/150 0/150 425/150 0/4000", stutter="425/500 0/50",
    ),
    _country(
        "cz", "Czechia", (1000, 4000), _AFTER_RING_ETSI,
        dial="425/330 0/330 425/660 0/660", ringback="425/1000 0/4000", busy="425/330 0/330",
        congestion="425/165 0/165", call_waiting="425/330 0/9000", stutter="425/165 0/165 425/165 0/165 425/660 0/660",
    ),
    _country(
        "ru", "Russia", (1000, 4000), None,
        dial="425", ringback="425/1000 0/4000", busy="425/400 0/400", congestion="425/175 0/175",
        call_waiting="425/200 0/5000", stutter="425/400 0/40",
    ),
    _country(
        "au", "Australia", (400, 200, 400, 2000), _AFTER_RING_BELL,
        dial="413+438", ringback="413+438/400 0/200 413+438/400 0/2000", busy="425/375 0/375",
        congestion="425/250 0/250", call_waiting="425/200 0/200 425/200 0/4400", stutter="413+438/100 0/40",
    ),
    _country(
        "nz", "New Zealand", (400, 200, 400, 2000), _AFTER_RING_BELL,
        dial="400", ringback="400+450/400 0/200 400+450/400 0/2000", busy="400/500 0/500", congestion="400/250 0/250",
        call_waiting="400/200 0/3000", stutter=_stutter("400", times=12),
    ),
    _country(
        "jp", "Japan", (1000, 2000), None,
        dial="400", ringback="384+416/1000 0/2000", busy="400/500 0/500", congestion="400/250 0/250",
        call_waiting="384+416/500 0/8000", stutter="400/125 0/125",
    ),
    _country(
        "cn", "China", (1000, 4000), _AFTER_RING_BELL,
        dial="450", ringback="450/1000 0/4000", busy="450/350 0/350", congestion="450/700 0/700",
        call_waiting="450/400 0/4000", stutter="450/400 0/40",
    ),
    _country(
        "in", "India", (400, 200, 400, 2000), _BEFORE_RING_DTMF,
        dial="375+425", ringback="375+425/400 0/200 375+425/400 0/2000", busy="400/750 0/750", congestion="400/250 0/250",
        call_waiting="400/200 0/100 400/200 0/7500", stutter="375+425/250 0/250",
    ),
    _country(
        "br", "Brazil", (1000, 4000), _BEFORE_RING_DTMF,
        dial="425", ringback="425/1000 0/4000", busy="425/250 0/250", congestion="425/250 0/250 425/750 0/250",
        call_waiting="425/50 0/1000", stutter="425/1000 0/100",
    ),
    _country(
        "za", "South Africa", (400, 200, 400, 2000), _AFTER_RING_ETSI,
        dial="383+417", ringback="383+417/400 0/200 383+417/400 0/2000", busy="400/500 0/500", congestion="400/250 0/250",
        call_waiting="383+417/400 0/4000", stutter="383+417/200 0/40",
    ),
)  # fmt: skip

COUNTRIES: dict[str, Country] = {country.code: country for country in _TABLE}


def country(code: str) -> Country:
    """The country of an ISO 3166-1 alpha-2 code, upper or lower case; ``uk`` is taken for ``gb``.

    Raises:
        ValueError: not in the table; the message lists what is.
    """
    wanted = code.lower()
    found = COUNTRIES.get("gb" if wanted == "uk" else wanted)
    if found is None:
        raise ValueError(f"no tones of country {code!r}; there are {', '.join(COUNTRIES)}")
    return found
