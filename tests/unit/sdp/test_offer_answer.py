"""Offer and answer for one audio stream (RFC 3264, RFC 6337)."""

from __future__ import annotations

import attrs
import pytest

from voipgw import sdp
from voipgw.entropy import SeededEntropy
from voipgw.errors import NegotiationError
from voipgw.sdp import Direction, Format, SessionDescription
from voipgw.sdp.offer_answer import (
    LocalAudio,
    Preference,
    Side,
    audio_of,
    codecs_of,
    make_answer,
    make_offer,
    negotiate,
    new_origin,
)

PCMU, PCMA, OPUS = Format("PCMU"), Format("PCMA"), Format("opus", 48000, 2, fmtp="useinbandfec=1")
ALICE = LocalAudio("192.0.2.1", 4000, (PCMU, PCMA))
BOB = LocalAudio("192.0.2.2", 5000, (PCMA, PCMU))
ALICES = sdp.Origin("7", "1", "192.0.2.1")
BOBS = sdp.Origin("8", "1", "192.0.2.2")
HEAD = "v=0\no=- 1 1 IN IP4 192.0.2.9\ns=-\nc=IN IP4 192.0.2.9\nt=0 0\n"


def offered(text: str) -> SessionDescription:
    return sdp.parse(HEAD + text)


def audio(description: SessionDescription) -> sdp.MediaDescription:
    found = audio_of(description)
    assert found is not None
    return found


def numbers(description: SessionDescription) -> list[tuple[int | None, str]]:
    return [(f.payload_type, f.rtpmap) for f in audio(description).audio_formats]


def test_an_offer_lists_every_codec_and_telephone_events() -> None:
    offer = make_offer(ALICE, origin=ALICES)
    assert numbers(offer) == [(0, "PCMU/8000"), (8, "PCMA/8000"), (101, "telephone-event/8000")]
    section = audio(offer)
    assert section.values("fmtp") == ("101 0-16",)
    assert (section.ptime_ms, section.direction) == (20, Direction.SENDRECV)
    assert offer.connection == sdp.Connection("192.0.2.1")
    assert sdp.parse(str(offer)) == offer


def test_dynamic_numbers_are_given_without_collision_and_events_at_each_clock_rate() -> None:
    ours = attrs.evolve(ALICE, formats=(OPUS, PCMU, Format("L16", 16000), Format("iLBC", payload_type=96)))
    assert numbers(make_offer(ours, origin=ALICES)) == [
        (97, "opus/48000/2"),
        (0, "PCMU/8000"),
        (98, "L16/16000"),
        (96, "iLBC/8000"),
        (110, "telephone-event/48000"),
        (101, "telephone-event/8000"),
        (99, "telephone-event/16000"),
    ]


def test_a_number_is_never_used_twice() -> None:
    ours = attrs.evolve(
        ALICE, formats=(Format("opus", 48000, 2, 96), Format("iLBC", payload_type=96), PCMU, Format("PCMU"))
    )
    found = [number for number, _ in numbers(make_offer(ours, origin=ALICES))]
    assert len(found) == len(set(found)) == 6
    with pytest.raises(NegotiationError, match="dynamic payload types"):
        make_offer(attrs.evolve(ALICE, formats=tuple([Format(f"x{n}") for n in range(40)])), origin=ALICES)


def test_an_answer_keeps_the_offerers_numbers() -> None:
    offer = offered("m=audio 6000 RTP/AVP 112 98\na=rtpmap:112 opus/48000/2\na=rtpmap:98 telephone-event/48000\n")
    answer = make_answer(offer, attrs.evolve(BOB, formats=(PCMU, OPUS)), origin=BOBS)
    assert numbers(answer) == [(112, "opus/48000/2"), (98, "telephone-event/48000")]
    assert audio(answer).values("fmtp") == ("112 useinbandfec=1", "98 0-15")


def test_the_order_of_codecs_is_theirs_or_ours_as_chosen() -> None:
    offer = make_offer(ALICE, origin=ALICES)
    theirs = make_answer(offer, BOB, origin=BOBS)
    ours = make_answer(offer, BOB, origin=BOBS, preference=Preference.OURS)
    every = make_answer(offer, BOB, origin=BOBS, preference=Preference.OURS, single=False)
    assert [f.name for f in codecs_of(audio(theirs))] == ["PCMU"]
    assert [f.name for f in codecs_of(audio(ours))] == ["PCMA"]
    assert [f.name for f in codecs_of(audio(every))] == ["PCMA", "PCMU"]


