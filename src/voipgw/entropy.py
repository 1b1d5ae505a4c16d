"""One source of every random value: tags, branches, Call-IDs, SSRCs, nonces. Seeded, it makes a run repeatable."""

from __future__ import annotations

import os
import random
from typing import Protocol

_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


class Entropy(Protocol):
    """What machines draw their random values from."""

    def octets(self, n: int) -> bytes:
        """``n`` random octets, fit for keys."""
        ...

    def token(self) -> str:
        """A SIP token of 16 to 20 characters with at least 80 random bits: tags, the tail of a branch, Call-IDs, nonces."""
        ...

    def bits(self, n: int) -> int:
        """An integer of ``n`` random bits: SSRC (32), first sequence number (16), first timestamp (32)."""
        ...

    def uniform(self) -> float:
        """A float in [0, 1), for the jitter of timers."""
        ...


class SystemEntropy:
    """The operating system's random source, read in blocks since a call per token would cost a system call."""

    def __init__(self) -> None:
        self._pool = b""
        self._at = 0

    def octets(self, n: int) -> bytes:
        """``n`` octets of os.urandom."""
        if n > 64:
            return os.urandom(n)
        if self._at + n > len(self._pool):
            self._pool, self._at = os.urandom(4096), 0
        self._at += n
        return self._pool[self._at - n : self._at]

    def token(self) -> str:
        """20 hexadecimal characters, 80 bits."""
        return self.octets(10).hex()

    def bits(self, n: int) -> int:
        """``n`` random bits."""
        return int.from_bytes(self.octets((n + 7) // 8), "big") >> (-n % 8)

    def uniform(self) -> float:
        """53 random bits as a fraction."""
        return self.bits(53) / (1 << 53)


class SeededEntropy:
    """Repeatable values from a seed, for the lab and for tests. Never for a gateway in service."""

    def __init__(self, seed: int | str) -> None:
        self._random = random.Random(f"voipgw {seed}")

    def octets(self, n: int) -> bytes:
        """The next ``n`` octets of the seeded sequence."""
        return self._random.randbytes(n)

    def token(self) -> str:
        """The next token."""
        return "".join(self._random.choices(_ALPHABET, k=16))

    def bits(self, n: int) -> int:
        """The next ``n`` bits."""
        return self._random.getrandbits(n)

    def uniform(self) -> float:
        """The next float in [0, 1)."""
        return self._random.random()
