"""The exchanges of RFC 4317 and of RFC 3264 section 10, as far as one audio stream goes.

Each exchange is read twice: what the RFC's own offer and answer mean for both sides, and what our answer to that offer is.
We refuse video and streams of telephone events alone, which the answers of the RFC accept in some examples.
"""

from __future__ import annotations

import attrs
import pytest

from voipgw import sdp
from voipgw.errors import NegotiationError
from voipgw.sdp import Direction, Format, SessionDescription
from voipgw.sdp.offer_answer import LocalAudio, Side, audio_of, make_answer, make_offer, negotiate

ALICE, BOB = "host.atlanta.example.com", "host.biloxi.example.com"
ILBC, PCMU, PCMA = Format("iLBC"), Format("PCMU"), Format("PCMA")
MAPS = {
    "0": "PCMU/8000", "8": "PCMA/8000", "97": "iLBC/8000", "98": "telephone-event/8000", "99": "iLBC/8000",
    "101": "telephone-event/8000", "31": "H261/90000", "32": "MPV/90000",
}  # fmt: skip


def described(host: str, *media: str, version: int = 0, address: str = "") -> SessionDescription:
    """A description as the RFC writes them: ``media`` are ``kind port numbers [direction] [c=address]``."""
    user, base = ("alice", 2890844526) if host == ALICE else ("bob", 2808844564)
    lines = ["v=0", f"o={user} {base} {base + version} IN IP4 {host}", "s= ", f"c=IN IP4 {address or host}", "t=0 0"]
    for text in media:
        kind, port, *rest = text.split()
        numbers = [word for word in rest if word.isdigit()]
        lines.append(f"m={kind} {port} RTP/AVP {' '.join(numbers)}")
        lines += [f"c=IN IP4 {word[2:]}" for word in rest if word.startswith("c=")]
        lines += [f"a=rtpmap:{number} {MAPS[number]}" for number in numbers]
        lines += [f"a={word}" for word in rest if word in {"sendonly", "recvonly"}]
    text = "\r\n".join(lines) + "\r\n"
    assert sdp.parse(text) == sdp.parse(str(sdp.parse(text)))
    return sdp.parse(text)


@attrs.frozen
class Meaning:
    """What both sides make of an exchange: codec, numbers towards offerer and answerer, ports, directions."""

    codec: str
    to_answerer: tuple[int, int]
    to_offerer: tuple[int, int]
    offerer: str = "sendrecv"
    answerer: str = "sendrecv"


def meaning(offer: SessionDescription, answer: SessionDescription) -> Meaning:
    one, other = negotiate(offer, answer, Side.OFFERER), negotiate(offer, answer, Side.ANSWERER)
    assert one.codec.name == other.codec.name
    assert one.receive_payload_type == other.codec.payload_type
    assert other.receive_payload_type == one.codec.payload_type
    return Meaning(
        one.codec.name,
        (one.remote[1], one.codec.payload_type or 0),
        (other.remote[1], other.codec.payload_type or 0),
        one.direction.value,
        other.direction.value,
    )


