from __future__ import annotations

import struct

import pytest

from voipgw.entropy import SeededEntropy
from voipgw.errors import (
    AuthenticationError,
    ConfigurationError,
    LocalProtocolError,
    ParseError,
    ReplayError,
    ResourceError,
)
from voipgw.srtp import PROFILES, Context, MasterKey

ALL = pytest.mark.parametrize("profile", PROFILES)
CM = "AES_CM_128_HMAC_SHA1_80"
SSRC = 0xCAFE0001


def pair(profile: str = CM, seed: int = 1, **more: int) -> tuple[Context, Context]:
    """A sender and a receiver with the same key."""
    master = MasterKey.draw(profile, SeededEntropy(seed))
    return tuple(Context(profile, master.key, master.salt, **more) for _ in range(2))  # type: ignore[return-value]


def packet(sequence: int, payload: bytes = b"\xd5" * 160, *, ssrc: int = SSRC, first: int = 0x80) -> bytes:
    return struct.pack(">BBHII", first, 0, sequence & 0xFFFF, sequence * 160 & 0xFFFFFFFF, ssrc) + payload


def report(ssrc: int = SSRC) -> bytes:
    return struct.pack(">BBHI", 0x80, 201, 1, ssrc) + struct.pack(">BBHI", 0x81, 202, 2, ssrc) + b"\x01\x01x\0"


@ALL
def test_what_is_protected_is_unprotected_octet_by_octet(profile: str) -> None:
    sender, receiver = pair(profile)
    for sequence, payload in enumerate((b"", b"a", b"\xd5" * 160, bytes(range(256)) * 4)):
        plain = packet(sequence, payload)
        protected = sender.protect(plain)
        assert len(protected) == len(plain) + (16 if "GCM" in profile else 4 if profile.endswith("32") else 10)
        assert protected[:12] == plain[:12]
        assert payload == b"" or protected[12 : len(plain)] != payload
        assert receiver.unprotect(protected) == plain


@ALL
def test_csrc_list_and_header_extension_stay_readable(profile: str) -> None:
    sender, receiver = pair(profile)
    head = packet(7, b"", first=0x92) + b"\0\0\0\1\0\0\0\2" + b"\xbe\xde\0\1" + b"\x10\xaa\0\0"
    protected = sender.protect(head + b"sound")
    assert protected.startswith(head)
    assert receiver.unprotect(protected) == head + b"sound"


@ALL
def test_rtcp_carries_its_index_and_a_long_tag(profile: str) -> None:
    sender, receiver = pair(profile)
    for index in (1, 2, 3):
        protected = sender.protect_rtcp(report())
        word = protected[-4:] if "GCM" in profile else protected[-14:-10]
        assert struct.unpack(">I", word)[0] == 0x80000000 | index
        assert receiver.unprotect_rtcp(protected) == report()
    with pytest.raises(ReplayError):
        receiver.unprotect_rtcp(protected)


@ALL
def test_a_changed_octet_anywhere_is_found_and_leaves_no_trace(profile: str) -> None:
    sender, receiver = pair(profile)
    protected = sender.protect(packet(1, b"\xd5" * 20))
    for at in range(1, len(protected)):
        with pytest.raises((AuthenticationError, ParseError)):
            receiver.unprotect(protected[:at] + bytes([protected[at] ^ 0x40]) + protected[at + 1 :])
    assert receiver.index(SSRC, sent=False) is None
    assert receiver.unprotect(protected) == packet(1, b"\xd5" * 20)


@ALL
def test_a_replayed_packet_is_refused(profile: str) -> None:
    sender, receiver = pair(profile)
    packets = [sender.protect(packet(sequence)) for sequence in range(300)]
    for at in (0, 5, 3, 4, 100, 99, 200, 150):
        receiver.unprotect(packets[at])
        with pytest.raises(ReplayError):
            receiver.unprotect(packets[at])


def test_128_packets_may_come_in_any_order_and_what_is_older_is_refused() -> None:
    sender, receiver = pair()
    packets = [sender.protect(packet(sequence)) for sequence in range(200)]
    receiver.unprotect(packets[199])
    for at in range(198, 199 - 128, -1):
        receiver.unprotect(packets[at])
    for at in (*range(199 - 128, 200), 0):
        with pytest.raises(ReplayError):
            receiver.unprotect(packets[at])


@pytest.mark.parametrize("ahead", [1, 63, 64, 65, 127, 128, 129, 1000])
def test_the_window_moves_by_any_step(ahead: int) -> None:
    sender, receiver = pair()
    packets = [sender.protect(packet(sequence)) for sequence in range(200 + ahead)]
    seen = {10, 50, 99, 100}
    for at in sorted(seen):
        receiver.unprotect(packets[at])
    receiver.unprotect(packets[100 + ahead])
    for at in range(101 + ahead):
        if at in seen or at == 100 + ahead or at <= 100 + ahead - 128:
            with pytest.raises(ReplayError):
                receiver.unprotect(packets[at])
        else:
            receiver.unprotect(packets[at])


@ALL
def test_the_rollover_counter_counts_where_the_sequence_number_wraps(profile: str) -> None:
    sender, receiver = pair(profile)
    for number in range(65000, 65000 + 3 * 65536, 97):
        assert receiver.unprotect(sender.protect(packet(number))) == packet(number)
    assert sender.index(SSRC, sent=True) == receiver.index(SSRC, sent=False) == number


def test_packets_from_before_and_after_the_wrap_may_be_mixed() -> None:
    sender, receiver = pair()
    sent = {number: sender.protect(packet(number)) for number in range(65530, 65545)}
    for number in (65530, 65538, 65534, 65536, 65535, 65540, 65533):
        assert receiver.unprotect(sent[number]) == packet(number)


