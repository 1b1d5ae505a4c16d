"""SRTP under everything that an attacker can do to packets: nothing foreign is taken, nothing honest is lost by it."""

from __future__ import annotations

import struct

from hypothesis import given, settings
from hypothesis import strategies as st

from voipgw.entropy import SeededEntropy
from voipgw.errors import AuthenticationError, NegotiationError, ParseError, ReplayError
from voipgw.srtp import PROFILES, Context, MasterKey
from voipgw.srtp.sdes import Crypto, masked, parse

profiles = st.sampled_from(sorted(PROFILES))
payloads = st.binary(max_size=200)
REFUSED = (AuthenticationError, ParseError)


def pair(profile: str, seed: int = 1) -> tuple[Context, Context]:
    master = MasterKey.draw(profile, SeededEntropy(seed))
    return Context(profile, master.key, master.salt), Context(profile, master.key, master.salt)


def rtp(number: int, payload: bytes, csrc: int = 0, extension: bytes | None = None) -> bytes:
    first = 0x80 | csrc | (0x10 if extension is not None else 0)
    head = struct.pack(">BBHII", first, 0, number & 0xFFFF, number * 160 & 0xFFFFFFFF, 0xCAFEBABE) + bytes(4 * csrc)
    if extension is not None:
        head += struct.pack(">HH", 0xBEDE, len(extension) // 4) + extension
    return head + payload


@given(profiles, payloads, st.integers(0, 15), st.none() | st.integers(0, 6).map(lambda n: bytes(4 * n)))
def test_every_packet_comes_back(profile: str, payload: bytes, csrc: int, extension: bytes | None) -> None:
    sender, receiver = pair(profile)
    packet = rtp(7, payload, csrc, extension)
    assert receiver.unprotect(sender.protect(packet)) == packet


@given(profiles, payloads, st.data())
def test_a_changed_or_shortened_packet_is_refused_and_the_honest_one_still_taken(
    profile: str, payload: bytes, data: st.DataObject
) -> None:
    sender, receiver = pair(profile)
    packet = rtp(1, payload)
    protected = sender.protect(packet)
    at = data.draw(st.integers(0, len(protected) - 1))
    flip = data.draw(st.integers(1, 255))
    changed = protected[:at] + bytes([protected[at] ^ flip]) + protected[at + 1 :]
    cut = protected[: data.draw(st.integers(0, len(protected) - 1))]
    for bad in (changed, cut, protected + data.draw(st.binary(min_size=1, max_size=30))):
        try:
            receiver.unprotect(bad)
        except REFUSED:
            continue
        raise AssertionError("taken")
    assert receiver.unprotect(protected) == packet


@given(profiles, st.lists(st.integers(0, 400), min_size=1, max_size=80), st.integers(0, 70000))
@settings(max_examples=50)
def test_of_packets_in_any_order_each_is_taken_once_within_the_window(
    profile: str, order: list[int], begin: int
) -> None:
    sender, receiver = pair(profile)
    sent = [sender.protect(rtp(begin + number, b"%d" % number)) for number in range(401)]
    receiver.set_index(0xCAFEBABE, begin + order[0], sent=False)
    newest, taken = order[0], {order[0]}
    for number in order[1:]:
        fresh = number not in taken and number > newest - 128
        try:
            assert receiver.unprotect(sent[number]) == rtp(begin + number, b"%d" % number)
        except ReplayError:
            assert not fresh
        else:
            assert fresh
            taken.add(number)
            newest = max(newest, number)


@given(profiles, st.binary(max_size=300))
def test_no_octets_of_a_stranger_are_taken(profile: str, octets: bytes) -> None:
    _, receiver = pair(profile)
    for unprotect in (receiver.unprotect, receiver.unprotect_rtcp):
        try:
            unprotect(octets)
        except REFUSED:
            continue
        raise AssertionError("taken")


@given(st.text(max_size=120) | st.builds("1 {} inline:{}".format, profiles, st.text(max_size=80)))
def test_a_crypto_attribute_is_read_or_refused_in_order(value: str) -> None:
    try:
        crypto = parse(value)
    except (ParseError, NegotiationError):
        return
    assert parse(str(crypto)).master == crypto.master


@given(profiles, st.integers(0, 999_999_999), st.integers(0, 10**6))
def test_a_key_that_is_written_is_read_and_crossed_out(profile: str, tag: int, seed: int) -> None:
    crypto = Crypto(tag, MasterKey.draw(profile, SeededEntropy(seed)))
    text = str(crypto)
    assert parse(text) == crypto
    shown = masked(text.encode())
    assert len(shown) == len(text)
    assert set(shown.rpartition(b":")[2]) == {ord("x")}