def test_names_of_codecs_compare_without_case() -> None:
    offer = offered("m=audio 6000 RTP/AVP 96\na=rtpmap:96 pcmu/8000\n")
    assert numbers(make_answer(offer, BOB, origin=BOBS)) == [(96, "PCMU/8000")]


def test_every_other_stream_is_refused_in_its_place() -> None:
    offer = offered(
        "m=video 7000 RTP/AVP 31\nm=audio 6000 RTP/SAVP 0\nm=audio 6002 RTP/AVP 18\nm=audio 6004 RTP/AVP 0\n"
        "m=audio 6006 RTP/AVP 8\nm=image 6008 udptl t38\n"
    )
    answer = make_answer(offer, BOB, origin=BOBS)
    assert [(m.kind, m.port, m.protocol) for m in answer.media] == [
        ("video", 0, "RTP/AVP"),
        ("audio", 0, "RTP/SAVP"),
        ("audio", 0, "RTP/AVP"),
        ("audio", 5000, "RTP/AVP"),
        ("audio", 0, "RTP/AVP"),
        ("image", 0, "udptl"),
    ]
    assert sdp.parse(str(answer)) == answer
    assert negotiate(offer, answer, Side.ANSWERER).remote == ("192.0.2.9", 6004)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "m=audio 6000 RTP/AVP 18\n",
        "m=audio 0 RTP/AVP 0\n",
        "m=video 6000 RTP/AVP 31\n",
        "m=audio 6000 RTP/SAVP 0\n",
        "m=audio 6000 RTP/AVP 0\na=rtcp-mux\na=rtcp-mux-only\n",
        "m=audio 6000 RTP/AVP 101\na=rtpmap:101 telephone-event/8000\n",
    ],
)
def test_an_offer_without_anything_in_common_is_488(text: str) -> None:
    with pytest.raises(NegotiationError) as caught:
        make_answer(offered(text), BOB, origin=BOBS)
    assert caught.value.sip_status == 488
    assert "ours PCMA/8000 PCMU/8000" in str(caught.value)


def test_an_offer_without_an_address_is_not_accepted() -> None:
    with pytest.raises(NegotiationError):
        make_answer(sdp.parse("v=0\no=- 1 1 IN IP4 h\nm=audio 6000 RTP/AVP 0\n"), BOB, origin=BOBS)


def test_both_sides_read_the_exchange_alike() -> None:
    offer = make_offer(attrs.evolve(ALICE, formats=(OPUS, PCMU)), origin=ALICES)
    answer = make_answer(offer, BOB, origin=BOBS)
    alice, bob = negotiate(offer, answer, Side.OFFERER), negotiate(offer, answer, Side.ANSWERER)
    assert (alice.remote, alice.remote_rtcp) == (("192.0.2.2", 5000), ("192.0.2.2", 5001))
    assert (bob.remote, bob.remote_rtcp) == (("192.0.2.1", 4000), ("192.0.2.1", 4001))
    for side in (alice, bob):
        assert (side.codec.name, side.codec.payload_type, side.receive_payload_type) == ("PCMU", 0, 0)
        assert (side.telephone_event, side.receive_telephone_event, side.ptime_ms) == (101, 101, 20)
        assert (side.direction, side.held, side.rtcp_mux) == (Direction.SENDRECV, False, False)


def test_each_direction_uses_the_numbers_of_its_receiver() -> None:
    offer = offered("m=audio 6000 RTP/AVP 97 100\na=rtpmap:97 iLBC/8000\na=rtpmap:100 telephone-event/8000\n")
    answer = offered("m=audio 6100 RTP/AVP 99 101\na=rtpmap:99 iLBC/8000\na=rtpmap:101 telephone-event/8000\n")
    offerer, answerer = negotiate(offer, answer, Side.OFFERER), negotiate(offer, answer, Side.ANSWERER)
    assert (offerer.codec.payload_type, offerer.receive_payload_type) == (99, 97)
    assert (answerer.codec.payload_type, answerer.receive_payload_type) == (97, 99)
    assert (offerer.telephone_event, offerer.receive_telephone_event) == (101, 100)
    assert (answerer.telephone_event, answerer.receive_telephone_event) == (100, 101)


