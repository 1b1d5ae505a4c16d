from __future__ import annotations

import base64

import pytest

from voipgw.entropy import SeededEntropy
from voipgw.errors import NegotiationError, ParseError
from voipgw.srtp import PROFILES, KeyPair
from voipgw.srtp.sdes import OFFERED, Crypto, choose, make_answer, make_offer, masked, parse, take_answer

KEY = base64.b64encode(bytes(range(30))).decode()
CM = "AES_CM_128_HMAC_SHA1_80"


def test_the_example_of_rfc_4568_is_read() -> None:
    """Section 9.3, without the key identifier."""
    crypto = parse("1 AES_CM_128_HMAC_SHA1_80 inline:PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR|2^20")
    assert (crypto.tag, crypto.suite, crypto.lifetime) == (1, CM, 1 << 20)
    assert (len(crypto.master.key), len(crypto.master.salt)) == (16, 14)


@pytest.mark.parametrize("suite", PROFILES)
def test_what_is_written_is_read_with_padding_or_without(suite: str) -> None:
    (crypto,) = make_offer(SeededEntropy(1), (suite,))
    text = str(crypto)
    assert len(text.rpartition(":")[2]) % 4 == 0
    assert parse(text) == crypto
    assert parse(text.rstrip("=")) == crypto


@pytest.mark.parametrize(
    "value",
    [
        "",
        "1",
        f"1 {CM}",
        f"x {CM} inline:{KEY}",
        f"01 {CM} inline:{KEY}",
        f"1234567890 {CM} inline:{KEY}",
        f"1 {CM} inline:",
        f"1 {CM} inline:{KEY[:-4]}",
        f"1 {CM} inline:{KEY}AAAA",
        f"1 {CM} inline:{KEY[:-1]}",
        f"1 {CM} inline:{KEY[:-1]}!",
        f"1 {CM} inline:{KEY}|0",
        f"1 {CM} inline:{KEY}|2^49",
        f"1 {CM} inline:{KEY}|2^99999",
        f"1 {CM} inline:{KEY}|abc",
        f"1 {CM} inline:{KEY}|2^20|2^20|1:4",
        f"1 AES_256_CM_HMAC_SHA1_80 inline:{KEY}",
    ],
)
def test_what_breaks_the_form_is_refused_and_the_key_not_told(value: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse(value)
    assert KEY[:8] not in str(caught.value)


@pytest.mark.parametrize(
    "value",
    [
        f"1 F8_128_HMAC_SHA1_80 inline:{KEY}",
        f"1 {CM} x-mykey:{KEY}",
        f"1 {CM} inline:{KEY}|1:4",
        f"1 {CM} inline:{KEY}|2^20|1:4",
        f"1 {CM} inline:{KEY}|2^20|1:4;inline:{KEY}|2^20|2:4",
        f"1 {CM} inline:{KEY} UNENCRYPTED_SRTP",
        f"1 {CM} inline:{KEY} UNENCRYPTED_SRTCP",
        f"1 {CM} inline:{KEY} UNAUTHENTICATED_SRTP",
        f"1 {CM} inline:{KEY} KDR=1",
        f"1 {CM} inline:{KEY} FEC_ORDER=FEC_SRTP",
        f"1 {CM} inline:{KEY} WSH=8",
        f"1 {CM} inline:{KEY} NEW_THING",
    ],
)
def test_what_we_do_not_do_is_refused_by_name(value: str) -> None:
    with pytest.raises(NegotiationError) as caught:
        parse(value)
    assert KEY[:8] not in str(caught.value)


@pytest.mark.parametrize("tail", ["|2^48", "|2^31", "|1048576", " WSH=128", " KDR=0", " -SOMETHING=1", "  WSH=64 -X "])
def test_what_changes_nothing_is_taken(tail: str) -> None:
    assert parse(f"7 {CM} inline:{KEY}{tail}").tag == 7


def test_an_offer_has_a_key_of_its_own_for_every_suite() -> None:
    offer = make_offer(SeededEntropy(1))
    assert [crypto.suite for crypto in offer] == list(OFFERED)
    assert [crypto.tag for crypto in offer] == [1, 2, 3, 4]
    assert len({crypto.master.key for crypto in offer}) == 4


def test_the_first_that_we_can_take_is_chosen() -> None:
    good = [str(crypto) for crypto in make_offer(SeededEntropy(1))]
    assert choose(good) == parse(good[0])
    assert choose(["9 AES_192_CM_HMAC_SHA1_80 inline:x", "rubbish", *good[2:]]) == parse(good[2])
    assert choose([]) is None
    assert choose(["rubbish"]) is None


def test_a_tag_that_stands_twice_is_not_taken() -> None:
    one, two = (str(make_offer(SeededEntropy(seed), (CM,))[0]) for seed in (1, 2))
    assert choose([one, two]) is None


def test_offer_and_answer_agree_on_the_keys_of_both_directions() -> None:
    offered = make_offer(SeededEntropy(1))
    chosen = choose([str(crypto) for crypto in offered[1:]])
    assert chosen is not None
    answer = make_answer(chosen, SeededEntropy(2))
    mine, keys = take_answer(offered, [str(answer)])
    assert mine == offered[1]
    assert keys == KeyPair(offered[1].master, answer.master)


def test_a_later_answer_keeps_our_key_while_the_suite_stays() -> None:
    one, two = make_offer(SeededEntropy(1), (CM, "AEAD_AES_128_GCM"))
    first = make_answer(one, SeededEntropy(2))
    again = Crypto(5, one.master)
    assert make_answer(again, SeededEntropy(3), first) == Crypto(5, first.master)
    assert make_answer(two, SeededEntropy(3), first).suite == "AEAD_AES_128_GCM"


@pytest.mark.parametrize(
    "answered",
    [
        [],
        [f"1 {CM} inline:{KEY}", f"2 {CM} inline:{KEY}"],
        [f"2 {CM} inline:{KEY}"],
        [f"1 AES_CM_128_HMAC_SHA1_32 inline:{KEY}"],
    ],
)
def test_an_answer_to_something_else_is_refused(answered: list[str]) -> None:
    with pytest.raises(NegotiationError):
        take_answer(make_offer(SeededEntropy(1), (CM,)), answered)


def test_keys_are_crossed_out_of_what_is_shown() -> None:
    message = f"v=0\r\na=crypto:1 {CM} inline:{KEY}|2^20\r\na=crypto:2 {CM} INLINE:{KEY};inline:{KEY}\r\n".encode()
    shown = masked(message)
    assert KEY.encode() not in shown
    assert len(shown) == len(message)
    assert shown.count(b"|2^20") == 1
    assert masked(b"INVITE sip:x") == b"INVITE sip:x"
    assert KEY[:6] not in repr(parse(f"1 {CM} inline:{KEY}"))
