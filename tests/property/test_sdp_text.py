"""SDP text: round trips, and garbage raises ParseError and nothing else; any offer is answered in its own shape."""

from __future__ import annotations

import contextlib

from hypothesis import given
from hypothesis import strategies as st

from voipgw import sdp
from voipgw.errors import NegotiationError, ParseError
from voipgw.sdp import Attribute, Connection, Format, MediaDescription, Origin, SessionDescription, Timing
from voipgw.sdp.offer_answer import LocalAudio, Side, make_answer, make_offer, negotiate

tokens = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJ0123456789-_.", min_size=1, max_size=12)
texts = st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]), max_size=30).map(str.strip)
some = (
    st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]), min_size=1)
    .map(str.strip)
    .filter(bool)
)
attributes = st.lists(st.builds(Attribute, tokens, st.none() | texts), max_size=5).map(tuple)
connections = st.builds(Connection, tokens, st.sampled_from(["", "/127", "/127/3"]), st.sampled_from(["IP4", "IP6"]))
media = st.builds(
    MediaDescription,
    st.sampled_from(["audio", "video", "image"]),
    st.integers(0, 65535),
    st.sampled_from(["RTP/AVP", "RTP/SAVP", "udptl"]),
    st.lists(st.integers(0, 130).map(str) | tokens, max_size=6).map(tuple),
    st.integers(1, 3),
    st.none() | texts,
    st.lists(connections, max_size=2).map(tuple),
    st.lists(tokens, max_size=2).map(tuple),
    st.none() | texts,
    attributes,
)
descriptions = st.builds(
    SessionDescription,
    st.builds(Origin, tokens, tokens, tokens, tokens),
    some,
    st.none() | texts,
    st.none() | texts,
    st.lists(texts, max_size=2).map(tuple),
    st.lists(texts, max_size=2).map(tuple),
    st.none() | connections,
    st.lists(tokens, max_size=2).map(tuple),
    st.lists(
        st.builds(Timing, st.integers(0, 9), st.integers(0, 9), st.lists(texts, max_size=2).map(tuple)), min_size=1
    ).map(tuple),
    st.none() | texts,
    st.none() | texts,
    attributes,
    st.lists(media, max_size=3).map(tuple),
)


@given(descriptions)
def test_a_description_comes_back(description: SessionDescription) -> None:
    assert sdp.parse(str(description)) == description
    assert sdp.parse(bytes(description)) == description


@given(st.binary(max_size=300) | st.binary(max_size=200).map(lambda b: b"v=0\no=- 1 1 IN IP4 h\n" + b))
def test_garbage_is_a_description_or_a_parse_error(data: bytes) -> None:
    with contextlib.suppress(ParseError):
        description = sdp.parse(data)
        assert sdp.parse(bytes(description)) == description


@given(st.text(max_size=200).map(lambda t: "v=0\no=- 1 1 IN IP4 h\nm=audio 1 RTP/AVP 0\n" + t))
def test_any_text_is_a_description_or_a_parse_error(text: str) -> None:
    with contextlib.suppress(ParseError):
        for section in sdp.parse(text).media:
            assert section.audio_formats is not None
            assert section.ptime_ms is None or 1 <= section.ptime_ms <= 1000


@given(descriptions)
def test_any_offer_is_refused_or_answered_in_its_own_shape(offer: SessionDescription) -> None:
    ours = LocalAudio("192.0.2.2", 5000, (Format("PCMA"), Format("PCMU"), Format("G722")))
    with contextlib.suppress(NegotiationError):
        answer = make_answer(offer, ours, origin=Origin("1"))
        assert sdp.parse(str(answer)) == answer
        assert [m.kind for m in answer.media] == [m.kind for m in offer.media]
        assert sum(m.port != 0 for m in answer.media) == 1
        one, other = negotiate(offer, answer, Side.OFFERER), negotiate(offer, answer, Side.ANSWERER)
        assert one.codec.same_encoding(other.codec)
        assert one.direction is other.direction.reverse()
        assert one.receive_payload_type == other.codec.payload_type
        assert one.telephone_event == other.receive_telephone_event
        again = make_offer(ours, origin=Origin("1"), previous=answer)
        assert len(again.media) == len(answer.media)