AV = ("audio 49170 0 8 97", "video 51372 31 32")
STREAMS = ("audio 49170 0 97", "audio 49172 98 sendonly")
EXCHANGES = {
    "2.1": (described(ALICE, *AV), described(BOB, "audio 49174 0", "video 49170 32"), Meaning("PCMU", (49174, 0), (49170, 0))),
    "2.2 first": (described(ALICE, *AV), described(BOB, "audio 49172 0 8", "video 0 31"), Meaning("PCMU", (49172, 0), (49170, 0))),
    "2.2 second": (
        described(ALICE, "audio 51372 0", "video 0 31", version=1),
        described(BOB, "audio 49172 0", "video 0 31", version=1),
        Meaning("PCMU", (49172, 0), (51372, 0)),
    ),
    "2.3": (described(ALICE, *AV), described(BOB, "audio 49172 99", "video 51374 31"), Meaning("iLBC", (49172, 99), (49170, 97))),
    "2.4": (
        described(ALICE, *STREAMS),
        described(BOB, "audio 49172 97", "audio 49174 98 recvonly"),
        Meaning("iLBC", (49172, 97), (49170, 97)),
    ),
    "2.5 first": (
        described(ALICE, "audio 49170 97", "video 51372 31"),
        described(BOB, "audio 49174 97", "video 49170 31"),
        Meaning("iLBC", (49174, 97), (49170, 97)),
    ),
    "2.5 second": (
        described(BOB, "audio 49178 97", "video 49188 31", version=1, address="newhost.biloxi.example.com"),
        described(ALICE, "audio 49170 97", "video 51372 31"),
        Meaning("iLBC", (49170, 97), (49178, 97)),
    ),
    "2.6": (
        described(ALICE, "audio 49170 0", "audio 51372 97 101"),
        described(BOB, "audio 0 0", "audio 49170 97 101"),
        Meaning("iLBC", (49170, 97), (51372, 97)),
    ),
    "2.7": (
        described(ALICE, "audio 49170 99", "video 51372 31 32", version=1),
        described(BOB, "audio 49172 99", "video 51374 31 32", version=1),
        Meaning("iLBC", (49172, 99), (49170, 99)),
    ),
    "2.8": (
        described(ALICE, *AV),
        described(BOB, "audio 49174 0", "video 49172 32 c=otherhost.biloxi.example.com"),
        Meaning("PCMU", (49174, 0), (49170, 0)),
    ),
    "3.1 hold": (
        described(ALICE, "audio 49170 0 97"),
        described(BOB, "audio 49172 97 sendonly", address="placeholder.biloxi.example.com"),
        Meaning("iLBC", (49172, 97), (49170, 97), "recvonly", "sendonly"),
    ),
    "3.1 resume": (
        described(BOB, "audio 49170 97", version=1),
        described(ALICE, "audio 49178 97", version=1),
        Meaning("iLBC", (49178, 97), (49170, 97)),
    ),
    "3.2 hold": (
        described(BOB, "audio 49172 97 sendonly", "audio 49174 98 recvonly", version=1),
        described(ALICE, *STREAMS, version=1),
        Meaning("iLBC", (49170, 97), (49172, 97), "sendonly", "recvonly"),
    ),
    "4.1": (
        described(BOB, "audio 49170 97", "audio 48282 98 c=mediaserver.biloxi.example.com recvonly", version=1),
        described(ALICE, "audio 49170 97", "audio 49172 98 sendonly", version=1),
        Meaning("iLBC", (49170, 97), (49170, 97)),
    ),
    "4.2": (
        described(ALICE, "audio 49170 0", "video 49172 31", version=1),
        described(BOB, "audio 49172 0", "video 49168 31", version=1),
        Meaning("PCMU", (49172, 0), (49170, 0)),
    ),
    "4.3": (
        described(BOB, "audio 49174 97", "video 0 31", version=1),
        described(ALICE, "audio 49170 97", "video 0 31", version=1),
        Meaning("iLBC", (49170, 97), (49174, 97)),
    ),
    "5.1": (
        described(ALICE, "audio 49170 97", version=1),
        described(BOB, "audio 49172 97", version=1),
        Meaning("iLBC", (49172, 97), (49170, 97)),
    ),
    "5.2 hold": (
        described(ALICE, "audio 23442 97", address="0.0.0.0"),
        described(BOB, "audio 49170 97"),
        Meaning("iLBC", (49170, 97), (23442, 97), "sendonly", "recvonly"),
    ),
    "5.3 hold": (
        described(ALICE, "audio 49170 97"),
        described(BOB, "audio 9322 97", address="0.0.0.0"),
        Meaning("iLBC", (9322, 97), (49170, 97), "recvonly", "sendonly"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("section", EXCHANGES)
def test_both_sides_read_an_exchange_as_the_rfc_explains_it(section: str) -> None:
    offer, answer, expected = EXCHANGES[section]
    assert meaning(offer, answer) == expected


@pytest.mark.parametrize("section", EXCHANGES)
def test_our_answer_has_the_shape_of_the_offer_and_the_codec_of_the_rfc(section: str) -> None:
    offer, answer, expected = EXCHANGES[section]
    theirs = audio_of(answer)
    assert theirs is not None
    codec = Format(expected.codec)
    direction = theirs.direction or Direction.SENDRECV
    ours = LocalAudio("192.0.2.2", expected.to_answerer[0], (codec,), direction=direction)
    mine = make_answer(offer, ours, origin=sdp.Origin("1"))
    assert [m.kind for m in mine.media] == [m.kind for m in answer.media]
    assert sum(m.port != 0 for m in mine.media) == 1
    assert mine.media.index(audio_of(mine)) == answer.media.index(theirs)  # type: ignore[arg-type]
    got = meaning(offer, mine)
    assert (got.codec, got.to_offerer) == (expected.codec, expected.to_offerer)
    assert got.to_answerer == (expected.to_answerer[0], expected.to_offerer[1])  # we keep the offerer's number
    if section != "5.3 hold":  # we say sendonly, and never 0.0.0.0
        assert (got.offerer, got.answerer) == (expected.offerer, expected.answerer)


def test_an_offer_without_media_then_one_with_audio() -> None:
    """Section 5.1."""
    bob = LocalAudio("192.0.2.2", 49172, (ILBC,))
    origin = sdp.Origin("2808844564", "2808844564", "192.0.2.2", "bob")
    empty = described(ALICE)
    with pytest.raises(NegotiationError):
        make_answer(empty, bob, origin=origin)
    first = make_answer(empty, bob, origin=origin, allow_none=True)
    assert first.media == ()
    second = make_answer(described(ALICE, "audio 49170 97", version=1), bob, origin=origin, previous=first)
    assert (second.origin.session_version, [m.port for m in second.media]) == ("2808844565", [49172])


def test_an_answer_that_says_the_same_keeps_its_version() -> None:
    """Section 2.5: Bob moves, Alice answers as before."""
    origin = sdp.Origin("2890844526", "2890844526", "192.0.2.1", "alice")
    alice = LocalAudio("192.0.2.1", 49170, (ILBC,))
    bob = LocalAudio("192.0.2.2", 49174, (ILBC,))
    first = make_offer(alice, origin=origin)
    bobs = make_answer(first, bob, origin=sdp.Origin("1"))
    moved = make_offer(attrs.evolve(bob, address="192.0.2.9", port=49178), origin=sdp.Origin("1"), previous=bobs)
    assert moved.origin.session_version == "2"
    assert make_answer(moved, alice, origin=origin, previous=first) == first


def test_one_of_several_codecs_is_chosen_in_a_second_exchange() -> None:
    """RFC 3264 section 10.2: offered inactive with three codecs, then again with the one that is left."""
    three = (PCMU, Format("G723"), Format("G729"))
    origin = sdp.Origin("2890844526", "2890844526", ALICE, "alice")
    alice = LocalAudio("192.0.2.1", 62986, three, direction=Direction.INACTIVE)
    bob = LocalAudio("192.0.2.2", 54344, three[:2])
    bobs = sdp.Origin("2890844730", "2890844731", BOB, "bob")
    offer = make_offer(alice, origin=origin)
    answer = make_answer(offer, bob, origin=bobs, single=False)
    assert (answer.media[0].formats, answer.media[0].direction) == (("0", "4", "101"), Direction.INACTIVE)
    second = make_offer(
        attrs.evolve(alice, formats=three[1:2], direction=Direction.SENDRECV), origin=origin, previous=offer
    )
    final = make_answer(second, bob, origin=bobs, previous=answer)
    assert (second.media[0].formats, final.media[0].formats) == (("4", "101"), ("4", "101"))
    assert (second.origin.session_version, final.origin.session_version) == ("2890844527", "2890844732")
    assert meaning(second, final) == Meaning("G723", (54344, 4), (62986, 4))


def test_a_port_is_changed_and_a_stream_added() -> None:
    """RFC 3264 section 10.1: two video streams of which one is refused, then a new port and a stream of events."""
    bobs = sdp.Origin("2890844730", "2890844730", BOB, "bob")
    bob = LocalAudio("192.0.2.2", 49920, (PCMU,))
    offer = described(ALICE, "audio 49170 0", "video 51372 31", "video 53000 32")
    answer = make_answer(offer, bob, origin=bobs)
    assert [m.port for m in answer.media] == [49920, 0, 0]
    moved = make_offer(attrs.evolve(bob, port=65422), origin=bobs, previous=answer)
    assert [m.port for m in moved.media] == [65422, 0, 0]
    assert moved.origin.session_version == "2890844731"
    added = described(ALICE, "audio 49170 0", "video 0 31", "video 0 32", "audio 51434 98 recvonly", version=1)
    again = make_answer(added, attrs.evolve(bob, port=65422), origin=bobs, previous=moved)
    assert [m.port for m in again.media] == [65422, 0, 0, 0]
