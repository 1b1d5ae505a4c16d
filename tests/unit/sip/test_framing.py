"""Messages cut from a stream (RFC 3261 section 18.3, RFC 5626 section 3.5.1)."""

from __future__ import annotations

import pytest

from voipgw.errors import ParseError
from voipgw.sip import Framer, KeepAlive, StreamError

ONE = b"OPTIONS sip:a@b SIP/2.0\r\nContent-Length: 0\r\n\r\n"
TWO = b"SIP/2.0 200 OK\r\nX: a\r\n b\r\nl : 7\r\n\r\n\r\n\r\nabc"


def test_messages_come_one_by_one_however_the_stream_is_cut() -> None:
    stream = ONE + TWO + b"\r\n\r\n" + ONE + b"\r\n" + TWO
    whole = Framer().feed(stream)
    assert whole == [ONE, TWO, KeepAlive.PING, ONE, TWO]
    for size in range(1, 40):
        framer = Framer()
        pieces = [item for at in range(0, len(stream), size) for item in framer.feed(stream[at : at + size])]
        assert pieces == whole
        assert framer.pending == 0


def test_a_ping_is_reported_at_its_last_octet() -> None:
    framer = Framer()
    assert [framer.feed(octet) for octet in (b"\r", b"\n", b"\r", b"\n")] == [[], [], [], [KeepAlive.PING]]


def test_on_a_connection_that_we_ping_each_line_end_is_a_pong() -> None:
    assert Framer(pongs=True).feed(b"\r\n" + ONE + b"\r\n\r\n") == [KeepAlive.PONG, ONE, KeepAlive.PONG, KeepAlive.PONG]


def test_a_message_waits_for_its_body() -> None:
    framer = Framer()
    assert framer.feed(TWO[:-1]) == []
    assert framer.pending == len(TWO) - 1
    assert framer.feed(TWO[-1:] + ONE[:5]) == [TWO]
    assert framer.pending == 5


@pytest.mark.parametrize(
    "stream",
    [
        b"\x16\x03\x01\x02\x00", b"\nOPTIONS", b"\rOPTIONS", b"\r\n\rX", b" OPTIONS", b"OPTIONS sip:a@b SIP/2.0\r\n\r\n",
        b"OPTIONS sip:a@b SIP/2.0\r\nl: -1\r\n\r\n", b"OPTIONS sip:a@b SIP/2.0\r\nl: 1\r\nl: 1\r\n\r\n",
        b"OPTIONS sip:a@b SIP/2.0\r\nX: a\nl: 1\r\n\r\n", b"OPTIONS sip:a@b SIP/2.0\r\n l: 1\r\n\r\n",
        b"OPTIONS sip:a@b SIP/2.0\r\nl: 70000\r\n\r\n", b"OPTIONS sip:a@b SIP/2.0\r\nX: " + b"a" * 70000,
    ],
)  # fmt: skip
def test_a_stream_that_is_no_sip_is_broken_for_good(stream: bytes) -> None:
    framer = Framer()
    with pytest.raises(StreamError) as caught:
        framer.feed(ONE + stream)
    assert caught.value.frames == [ONE]
    assert framer.pending == 0
    with pytest.raises(ParseError):
        framer.feed(ONE)


def test_a_body_over_the_limit_is_513_and_is_not_waited_for() -> None:
    with pytest.raises(ParseError) as caught:
        Framer(max_octets=1000).feed(b"OPTIONS sip:a@b SIP/2.0\r\nContent-Length: 4294967295\r\n\r\n")
    assert caught.value.status == 513


def test_a_header_section_without_end_is_given_up_at_the_limit() -> None:
    framer = Framer(max_octets=1000)
    framer.feed(b"OPTIONS sip:a@b SIP/2.0\r\n" + b"a" * 900)
    with pytest.raises(ParseError) as caught:
        framer.feed(b"a" * 100)
    assert caught.value.status == 513


def test_a_broken_message_that_can_be_cut_does_not_break_the_stream() -> None:
    bad = b"OPTIONS nonsense\r\nl: 2\r\n\r\nab"
    assert Framer().feed(bad + ONE) == [bad, ONE]
