"""Codecs by the names of RFC 3551 and the IANA registry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
import numpy.typing as npt

from voipgw.codecs.g711 import G711
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


_MAKERS: dict[str, Callable[[int | None], Codec]] = {
    "PCMU": lambda rate: _narrow("PCMU", rate),
    "PCMA": lambda rate: _narrow("PCMA", rate),
    "L16": lambda rate: L16(8000 if rate is None else rate),
}


def available() -> tuple[str, ...]:
    """The names that ``create`` knows."""
    return tuple(_MAKERS)


def create(name: str, *, sample_rate_hz: int | None = None) -> Codec:
    """A fresh codec.

    Args:
        name: the encoding name, in any case; a rate may follow it as in SDP, e.g. ``L16/16000``.
        sample_rate_hz: for codecs that come at several rates (L16; 8000 when not said).

    Raises:
        ConfigurationError: no such codec, or not at that rate; the message names what there is.
    """
    encoding, slash, rate = name.partition("/")
    make = _MAKERS.get(encoding.upper())
    if make is None:
        raise ConfigurationError(f"no codec {name!r}; available: {', '.join(_MAKERS)}")
    if slash:
        if not (rate.isascii() and rate.isdigit() and len(rate) < 7):
            raise ConfigurationError(f"codec {name!r}: {rate!r} is not a sample rate; right is e.g. L16/16000")
        sample_rate_hz = int(rate)
    return make(sample_rate_hz)


def _narrow(name: str, rate: int | None) -> Codec:
    if rate not in {None, 8000}:
        raise ConfigurationError(f"codec {name} has 8000 samples a second, not {rate}")
    return G711(name)
