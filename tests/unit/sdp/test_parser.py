"""SDP text to values and back (RFC 8866)."""

from __future__ import annotations

import pytest

from voipgw import sdp
from voipgw.errors import LocalProtocolError, ParseError

EXAMPLE = """v=0
o=jdoe 3724394400 3724394405 IN IP4 198.51.100.1
s=Call to John Smith
i=SDP Offer #1
u=http://www.jdoe.example.com/home.html
e=Jane Doe <jane@jdoe.example.com>
p=+1 617 555-6011
c=IN IP4 198.51.100.1
b=CT:384
t=0 0
r=604800 3600 0 90000
z=2882844526 -1h 2898848070 0
k=prompt
a=recvonly
m=audio 49170/2 RTP/AVP 0 96
i=speech
c=IN IP4 233.252.0.1/127/3
b=AS:64
a=rtpmap:96 opus/48000/2
a=fmtp:96 useinbandfec=1; maxplaybackrate=16000
a=ptime:20
m=video 51372 RTP/AVP 99
c=IN IP6 2001:db8::2
a=rtpmap:99 h263-1998/90000
"""


def test_a_full_description_comes_back_octet_by_octet() -> None:
    wire = EXAMPLE.replace("\n", "\r\n")
    assert str(sdp.parse(wire)) == wire
    assert bytes(sdp.parse(wire.encode())) == wire.encode()


def test_the_values_of_a_description() -> None:
    d = sdp.parse(EXAMPLE)
    assert d.origin == sdp.Origin("3724394400", "3724394405", "198.51.100.1", "jdoe")
    assert (d.name, d.emails, d.times[0].repeats) == (
        "Call to John Smith",
        ("Jane Doe <jane@jdoe.example.com>",),
        ("604800 3600 0 90000",),
    )
    audio, video = d.media
    assert (audio.kind, audio.port, audio.port_count, audio.protocol) == ("audio", 49170, 2, "RTP/AVP")
    assert audio.audio_formats == (
        sdp.Format("PCMU", 8000, 1, 0),
        sdp.Format("opus", 48000, 2, 96, "useinbandfec=1; maxplaybackrate=16000"),
    )
    assert audio.audio_formats[1].parameters == {"useinbandfec": "1", "maxplaybackrate": "16000"}
    assert audio.ptime_ms == 20
    assert d.connection_of(audio) == sdp.Connection("233.252.0.1", "/127/3")
    assert d.connection_of(video) == sdp.Connection.to("2001:db8::2")
    assert d.direction_of(video) is sdp.Direction.RECVONLY


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_any_line_end_is_taken_and_a_missing_last_one(end: str) -> None:
    assert sdp.parse(EXAMPLE.strip().replace("\n", end)) == sdp.parse(EXAMPLE)


def test_what_sloppy_peers_leave_out_is_supplied() -> None:
    d = sdp.parse("v=0\no=- 1 1 IN IP4 192.0.2.1\n\nc=IN IP4 192.0.2.1\nm=audio 4000 RTP/AVP")
    assert (d.name, d.times, d.media[0].formats) == ("-", (sdp.Timing(),), ())


def test_an_empty_user_name_in_the_origin_is_read() -> None:
    assert sdp.parse("v=0\no= 1 2 IN IP4 192.0.2.1\n").origin == sdp.Origin("1", "2", "192.0.2.1")


def test_unknown_attributes_are_kept_and_unknown_lines_dropped() -> None:
    d = sdp.parse("v=0\no=- 1 1 IN IP4 192.0.2.1\ns=-\ny=what\na=x-new:1:2\na=\na=flag\n")
    assert d.attributes == (sdp.Attribute("x-new", "1:2"), sdp.Attribute("flag"))
    assert d.attribute("flag") == ""
    assert d.attribute("absent") is None


def test_octets_that_are_not_utf8_survive() -> None:
    wire = b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=caf\xe9\r\nt=0 0\r\n"
    assert bytes(sdp.parse(wire)) == wire


def test_static_payload_types_need_no_rtpmap_and_an_rtpmap_goes_first() -> None:
    d = sdp.parse(
        "v=0\no=- 1 1 IN IP4 h\nm=audio 4 RTP/AVP 0 8 9 18 3 96 200 x\na=rtpmap:8 L16/16000\na=rtpmap:96 junk\n"
    )
    assert [(f.payload_type, f.rtpmap) for f in d.media[0].audio_formats] == [
        (0, "PCMU/8000"),
        (8, "L16/16000"),
        (9, "G722/8000"),
        (18, "G729/8000"),
        (3, "GSM/8000"),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1"),
        ("o=- 1 1 IN IP4 h\n", "line 1"),
        ("v=1\no=- 1 1 IN IP4 h\n", "line 1 .*version"),
        ("v=0\ns=-\n", "no o= line"),
        ("v=0\no=- 1 IN IP4\n", "line 2"),
        ("v=0\no=- 1 1 IN IP4 h\nnonsense\n", "line 3"),
        ("v=0\no=- 1 1 IN IP4 h\nc=IN IP4\n", "line 3"),
        ("v=0\no=- 1 1 IN IP4 h\nt=now then\n", "line 3"),
        ("v=0\no=- 1 1 IN IP4 h\nm=audio 65536 RTP/AVP 0\n", "line 3 .*65535"),
        ("v=0\no=- 1 1 IN IP4 h\nm=audio -1 RTP/AVP 0\n", "line 3"),
        ("v=0\no=- 1 1 IN IP4 h\nm=audio\n", "line 3"),
        ("v=0\no=- 1 1 IN IP4 h\ns=\0\n", "NUL"),
        ("v=0\no=- 1 1 IN IP4 h\ns=\ud800\n", "surrogate"),
    ],
)
def test_a_broken_line_is_named(text: str, message: str) -> None:
    with pytest.raises(ParseError, match=message):
        sdp.parse(text)


@pytest.mark.parametrize(
    "tail",
    [
        "a=" + "x" * 70000,
        "a=" + "x" * 9000,
        "a=x\n" * 3000,
        "a=x\n" * 600,
        "m=audio 1 RTP/AVP 0\n" * 40,
        "m=audio 1 RTP/AVP" + " 0" * 300,
    ],
)
def test_every_quantity_is_bounded(tail: str) -> None:
    with pytest.raises(ParseError):
        sdp.parse("v=0\no=- 1 1 IN IP4 h\n" + tail)


def test_a_value_with_a_line_end_is_never_written() -> None:
    d = sdp.SessionDescription(sdp.Origin("1"), attributes=(sdp.Attribute("x", "1\r\na=injected"),))
    with pytest.raises(LocalProtocolError, match="line end"):
        str(d)
