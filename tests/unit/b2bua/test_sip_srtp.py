"""SRTP in the offers and answers of a SIP leg (RFC 4568, RFC 3264)."""

from __future__ import annotations

import itertools

import attrs
import pytest

from voipgw import sdp
from voipgw.b2bua.sip_keys import SrtpPolicy
from voipgw.b2bua.sip_media import SipMedia, SipMediaSettings
from voipgw.call.model import Codec, Direction
from voipgw.entropy import SeededEntropy
from voipgw.errors import NegotiationError, ParseError
from voipgw.srtp import KeyPair
from voipgw.srtp.sdes import OFFERED, make_offer, parse

SEEDS = itertools.count(1)
CM = "AES_CM_128_HMAC_SHA1_80"


class Stream:
    def __init__(self, local: tuple[str, int]) -> None:
        self.local = local
        self.started: list[dict[str, object]] = []

    def start(self, remote: tuple[str, int], codec: Codec, **more: object) -> None:
        self.started.append({"remote": remote, **more})

    def detect_digits(self, on: bool) -> None: ...

    def close(self) -> None: ...

    @property
    def keys(self) -> KeyPair | None:
        return self.started[-1]["srtp"]  # type: ignore[return-value]


class Plane:
    def open_rtp(self, host: str) -> Stream:
        return Stream((host, 20000))


def leg(policy: SrtpPolicy = SrtpPolicy.SDES, **settings: object) -> SipMedia:
    return SipMedia(SipMediaSettings("192.0.2.1", srtp=policy, **settings), Plane(), SeededEntropy(next(SEEDS)))  # type: ignore[arg-type]


def crypto_of(body: bytes, section: int = 0) -> list[str]:
    return [one.value or "" for one in sdp.parse(body).media[section].attributes if one.name == "crypto"]


def changed(body: bytes, *, protocol: str | None = None, crypto: list[str] | None = None) -> bytes:
    description = sdp.parse(body)
    audio = description.media[0]
    attributes = audio.attributes
    if crypto is not None:
        kept = [one for one in attributes if one.name != "crypto"]
        attributes = (*kept, *[sdp.Attribute("crypto", value) for value in crypto])
    audio = attrs.evolve(audio, protocol=protocol or audio.protocol, attributes=attributes)
    return bytes(attrs.evolve(description, media=(audio, *description.media[1:])))


def exchange(offerer: SipMedia, answerer: SipMedia, body: bytes | None = None) -> bytes:
    """Offer and answer; the answer."""
    answerer.take_offer(offerer.offer() if body is None else body)
    answer = answerer.answer()
    offerer.take_answer(answer)
    return answer


def assert_they_understand_each_other(one: SipMedia, other: SipMedia) -> None:
    mine, theirs = one.stream.keys, other.stream.keys  # type: ignore[union-attr]
    assert mine is not None and theirs is not None
    assert (mine.send, mine.receive) == (theirs.receive, theirs.send)
    assert mine.send != mine.receive


def test_an_offer_is_secure_and_has_a_key_for_every_suite() -> None:
    body = leg().offer()
    assert sdp.parse(body).media[0].protocol == "RTP/SAVP"
    assert [parse(value).suite for value in crypto_of(body)] == list(OFFERED)


def test_two_legs_agree_on_keys_and_start_their_streams_with_them() -> None:
    offerer, answerer = leg(), leg()
    answer = exchange(offerer, answerer)
    assert sdp.parse(answer).media[0].protocol == "RTP/SAVP"
    assert [parse(value).suite for value in crypto_of(answer)] == [OFFERED[0]]
    assert_they_understand_each_other(offerer, answerer)


def test_without_srtp_nothing_has_changed() -> None:
    offerer, answerer = leg(SrtpPolicy.OFF), leg(SrtpPolicy.OFF)
    answer = exchange(offerer, answerer)
    assert sdp.parse(answer).media[0].protocol == "RTP/AVP"
    assert crypto_of(answer) == []
    assert offerer.stream.keys is None  # type: ignore[attr-defined, union-attr]


