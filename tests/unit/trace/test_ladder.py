from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from voipgw.sip import Request, Response
from voipgw.trace import command
from voipgw.trace.calls import merge_legs, read_calls
from voipgw.trace.ladder import ASCII, LadderEvent, LadderRecorder, draw_text, event_of
from voipgw.trace.pcap import PcapWriter
from voipgw.trace.svg import draw_svg

PHONE, GATEWAY, CARRIER = ("192.0.2.1", 5060), ("192.0.2.2", 5060), ("192.0.2.3", 5060)
SDP = "v=0\r\no=- 1 1 IN IP4 {0}\r\ns=-\r\nc=IN IP4 {0}\r\nt=0 0\r\nm=audio {1} RTP/AVP 0\r\n"


def invite(call_id: str, by: tuple[str, int], to: tuple[str, int], number: str, media_port: int = 4000) -> Request:
    uri = f"sip:{number}@{to[0]}"
    fields = [
        ("Via", f"SIP/2.0/UDP {by[0]}:{by[1]};branch=z9hG4bK{len(call_id)}{number[-4:]}"),
        ("From", "<sip:a@example.com>;tag=1"),
        ("To", f"<{uri}>"),
        ("Call-ID", call_id),
        ("CSeq", "1 INVITE"),
        ("Contact", f"<sip:{by[0]}>"),
        ("Max-Forwards", "70"),
    ]
    return Request.create("INVITE", uri, fields, SDP.format(by[0], media_port).encode(), "application/sdp")


def two_legs(path: Path, *, number_out: str = "+4930123456", write: str = "udp") -> None:
    first = invite("in@a", PHONE, GATEWAY, "030123456")
    second = invite("out@b", GATEWAY, CARRIER, number_out, 4002)
    with PcapWriter(path) as pcap:
        put = getattr(pcap, write)
        put(1.0, PHONE, GATEWAY, bytes(first))
        put(1.1, GATEWAY, CARRIER, bytes(second))
        put(1.2, CARRIER, GATEWAY, bytes(Response.answer(second, 486, to_tag="x")))
        put(1.3, GATEWAY, PHONE, bytes(Response.answer(first, 486, to_tag="y")))
        pcap.udp(1.25, ("192.0.2.1", 4000), ("192.0.2.2", 4002), bytes.fromhex("8000000100000000aabbccdd") + bytes(160))


def test_a_ladder_reads_line_by_line() -> None:
    events = [
        LadderEvent(10.0, "phone", "", "off-hook"),
        LadderEvent(10.5, "phone", "gateway", "dials 42"),
        LadderEvent(11.0, "gateway", "carrier", "INVITE (SDP)"),
        LadderEvent(11.25, "carrier", "gateway", "200 OK (INVITE)"),
        LadderEvent(11.5, "gateway", "carrier", "ACK", again=True),
    ]
    text = draw_text(events, style=ASCII, title="a call")
    assert text == (
        "a call\n"
        "          phone            gateway                carrier\n"
        "            +                 +                      +\n"
        "   0.000    * off-hook        |                      |\n"
        "   0.500    |--- dials 42 --->|                      |\n"
        "   1.000    |                 |---- INVITE (SDP) --->|\n"
        "   1.250    |                 |<- 200 OK (INVITE) ---|\n"
        "   1.500    |                 |........ ACK ........>|\n"
        "            |                 |                      |\n"
    )


def test_labels_always_fit_between_their_lines() -> None:
    long = "x" * 90
    lines = draw_text([LadderEvent(0, "a", "b", long), LadderEvent(1, "b", "a", "y")]).splitlines()
    assert long in lines[2] and lines[2].index("│") == lines[3].index("│")
    assert lines[2].rindex("│") == lines[3].rindex("│")


def test_participants_stand_in_the_order_asked_for() -> None:
    head = draw_text([LadderEvent(0, "b", "a", "x")], order=["a", "b"]).splitlines()[0]
    assert head.index("a") < head.index("b")


def test_no_event_draws_nothing() -> None:
    assert draw_text([]) == ""


def test_octets_that_are_no_message_get_a_row() -> None:
    assert event_of(0, "a", "b", b"garbage").label.startswith("(malformed")


def test_a_live_recorder_marks_retransmissions_and_keeps_its_bound() -> None:
    class Seen:
        time, direction, transport, local, remote = 1.0, "out", "udp", GATEWAY, CARRIER
        data = bytes(invite("x@y", GATEWAY, CARRIER, "1"))

    recorder = LadderRecorder({GATEWAY: "gateway"}, most=10)
    for _ in range(30):
        recorder.observe(Seen())
    assert recorder.events[-1].again
    assert recorder.events[-1].source == "gateway" and recorder.events[-1].destination == "192.0.2.3:5060"
    assert len(recorder.of_call("x@y")) == len(recorder.events) <= 10
    assert recorder.of_call("other") == []


@pytest.mark.parametrize("write", ["udp", "tcp"])
def test_a_capture_is_grouped_by_call_and_legs_are_merged(write: str, tmp_path: Path) -> None:
    path = tmp_path / "x.pcap"
    two_legs(path, write=write)
    calls = read_calls(path)
    assert [c.call_id for c in calls] == ["in@a", "out@b"]
    assert [e.label for e in calls[1].events if e.kind != "media"] == ["INVITE (SDP)", "486 Busy Here (INVITE)"]
    assert [len(group) for group in merge_legs(calls)] == [2]


def test_legs_to_another_number_are_not_merged(tmp_path: Path) -> None:
    path = tmp_path / "x.pcap"
    two_legs(path, number_out="+49309999")
    assert [len(group) for group in merge_legs(read_calls(path))] == [1, 1]


def test_media_named_by_sdp_joins_its_call(tmp_path: Path) -> None:
    path = tmp_path / "x.pcap"
    two_legs(path)
    rows = [e for call in read_calls(path) for e in call.events if e.kind == "media"]
    assert [(e.source, e.destination, e.label) for e in rows] == [
        ("192.0.2.1:5060", "192.0.2.2:5060", "RTP type 0: 1 packets, 0.0 s")
    ]


def test_the_svg_is_well_formed_and_carries_whole_messages() -> None:
    message = bytes(invite("x<&>y", PHONE, GATEWAY, "1"))
    svg = draw_svg([event_of(0, "a", "b", message), LadderEvent(1, "a", "", "on-hook \x00")], title="<&>")
    tree = ElementTree.fromstring(svg)
    titles = [node.text for node in tree.iter("{http://www.w3.org/2000/svg}title")]
    assert titles[0] is not None and titles[0].replace("\r\n", "\n") == message.decode().replace("\r\n", "\n")
    assert "http" not in svg.replace("http://www.w3.org/2000/svg", "")


def test_the_command_prints_and_draws(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, svg = tmp_path / "x.pcap", tmp_path / "x.svg"
    two_legs(path)
    assert command.run(path, svg, None) == 0
    assert "486 Busy Here" in capsys.readouterr().out
    ElementTree.parse(svg)
    assert command.run(path, None, "out@b", merge=False) == 0
    assert "in@a" not in capsys.readouterr().out


def test_the_command_says_what_is_wrong_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x.pcap"
    assert command.run(path, None, None) == 2
    two_legs(path)
    assert command.run(path, None, "nobody") == 1
    assert command.run(path, tmp_path / "missing" / "x.svg", None) == 2
    path.write_bytes(b"nonsense")
    assert command.run(path, None, None) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 4 and "no call nobody" in lines[1] and "in@a" in lines[1]
