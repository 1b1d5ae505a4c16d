"""Codecs by the names of RFC 3551 and the IANA registry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import attrs
import numpy as np
import numpy.typing as npt

from voipgw.codecs.g711 import G711
from voipgw.codecs.g722 import G722
from voipgw.codecs.g726 import G726
from voipgw.codecs.gsm import Gsm
from voipgw.codecs.l16 import L16
from voipgw.errors import ConfigurationError


class Codec(Protocol):
    """One direction pair of one stream: it has state, so every stream needs its own."""

    @property
    def name(self) -> str:
        """The encoding name, e.g. ``PCMU``."""
        ...

    @property
    def sample_rate_hz(self) -> int:
        """The rate of the samples that ``encode`` takes and ``decode`` gives."""
        ...

    @property
    def clock_rate_hz(self) -> int:
        """The rate of RTP timestamps; differs from the samples' for G722 and opus."""
        ...

    def encode(self, pcm: npt.NDArray[np.int16]) -> bytes:
        """Payload octets of int16[n] samples, any n; what does not fill a frame waits for the next call.

        Raises:
            LocalProtocolError: ``pcm`` is not a one-dimensional int16 array.
        """
        ...

    def decode(self, payload: bytes) -> npt.NDArray[np.int16]:
        """int16[n] samples of a payload.

        Raises:
            ParseError: the octets are no payload of this codec.
        """
        ...

    def conceal(self, n: int) -> npt.NDArray[np.int16]:
        """int16[n] samples in the place of lost audio, continuing what was decoded last and fading out."""
        ...


@attrs.frozen
class Encoding:
    """What descriptions and schedulers must know of a codec."""

    name: str
    payload_type: int | None  #: the static one of RFC 3551 table 4; None: an rtpmap gives it a number
    clock_rate_hz: int  #: of RTP timestamps, and in SDP
    sample_rate_hz: int
    frame_samples: int  #: what a payload holds a multiple of
    fmtp: str = ""  #: of our offer


_G726 = tuple(f"{packing}G726-{rate}" for packing in ("", "AAL2-") for rate in (16, 24, 32, 40))
ENCODINGS: dict[str, Encoding] = {
    encoding.name: encoding
    for encoding in (
        Encoding("PCMU", 0, 8000, 8000, 1),
        Encoding("PCMA", 8, 8000, 8000, 1),
        Encoding("G722", 9, 8000, 16000, 2),
        *(Encoding(name, None, 8000, 8000, 8) for name in _G726),  # RFC 3551 section 4.5.4: whole octets
        Encoding("GSM", 3, 8000, 8000, 160),
        Encoding("L16", None, 8000, 8000, 1),
    )
}  #: by name

_MAKERS: dict[str, Callable[[str], Codec]] = {
    "PCMU": G711,
    "PCMA": G711,
    "G722": lambda _: G722(),
    **dict.fromkeys(_G726, G726),
    "GSM": lambda _: Gsm(),
}


def available() -> tuple[str, ...]:
    """The names that ``create`` knows."""
    return tuple(ENCODINGS)


def create(name: str, *, sample_rate_hz: int | None = None) -> Codec:
    """A fresh codec.

    Args:
        name: the encoding name, in any case; a clock rate may follow it as in SDP, e.g. ``L16/16000`` or ``G722/8000``.
        sample_rate_hz: for codecs that come at several rates (L16; 8000 when not said).

    Raises:
        ConfigurationError: no such codec, or not at that rate; the message names what there is.
    """
    encoding_name, slash, text = name.partition("/")
    encoding = ENCODINGS.get(encoding_name.upper())
    if encoding is None:
        raise ConfigurationError(f"no codec {name!r}; available: {', '.join(ENCODINGS)}")
    clock = None
    if slash:
        if not (text.isascii() and text.isdigit() and len(text) < 7):
            raise ConfigurationError(f"codec {name!r}: {text!r} is not a clock rate; right is e.g. L16/16000")
        clock = int(text)
    if encoding.name == "L16":
        return L16(clock or sample_rate_hz or 8000)
    if clock not in {None, encoding.clock_rate_hz} or sample_rate_hz not in {None, encoding.sample_rate_hz}:
        asked = clock if clock is not None else sample_rate_hz
        raise ConfigurationError(f"codec {encoding.name} has {encoding.sample_rate_hz} samples a second, not {asked}")
    return _MAKERS[encoding.name](encoding.name)
