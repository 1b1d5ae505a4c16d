from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from voipgw.entropy import SeededEntropy
from voipgw.errors import AuthenticationError
from voipgw.rtp.rtcp import parse_compound
from voipgw.srtp import PROFILES, Context, KeyPair, MasterKey

_spec = importlib.util.spec_from_file_location("media_bench", Path(__file__).with_name("bench.py"))
bench = sys.modules.setdefault("media_bench", importlib.util.module_from_spec(_spec))
if not hasattr(bench, "Bench"):
    _spec.loader.exec_module(bench)
Bench, PCMU, PCMA, Direction, rtp = bench.Bench, bench.PCMU, bench.PCMA, bench.Direction, bench.rtp

ALL = pytest.mark.parametrize("profile", PROFILES)
CM = "AES_CM_128_HMAC_SHA1_80"
NOISE = np.random.default_rng(5)


def noise() -> bytes:
    return NOISE.integers(0, 256, 160, dtype=np.uint8).tobytes()


def draw(seed: int, profile: str = CM) -> KeyPair:
    """Ours to send with, the peer's to receive with."""
    entropy = SeededEntropy(seed)
    return KeyPair(MasterKey.draw(profile, entropy), MasterKey.draw(profile, entropy))


class Far:
    """A peer with SRTP: its own protection, and what it hears opened."""

    def __init__(self, b: object, keys: KeyPair, **options: object) -> None:
        self.peer = b.peer(srtp=keys, **options)
        self.stream, self.bench = self.peer.stream, b
        self.options = options
        self.opened: list[bytes] = []
        self.take_keys(keys)

    def take_keys(self, keys: KeyPair) -> None:
        self.keys = keys
        self.sends = Context(keys.receive.profile, keys.receive.key, keys.receive.salt)
        self.hears = Context(keys.send.profile, keys.send.key, keys.send.salt)

    def restart(self, **options: object) -> None:
        remote = options.pop("remote", self.peer.address)
        self.stream.start(remote, PCMU, srtp=self.keys, **{**self.options, **options})

    def packet(self, payload: bytes, sequence: int | None = None) -> bytes:
        p = self.peer
        number = p.sequence if sequence is None else sequence
        p.sequence = number + 1
        return self.sends.protect(rtp(payload, number, number * 160, ssrc=p.ssrc))

    def send(self, payload: bytes, sequence: int | None = None, source: tuple[str, int] | None = None) -> bytes:
        data = self.packet(payload, sequence)
        self.peer.deliver(data, source)
        return data

    def heard(self) -> list[bytes]:
        """Payloads that came for this peer, opened."""
        return [self.hears.unprotect(p.data)[12:] for p in self.bench.engine.take_output() if not p.rtcp]

    def rejected(self) -> dict[str, int]:
        return self.stream.details().rejected


@ALL
def test_srtp_is_relayed_to_rtp_and_rtp_to_srtp_bit_for_bit(profile: str) -> None:
    b = Bench()
    far, plain = Far(b, draw(1, profile)), b.peer()
    b.engine.bridge(far.stream, plain.stream)
    for _ in range(300):
        sound = noise()
        far.send(sound)
        assert [p.payload for p in b.heard()] == [sound]
        sound = noise()
        plain.send(sound)
        assert far.heard() == [sound]
        b.clock.now += 0.02
    assert far.rejected() == {}


def test_srtp_is_relayed_to_srtp_under_another_key_and_converted() -> None:
    b = Bench()
    one, other = Far(b, draw(1)), Far(b, draw(2, "AEAD_AES_256_GCM"))
    b.engine.bridge(one.stream, other.stream)
    sound = noise()
    one.send(sound)
    assert other.heard() == [sound]
    alaw = b.peer(PCMA)
    b.engine.bridge(one.stream, alaw.stream)
    one.send(b"\xff" * 160)
    assert [p.payload for p in b.heard()] == [b"\xd5" * 160]


def test_a_secure_stream_sends_nothing_in_clear() -> None:
    b = Bench()
    far, plain = Far(b, draw(1)), b.peer()
    b.engine.bridge(far.stream, plain.stream)
    far.send(noise())
    b.engine.take_output()
    far.stream.play(bench.tone(425.0, 1600), repeat=True)
    packets = []
    for _ in range(700):
        b.clock.now += 0.01
        b.engine.step(b.clock.now)
        packets += [p for p in b.engine.take_output() if p.source[1] - p.rtcp == far.stream.local[1]]
    assert {p.rtcp for p in packets} == {False, True}
    for p in packets:
        opened = far.hears.unprotect_rtcp(p.data) if p.rtcp else far.hears.unprotect(p.data)
        assert not p.rtcp or parse_compound(opened)
    far.stream.close()
    (bye,) = b.engine.take_output()
    assert far.hears.unprotect_rtcp(bye.data)[-8:-4] == b"\x81\xcb\x00\x01"