def test_nothing_comes_from_before_the_first_wrap() -> None:
    sender, receiver = pair()
    receiver.unprotect(sender.protect(packet(1)))
    with pytest.raises(ReplayError):
        receiver.unprotect(packet(65535) + bytes(10))


def test_an_index_is_protected_once_only() -> None:
    sender, _ = pair()
    sender.protect(packet(5, b"one"))
    with pytest.raises(ReplayError):
        sender.protect(packet(5, b"two"))
    sender.protect(packet(4, b"late"))


def test_each_ssrc_counts_for_itself() -> None:
    sender, receiver = pair()
    for ssrc in (1, 2, 3):
        for number in (65535, 65536):
            assert receiver.unprotect(sender.protect(packet(number, ssrc=ssrc))) == packet(number, ssrc=ssrc)
    assert receiver.index(1, sent=False) == 65536


def test_forged_packets_take_no_place_of_an_ssrc() -> None:
    sender, receiver = pair(streams=2)
    for ssrc in range(100, 200):
        with pytest.raises(AuthenticationError):
            receiver.unprotect(packet(1, ssrc=ssrc) + bytes(10))
    for ssrc in (1, 2):
        receiver.unprotect(sender.protect(packet(1, ssrc=ssrc)))
    with pytest.raises(ResourceError):
        receiver.unprotect(packet(1, ssrc=3) + bytes(10))
    with pytest.raises(ResourceError):
        sender.protect(packet(1, ssrc=3))


def test_after_a_change_of_keys_the_rollover_counter_goes_on() -> None:
    old_sender, old_receiver = pair(seed=1)
    for number in (65535, 65536, 65537):
        old_receiver.unprotect(old_sender.protect(packet(number)))
    sender, receiver = pair(seed=2)
    sender.inherit(old_sender)
    receiver.inherit(old_receiver)
    assert receiver.unprotect(sender.protect(packet(65538))) == packet(65538)
    assert sender.index(SSRC, sent=True) == receiver.index(SSRC, sent=False) == 65538
    with pytest.raises(AuthenticationError):
        receiver.unprotect(old_sender.protect(packet(65539)))


@ALL
def test_after_a_change_of_keys_a_peer_that_begins_anew_is_understood(profile: str) -> None:
    old_sender, old_receiver = pair(profile, seed=1)
    for number in (65535, 65536):
        old_receiver.unprotect(old_sender.protect(packet(number)))
    sender, receiver = pair(profile, seed=2)
    receiver.inherit(old_receiver)
    for number in (2, 3, 1):
        assert receiver.unprotect(sender.protect(packet(number))) == packet(number)
    assert receiver.index(SSRC, sent=False) == 3


def test_the_index_of_rtcp_is_not_reset_by_a_change_of_keys() -> None:
    old, _ = pair(seed=1)
    old.protect_rtcp(report())
    new, receiver = pair(seed=2)
    new.inherit(old)
    assert receiver.unprotect_rtcp(new.protect_rtcp(report())) == report()
    assert new.index(SSRC, sent=True, rtcp=True) == 2


def test_a_key_ends() -> None:
    sender, _ = pair()
    sender.set_index(SSRC, (1 << 48) - 1, sent=True)
    with pytest.raises(LocalProtocolError):
        sender.protect(packet(0))
    sender.set_index(SSRC, (1 << 31) - 1, sent=True, rtcp=True)
    with pytest.raises(LocalProtocolError):
        sender.protect_rtcp(report())
    with pytest.raises(LocalProtocolError):
        sender.set_index(SSRC, 1 << 48, sent=True)


@ALL
def test_what_is_no_packet_is_refused(profile: str) -> None:
    sender, receiver = pair(profile)
    protected, protected_rtcp = sender.protect(packet(1)), sender.protect_rtcp(report())
    for bad in (
        b"",
        b"\x80",
        protected[:14],
        b"\0" * 40,
        packet(1, b"\0\0\xff\xff", first=0x90),
        packet(1, first=0x8F)[:40],
    ):
        with pytest.raises(ParseError):
            receiver.unprotect(bad)
        with pytest.raises(ParseError):
            receiver.unprotect_rtcp(bad[:7])
    for at in range(len(protected)):
        with pytest.raises((ParseError, AuthenticationError)):
            receiver.unprotect(protected[:at])
    for at in range(len(protected_rtcp)):
        with pytest.raises((ParseError, AuthenticationError)):
            receiver.unprotect_rtcp(protected_rtcp[:at])
    with pytest.raises(ParseError):
        sender.protect(b"\x80" * 11)
    with pytest.raises(ParseError):
        sender.protect_rtcp(b"\x80" * 7)


def test_rtcp_that_is_not_encrypted_is_refused() -> None:
    sender, receiver = pair()
    protected = bytearray(sender.protect_rtcp(report()))
    protected[-14] &= 0x7F
    with pytest.raises(ParseError):
        receiver.unprotect_rtcp(bytes(protected))


def test_another_profile_or_length_is_refused_by_name() -> None:
    with pytest.raises(ConfigurationError, match="AEAD_AES_128_GCM"):
        Context("F8_128_HMAC_SHA1_80", bytes(16), bytes(14))
    with pytest.raises(ConfigurationError, match="16 and 12"):
        Context("AEAD_AES_128_GCM", bytes(16), bytes(14))


def test_a_key_is_never_shown() -> None:
    master = MasterKey(CM, b"0123456789abcdef", b"ABCDEFGHIJKLMN")
    assert "0123" not in repr(master)
    assert "ABCD" not in repr(master)