def test_events_need_both_sides_and_the_clock_rate_of_the_codec() -> None:
    offer = offered("m=audio 6000 RTP/AVP 96 101\na=rtpmap:96 opus/48000/2\na=rtpmap:101 telephone-event/8000\n")
    answer = make_answer(offer, attrs.evolve(BOB, formats=(OPUS,)), origin=BOBS)
    assert negotiate(offer, answer, Side.ANSWERER).telephone_event is None
    offer = make_offer(ALICE, origin=ALICES)
    answer = make_answer(offer, attrs.evolve(BOB, events=""), origin=BOBS)
    assert "telephone-event" not in str(answer)
    assert negotiate(offer, answer, Side.OFFERER).telephone_event is None
    assert negotiate(offer, answer, Side.OFFERER).receive_telephone_event is None


@pytest.mark.parametrize(
    ("offered_direction", "ours", "answered"),
    [
        ("sendrecv", "sendrecv", "sendrecv"),
        ("sendonly", "sendrecv", "recvonly"),
        ("recvonly", "sendrecv", "sendonly"),
        ("inactive", "sendrecv", "inactive"),
        ("sendrecv", "sendonly", "sendonly"),
        ("sendonly", "sendonly", "inactive"),
        ("sendrecv", "recvonly", "recvonly"),
        ("recvonly", "inactive", "inactive"),
    ],
)
def test_an_answer_is_no_wider_than_both_want(offered_direction: str, ours: str, answered: str) -> None:
    offer = make_offer(attrs.evolve(ALICE, direction=Direction(offered_direction)), origin=ALICES)
    answer = make_answer(offer, attrs.evolve(BOB, direction=Direction(ours)), origin=BOBS)
    assert audio(answer).direction is Direction(answered)
    assert negotiate(offer, answer, Side.ANSWERER).direction is Direction(answered)
    assert negotiate(offer, answer, Side.OFFERER).direction is Direction(answered).reverse()


@pytest.mark.parametrize("null", ["c=IN IP4 0.0.0.0\n", "c=IN IP6 ::\n"])
def test_the_null_address_holds_and_never_becomes_a_destination(null: str) -> None:
    offer = offered("m=audio 6000 RTP/AVP 0\n" + null)
    answer = make_answer(offer, BOB, origin=BOBS)
    assert audio(answer).direction is Direction.RECVONLY
    side = negotiate(offer, answer, Side.ANSWERER)
    assert side.held
    assert side.direction is Direction.RECVONLY


def test_hold_and_resume_count_the_version_and_an_unchanged_description_does_not() -> None:
    first = make_offer(ALICE, origin=ALICES)
    again = make_offer(ALICE, origin=ALICES, previous=first)
    hold = make_offer(attrs.evolve(ALICE, direction=Direction.SENDONLY), origin=ALICES, previous=again)
    resumed = make_offer(ALICE, origin=ALICES, previous=hold)
    assert again is first
    assert [d.origin.session_version for d in (first, again, hold, resumed)] == ["1", "1", "2", "3"]
    assert len({d.origin.session_id for d in (first, again, hold, resumed)}) == 1


def test_a_re_offer_keeps_every_line_in_its_place_and_every_number_its_meaning() -> None:
    offer = offered(
        "m=video 7000 RTP/AVP 31\nm=audio 6000 RTP/AVP 121 120\n"
        "a=rtpmap:121 iLBC/8000\na=rtpmap:120 telephone-event/8000\n"
    )
    ours = attrs.evolve(BOB, formats=(Format("iLBC"), PCMU))
    answer = make_answer(offer, ours, origin=BOBS)
    again = make_offer(ours, origin=BOBS, previous=answer)
    assert [(m.kind, m.port) for m in again.media] == [("video", 0), ("audio", 5000)]
    assert numbers(again) == [(121, "iLBC/8000"), (0, "PCMU/8000"), (120, "telephone-event/8000")]


def test_a_re_offer_after_the_stream_was_removed_adds_one() -> None:
    removed = sdp.parse(HEAD + "m=audio 0 RTP/AVP 0\n")
    again = make_offer(ALICE, origin=ALICES, previous=removed)
    assert [m.port for m in again.media] == [0, 4000]


def test_the_stream_in_use_is_kept_when_a_second_one_is_offered_before_it() -> None:
    first = offered("m=video 1 RTP/AVP 31\nm=audio 6000 RTP/AVP 0\n")
    answer = make_answer(first, BOB, origin=BOBS)
    second = offered("m=audio 6010 RTP/AVP 0\nm=audio 6000 RTP/AVP 0\n")
    again = make_answer(second, BOB, origin=BOBS, previous=answer)
    assert [m.port for m in again.media] == [0, 5000]