@pytest.mark.parametrize(("ours", "theirs"), [(SrtpPolicy.OFF, SrtpPolicy.SDES), (SrtpPolicy.SDES, SrtpPolicy.OFF)])
def test_an_offer_of_the_other_kind_is_refused(ours: SrtpPolicy, theirs: SrtpPolicy) -> None:
    with pytest.raises(NegotiationError):
        leg(ours).take_offer(leg(theirs).offer())


@pytest.mark.parametrize("protocol", ["RTP/AVP", "UDP/TLS/RTP/SAVPF", "UDP/TLS/RTP/SAVP"])
def test_another_transport_with_keys_is_not_taken_for_srtp(protocol: str) -> None:
    with pytest.raises(NegotiationError):
        leg().take_offer(changed(leg().offer(), protocol=protocol))


def test_of_a_section_in_clear_and_a_secure_one_each_policy_takes_its_own() -> None:
    secure, clear = sdp.parse(leg().offer()), sdp.parse(leg(SrtpPolicy.OFF).offer())
    body = bytes(attrs.evolve(secure, media=(*clear.media, *secure.media)))
    for policy, taken in ((SrtpPolicy.SDES, [False, True]), (SrtpPolicy.OFF, [True, False])):
        answerer = leg(policy)
        answerer.take_offer(body)
        assert [section.port != 0 for section in sdp.parse(answerer.answer()).media] == taken
        assert (answerer.stream.keys is not None) == (policy is SrtpPolicy.SDES)  # type: ignore[attr-defined, union-attr]


def test_an_answer_in_clear_to_a_secure_offer_is_never_taken() -> None:
    offerer, answerer = leg(), leg()
    answerer.take_offer(offerer.offer())
    answer = answerer.answer()
    for bad in (changed(answer, protocol="RTP/AVP"), changed(answer, protocol="RTP/AVP", crypto=[])):
        with pytest.raises(NegotiationError):
            offerer.take_answer(bad)
    assert offerer.stream is not None and offerer.stream.started == []  # type: ignore[attr-defined]


def test_a_secure_answer_to_an_offer_in_clear_is_not_taken() -> None:
    offerer, answerer = leg(SrtpPolicy.OFF), leg(SrtpPolicy.OFF)
    answerer.take_offer(offerer.offer())
    with pytest.raises(NegotiationError):
        offerer.take_answer(changed(answerer.answer(), protocol="RTP/SAVP"))


def test_an_answer_with_no_key_or_another_is_refused() -> None:
    offerer, answerer = leg(), leg()
    answerer.take_offer(offerer.offer())
    answer = answerer.answer()
    (value,) = crypto_of(answer)
    for crypto in ([], [value, value], [value.replace("1 ", "9 ", 1)]):
        with pytest.raises(NegotiationError):
            offerer.take_answer(changed(answer, crypto=crypto))
    with pytest.raises(ParseError):
        offerer.take_answer(changed(answer, crypto=[value[:-8]]))


def test_keys_that_cannot_be_taken_refuse_the_offer() -> None:
    body = leg().offer()
    for crypto in (
        [],
        ["1 F8_128_HMAC_SHA1_80 inline:abc"],
        [f"{value} UNENCRYPTED_SRTP" for value in crypto_of(body)],
    ):
        with pytest.raises(NegotiationError):
            leg().take_offer(changed(body, crypto=crypto))


def test_the_first_suite_that_can_be_taken_is_and_under_its_tag() -> None:
    offerer, answerer = leg(), leg()
    values = ["7 AES_192_CM_HMAC_SHA1_80 inline:abc", *crypto_of(offerer.offer())[3:]]
    answerer.take_offer(changed(offerer.offer(), crypto=values))
    answer = answerer.answer()
    (taken,) = crypto_of(answer)
    assert (parse(taken).tag, parse(taken).suite) == (4, CM)
    offerer.take_answer(answer)
    assert_they_understand_each_other(offerer, answerer)


def test_without_secure_signalling_no_key_is_written_or_read() -> None:
    careful = leg(keys_may_pass=False)
    with pytest.raises(NegotiationError, match="TLS"):
        careful.offer()
    with pytest.raises(NegotiationError, match="TLS"):
        careful.take_offer(leg().offer())
    assert careful.stream is None


