"""SIP messages: parsing, answering, changing and framing an INVITE of 1168 octets with 17 header fields and SDP.

Each test is one call a round of pytest-benchmark; run as a program, it prints CPU microseconds and calls a second, medians of
seven. The yardstick is an empty C call through cffi, which these figures scale with.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

from voipgw._native import sip as native
from voipgw.sip import Framer, Request, Response, parse

SDP = (
    b"v=0\r\no=- 3928475001 3928475001 IN IP4 203.0.113.23\r\ns=bench\r\nc=IN IP4 203.0.113.23\r\nt=0 0\r\n"
    b"m=audio 40000 RTP/AVP 8 0 9 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:9 G722/8000\r\n"
    b"a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\na=sendrecv\r\n"
)
HEAD = (
    b"INVITE sip:+4930654321@gw.example.com:5060;user=phone SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP 192.0.2.77:5060;branch=z9hG4bK-51c0ffee-9;rport\r\n"
    b"Via: SIP/2.0/UDP 203.0.113.23:5060;branch=z9hG4bK7d1e0c55;received=203.0.113.23;rport=41000\r\n"
    b"Record-Route: <sip:192.0.2.77;lr;ftag=8gxbdfe87k>\r\nMax-Forwards: 68\r\n"
    b'From: "Some Caller" <sip:+12025550177@carrier.example.net;user=phone>;tag=8gxbdfe87k\r\n'
    b"To: <sip:+4930654321@gw.example.com;user=phone>\r\nCall-ID: 7712098311847715520@203.0.113.23\r\n"
    b"CSeq: 271828 INVITE\r\nContact: <sip:+12025550177@203.0.113.23:5060;transport=udp>\r\n"
    b"Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, UPDATE, PRACK, REFER, NOTIFY, INFO, MESSAGE\r\n"
    b"Supported: timer, replaces, 100rel\r\nSession-Expires: 1800;refresher=uac\r\nMin-SE: 90\r\n"
    b'P-Asserted-Identity: "Some Caller" <sip:+12025550177@carrier.example.net>\r\nUser-Agent: %s\r\n'
    b"Content-Type: application/sdp\r\nContent-Length: %d\r\n\r\n"
)
INVITE = HEAD % (b"b" * (1168 - len(SDP) - len(HEAD % (b"", len(SDP)))), len(SDP)) + SDP
request = parse(INVITE)
assert len(INVITE) == 1168 and isinstance(request, Request)


def yardstick() -> object:
    return native.header_id(b"")


def index_only() -> object:
    return native.scan(INVITE)


def parse_and_read() -> object:
    message = parse(INVITE)
    assert isinstance(message, Request)
    return message.from_tag, message.call_id, message.uri_text


def parse_and_read_values() -> object:
    message = parse(INVITE)
    assert isinstance(message, Request)
    return message.from_.tag, message.call_id, message.uri


def parse_and_take_apart() -> object:
    message = parse(INVITE)
    assert isinstance(message, Request)
    return message.from_.uri.user, message.to.uri.user, message.uri.user, message.via.host, message.contacts[0].uri.host


def answer() -> object:
    return Response.answer(request, 180, to_tag="a73kszlfl", fields=(("Contact", "<sip:192.0.2.1>"),))


def forward() -> object:
    via = ("Via", "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK0123456789")
    return request.with_fields(remove=("Max-Forwards",), prepend=(via, ("Max-Forwards", "67")))


def frame() -> object:
    return Framer().feed(INVITE)


CASES: tuple[Callable[[], object], ...] = (
    yardstick, index_only, parse_and_read, parse_and_read_values, parse_and_take_apart, answer, forward, frame,
)  # fmt: skip


def test_index_only(benchmark: Any) -> None:
    benchmark(index_only)


def test_parse_and_read(benchmark: Any) -> None:
    assert benchmark(parse_and_read)[1].endswith("@203.0.113.23")


def test_parse_and_read_values(benchmark: Any) -> None:
    benchmark(parse_and_read_values)


def test_parse_and_take_apart(benchmark: Any) -> None:
    benchmark(parse_and_take_apart)


def test_answer(benchmark: Any) -> None:
    benchmark(answer)


def test_forward(benchmark: Any) -> None:
    benchmark(forward)


def test_frame(benchmark: Any) -> None:
    benchmark(frame)


def main() -> None:
    for case in CASES:
        rounds = []
        for _ in range(7):
            start = time.process_time()
            for _ in range(10000):
                case()
            rounds.append((time.process_time() - start) / 10000)
        median = statistics.median(rounds)
        print(f"{case.__name__:24s} {median * 1e6:8.2f} us  {1 / median:10,.0f} a second")


if __name__ == "__main__":
    main()