def test_packet_times_follow_the_receiver_up_to_its_limit() -> None:
    offer = offered("m=audio 6000 RTP/AVP 0\na=ptime:30\n")
    answer = make_answer(offer, BOB, origin=BOBS)
    assert negotiate(offer, answer, Side.ANSWERER).ptime_ms == 30
    assert negotiate(offer, answer, Side.OFFERER).ptime_ms == 20
    offer = offered("m=audio 6000 RTP/AVP 0\na=maxptime:10\na=ptime:nonsense\n")
    answer = make_answer(offer, BOB, origin=BOBS)
    assert negotiate(offer, answer, Side.ANSWERER).ptime_ms == 10


def test_rtcp_goes_where_the_peer_says() -> None:
    offer = offered("m=audio 6000 RTP/AVP 0\na=rtcp:53020 IN IP4 192.0.2.77\na=rtcp-mux\n")
    plain = make_answer(offer, BOB, origin=BOBS)
    muxed = make_answer(offer, attrs.evolve(BOB, rtcp_mux=True), origin=BOBS)
    assert "rtcp-mux" not in str(plain)
    assert negotiate(offer, plain, Side.ANSWERER).remote_rtcp == ("192.0.2.77", 53020)
    assert negotiate(offer, muxed, Side.ANSWERER).remote_rtcp == ("192.0.2.9", 6000)
    assert negotiate(offer, muxed, Side.ANSWERER).rtcp_mux
    ours = attrs.evolve(ALICE, rtcp_port=4009)
    assert audio(make_offer(ours, origin=ALICES)).attribute("rtcp") == "4009"
    assert audio(make_offer(attrs.evolve(ALICE, rtcp_port=4001), origin=ALICES)).attribute("rtcp") is None


def test_the_answer_copies_the_time_of_the_offer() -> None:
    offer = sdp.parse(HEAD.replace("t=0 0", "t=3034423619 3042462419") + "m=audio 6000 RTP/AVP 0\n")
    assert make_answer(offer, BOB, origin=BOBS).times == offer.times


@pytest.mark.parametrize(
    ("encoding", "theirs", "ours", "answered"),
    [
        ("G729/8000", "annexb=no", "", "annexb=no"),
        ("G729/8000", "", "annexb=no", "annexb=no"),
        ("G729/8000", "", "", ""),
        ("iLBC/8000", "mode=20", "mode=20", "mode=20"),
        ("iLBC/8000", "mode=20", "", "mode=30"),
        ("AMR/8000", "octet-align=1", "octet-align=1", "octet-align=1"),
        ("AMR/8000", "octet-align=1", "", None),
    ],
)
def test_parameters_that_both_sides_share(encoding: str, theirs: str, ours: str, answered: str | None) -> None:
    offer = offered(f"m=audio 6000 RTP/AVP 97\na=rtpmap:97 {encoding}\n" + (f"a=fmtp:97 {theirs}\n" if theirs else ""))
    name, _, rate = encoding.partition("/")
    local = attrs.evolve(BOB, formats=(Format(name, int(rate), fmtp=ours),))
    if answered is None:
        with pytest.raises(NegotiationError):
            make_answer(offer, local, origin=BOBS)
        return
    section = audio(make_answer(offer, local, origin=BOBS))
    assert section.values("fmtp") == ((f"97 {answered}",) if answered else ())


@pytest.mark.parametrize(
    "answer",
    ["", "m=audio 0 RTP/AVP 0\n", "m=audio 6000 RTP/AVP 18\n", "m=video 0 RTP/AVP 31\nm=audio 6000 RTP/AVP 0\n"],
)
def test_an_answer_that_takes_nothing_of_the_offer_is_488(answer: str) -> None:
    with pytest.raises(NegotiationError):
        negotiate(make_offer(ALICE, origin=ALICES), offered(answer), Side.OFFERER)


def test_a_new_origin_fits_a_signed_word() -> None:
    origin = new_origin(SeededEntropy(1), "2001:db8::1")
    assert int(origin.session_id) < 1 << 31
    assert (origin.address_type, origin.session_version) == ("IP6", "1")


@pytest.mark.parametrize("text", ["", "m=audio 0 RTP/AVP 0\nm=image 0 udptl t38\n"])
def test_an_offer_without_media_is_answered_without_media_when_the_caller_allows_it(text: str) -> None:
    answer = make_answer(offered(text), BOB, origin=BOBS, allow_none=True)
    assert audio_of(answer) is None
    assert len(answer.media) == text.count("m=")
    with pytest.raises(NegotiationError):
        make_answer(offered("m=audio 6000 RTP/AVP 18\n"), BOB, origin=BOBS, allow_none=True)