def test_what_is_not_authentic_is_counted_and_heard_by_nobody() -> None:
    b = Bench()
    far, plain = Far(b, draw(1)), b.peer()
    b.engine.bridge(far.stream, plain.stream)
    good = far.send(noise())
    assert len(b.heard()) == 1
    plain_rtp = rtp(noise(), far.peer.sequence, 0, ssrc=far.peer.ssrc)
    fresh = far.packet(noise())
    for bad in (plain_rtp, fresh[:-1] + bytes([fresh[-1] ^ 1]), fresh[:-3], b"\x80" * 172):
        far.peer.deliver(bad)
    assert b.heard() == []
    assert far.rejected() == {"authentication": 4}
    far.peer.deliver(good)
    assert b.heard() == []
    assert far.rejected() == {"authentication": 4, "replay": 1}
    assert far.stream.statistics().packets_received == 1
    far.peer.deliver(good[:15])
    assert far.rejected()["truncated"] == 1
    far.send(noise())
    assert len(b.heard()) == 1


@pytest.mark.parametrize("latch", ["auto", "any", "sdp", "signalling"])
def test_the_latch_never_moves_for_a_forged_or_replayed_packet(latch: str) -> None:
    b = Bench(latch=latch)
    far, plain = Far(b, draw(1)), b.peer()
    b.engine.bridge(far.stream, plain.stream)
    captured = [far.packet(noise()) for _ in range(8)]
    thief = (far.peer.address[0], 6666)
    for number in range(20):
        far.peer.deliver(rtp(noise(), number, number * 160, ssrc=7) + bytes(10), thief)
    assert far.stream.details().latched == 0
    for data in captured:
        far.peer.deliver(data)
    b.heard()
    for data in captured:
        far.peer.deliver(data, thief)
    assert far.stream.details().latched == 0
    plain.send(noise())
    assert {p.destination for p in b.heard()} == {far.peer.address}


def test_a_source_is_learnt_from_the_first_authentic_packet_and_followed() -> None:
    b = Bench()
    far, plain = Far(b, draw(1)), b.peer()
    b.engine.bridge(far.stream, plain.stream)
    for port in (7000, 7002):
        moved = (far.peer.address[0], port)
        far.send(noise(), source=moved)
        plain.send(noise())
        destinations = {p.destination for p in b.heard()}
        assert moved in destinations
    assert far.stream.details().latched == 2


def test_an_old_packet_that_was_held_back_does_not_move_the_source() -> None:
    b = Bench()
    far = Far(b, draw(1))
    held = far.packet(noise())
    far.send(noise())
    far.peer.deliver(held, (far.peer.address[0], 6666))
    assert far.stream.details().source == far.peer.address


def test_a_public_address_of_the_description_is_kept_to_even_by_authentic_packets() -> None:
    b = Bench()
    far = Far(b, draw(1))
    far.send(noise(), source=("203.0.113.99", 4000))
    assert far.rejected() == {"source": 1}


def test_the_rollover_counter_survives_hold_and_new_descriptions() -> None:
    b = Bench()
    far, plain = Far(b, draw(1)), b.peer()
    b.engine.bridge(far.stream, plain.stream)
    far.peer.sequence = 65500
    for _ in range(30):
        far.send(noise())
    far.restart(direction=Direction.SENDONLY)
    for _ in range(20):
        far.send(noise())  # still on its way: heard by nobody, and counted for the index
    b.heard()
    assert far.rejected() == {"direction": 20}
    far.restart(remote=("198.51.100.77", 5000))
    far.peer.address = ("198.51.100.77", 5000)
    far.send(noise())
    plain.send(noise())
    assert len(b.engine.take_output()) == 2
    assert far.rejected() == {"direction": 20}