def test_a_dialog_that_turns_to_clear_signalling_gets_no_more_keys() -> None:
    caller, callee = leg(), leg()
    exchange(caller, callee)
    caller.signalled(offers=False)
    with pytest.raises(NegotiationError, match="TLS"):
        caller.reoffer()
    caller.signalled(answers=False)
    with pytest.raises(NegotiationError, match="TLS"):
        caller.take_offer(callee.reoffer())
    caller.signalled(offers=True, answers=True)
    exchange(caller, callee, caller.reoffer())
    permitted = leg(keys_in_clear=True)
    permitted.signalled(offers=False, answers=False)
    exchange(permitted, leg())


def test_hold_and_resume_keep_every_key() -> None:
    caller, callee = leg(), leg()
    exchange(caller, callee)
    before = caller.stream.keys  # type: ignore[attr-defined, union-attr]
    for direction in (Direction.SENDONLY, Direction.SENDRECV):
        caller.direction = direction
        exchange(caller, callee, caller.reoffer())
        assert caller.stream.keys == before  # type: ignore[attr-defined, union-attr]
        assert_they_understand_each_other(caller, callee)
    callee.direction = Direction.SENDONLY
    exchange(callee, caller, callee.reoffer())
    assert caller.stream.keys == before  # type: ignore[attr-defined, union-attr]
    assert len(caller.stream.started) == 4  # type: ignore[attr-defined, union-attr]


def test_a_new_key_of_the_peer_is_taken_and_ours_stays() -> None:
    caller, callee = leg(), leg()
    exchange(caller, callee)
    before = callee.stream.keys  # type: ignore[attr-defined, union-attr]
    fresh = make_offer(SeededEntropy(99), (OFFERED[0],))[0]
    callee.take_offer(changed(caller.reoffer(), crypto=[str(attrs.evolve(fresh, tag=3))]))
    answer = callee.answer()
    assert parse(crypto_of(answer)[0]).tag == 3
    assert callee.stream.keys == KeyPair(before.send, fresh.master)  # type: ignore[attr-defined, union-attr]


def test_another_suite_in_mid_call_gets_another_key() -> None:
    caller, callee = leg(), leg()
    exchange(caller, callee)
    before = callee.stream.keys  # type: ignore[attr-defined, union-attr]
    fresh = make_offer(SeededEntropy(99), (CM,))[0]
    callee.take_offer(changed(caller.reoffer(), crypto=[str(fresh)]))
    callee.answer()
    now = callee.stream.keys  # type: ignore[attr-defined, union-attr]
    assert now.send.profile == now.receive.profile == CM
    assert now.send != before.send


def test_a_later_offer_begins_with_the_suite_in_use_under_its_own_tag() -> None:
    caller, callee = leg(), leg()
    answerer_values = crypto_of(caller.offer())[2:]
    callee.take_offer(changed(caller.offer(), crypto=answerer_values))
    caller.take_answer(callee.answer())
    values = [parse(value) for value in crypto_of(callee.reoffer())]
    assert values[0].master == callee.stream.keys.send  # type: ignore[attr-defined, union-attr]
    assert sorted(value.suite for value in values) == sorted(OFFERED)
    assert len({value.tag for value in values}) == len(values)


def test_a_repeated_offer_gets_the_same_answer() -> None:
    caller, callee = leg(), leg()
    body = caller.offer()
    first = exchange(caller, callee, body)
    callee.take_offer(body)
    assert crypto_of(callee.answer()) == crypto_of(first)


def test_a_stream_that_is_taken_away_keeps_its_keys_until_it_comes_back() -> None:
    caller, callee = leg(), leg()
    exchange(caller, callee)
    before = callee.stream.keys  # type: ignore[attr-defined, union-attr]
    offer = sdp.parse(caller.reoffer())
    callee.take_offer(bytes(attrs.evolve(offer, media=(attrs.evolve(offer.media[0], port=0),))))
    callee.answer()
    assert callee.stream.keys == before  # type: ignore[attr-defined, union-attr]
