from __future__ import annotations

import re

import pytest

from voipgw.entropy import Entropy, SeededEntropy, SystemEntropy


@pytest.mark.parametrize("entropy", [SystemEntropy(), SeededEntropy(1)])
def test_values_have_the_size_that_was_asked_for(entropy: Entropy) -> None:
    assert len(entropy.octets(5)) == 5
    assert len(entropy.octets(100)) == 100
    assert entropy.octets(0) == b""
    assert all(0 <= entropy.bits(n) < 1 << n for n in (1, 7, 16, 32, 53))
    assert 0 <= entropy.uniform() < 1
    assert re.fullmatch(r"[0-9A-Za-z]{16,20}", entropy.token())


def test_tokens_do_not_repeat() -> None:
    entropy = SystemEntropy()
    assert len({entropy.token() for _ in range(10_000)}) == 10_000


def test_the_pool_never_gives_an_octet_twice() -> None:
    entropy = SystemEntropy()
    assert len({entropy.octets(16) for _ in range(10_000)}) == 10_000


def test_a_seed_repeats_its_values_and_another_gives_others() -> None:
    one, again, other = SeededEntropy(7), SeededEntropy(7), SeededEntropy(8)
    assert [one.token(), one.bits(32), one.octets(4)] == [again.token(), again.bits(32), again.octets(4)]
    assert SeededEntropy(7).token() != other.token()