def test_our_own_rollover_counter_goes_on_over_the_wrap() -> None:
    b = Bench()
    far, plain = Far(b, draw(1)), b.peer()
    b.engine.bridge(far.stream, plain.stream)
    for number in range(0, 70000, 100):
        plain.sequence = number
        plain.send(noise())
        b.clock.now += 0.02
        assert len(far.heard()) == 1
    assert far.stream.details().unprotected == 0


def test_a_peer_in_clear_that_restarts_its_numbers_is_still_heard() -> None:
    b = Bench()
    far, plain = Far(b, draw(1)), b.peer()
    b.engine.bridge(far.stream, plain.stream)
    plain.sequence = 40000
    for _ in range(5):
        plain.send(noise())
    assert len(far.heard()) == 5
    plain.sequence = 20000
    for _ in range(5):
        plain.send(noise())
    assert len(far.heard()) == 4  # the first one after the jump is not believed yet
    assert far.stream.details().unprotected == 0


def test_a_duplicate_in_clear_is_not_encrypted_twice() -> None:
    b = Bench()
    far, plain = Far(b, draw(1)), b.peer()
    b.engine.bridge(far.stream, plain.stream)
    plain.deliver(rtp(noise(), 5, 800))
    plain.deliver(rtp(noise(), 5, 800))
    assert len(far.heard()) == 1
    assert far.stream.details().unprotected == 1


@ALL
def test_new_keys_take_over_with_the_first_packet_under_them(profile: str) -> None:
    b = Bench()
    far, plain = Far(b, draw(1, profile)), b.peer()
    b.engine.bridge(far.stream, plain.stream)
    far.peer.sequence = 65534
    for _ in range(4):
        far.send(noise())
    assert len(b.heard()) == 4
    late, forgotten = far.packet(noise()), far.packet(noise())
    old, fresh = far.sends, draw(2, profile)
    far.take_keys(fresh)
    far.sends.inherit(old)
    far.restart()
    far.peer.deliver(late)  # sent before the peer had our answer
    assert len(b.heard()) == 1
    far.send(noise())
    assert len(b.heard()) == 1
    far.peer.deliver(forgotten)
    assert b.heard() == []
    assert far.rejected() == {"authentication": 1}
    plain.send(noise())
    assert len(far.heard()) == 1


def test_only_the_direction_whose_key_changed_is_keyed_anew() -> None:
    b = Bench()
    far, plain = Far(b, draw(1)), b.peer()
    b.engine.bridge(far.stream, plain.stream)
    far.send(noise())
    plain.send(noise())
    b.engine.take_output()
    before, kept = far.sends, draw(1)
    far.keys = KeyPair(draw(3).send, kept.receive)
    far.restart()
    far.sends = before
    far.send(noise())
    assert len(b.heard()) == 1
    plain.send(noise())
    (packet,) = b.engine.take_output()
    with pytest.raises(AuthenticationError):
        far.hears.unprotect(packet.data)
    new = far.keys.send
    Context(new.profile, new.key, new.salt).unprotect(packet.data)


def test_srtcp_is_opened_and_what_is_forged_counted() -> None:
    b = Bench()
    far = Far(b, draw(1))
    report = bytes([0x80, 201, 0, 1]) + far.peer.ssrc.to_bytes(4, "big")
    protected = far.sends.protect_rtcp(report)
    for data in (report + bytes(14), protected[:-1] + bytes([protected[-1] ^ 1])):
        far.peer.deliver(data, rtcp=True)
    assert far.stream.details().rtcp_received == 0
    assert sum(far.rejected().values()) == 2
    far.peer.deliver(protected, rtcp=True)
    assert far.stream.details().rtcp_received == 1
    far.peer.deliver(protected, rtcp=True)
    assert far.rejected()["replay"] == 1


def test_the_first_sequence_number_is_far_from_the_wrap() -> None:
    for seed in range(8):
        b = Bench(seed)
        far, plain = Far(b, draw(1)), b.peer()
        b.engine.bridge(far.stream, plain.stream)
        plain.send(noise())
        (packet,) = b.heard()
        assert packet.sequence <= 0x8000


def test_a_stream_may_go_from_plain_to_secure_and_back() -> None:
    b = Bench()
    far, plain = Far(b, draw(1)), b.peer()
    b.engine.bridge(far.stream, plain.stream)
    far.stream.start(far.peer.address, PCMU)
    sound = noise()
    plain.send(sound)
    assert [p.payload for p in b.heard()] == [sound]
    far.restart()
    plain.send(sound)
    assert [p.payload for p in b.heard()] != [sound]
