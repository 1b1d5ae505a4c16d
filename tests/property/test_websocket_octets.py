"""Whatever comes to a WebSocket: messages, an end, or a ParseError for what is too long; and in any pieces the same."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from voipgw.errors import ParseError
from voipgw.net.framings import Origins
from voipgw.net.websocket import WebSocketFraming
from voipgw.sip.framing import KeepAlive

LIMIT = 2000


def pair() -> tuple[WebSocketFraming, WebSocketFraming]:
    """Client and server after their handshake."""
    client = WebSocketFraming(ours=True, max_octets=LIMIT, origins=Origins(), host="gw.example")
    server = WebSocketFraming(ours=False, max_octets=LIMIT, origins=Origins())
    client.feed(server.feed(client.start())[1])
    return client, server


def fed(framing: WebSocketFraming, octets: bytes, cuts: list[int]) -> tuple[list[bytes | KeepAlive], str]:
    """What came of ``octets`` in pieces: messages, and how it went on."""
    found: list[bytes | KeepAlive] = []
    bounds = [0, *sorted(cut % (len(octets) + 1) for cut in cuts), len(octets)]
    for begin, end in itertools.pairwise(bounds):
        try:
            found += framing.feed(octets[begin:end])[0]
        except ParseError as error:
            return found, f"{error.status}"
        if framing.over:
            return found, "over"
    return found, ""


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=4))
def test_garbage_instead_of_a_handshake_ends_or_waits(octets: bytes, cuts: list[int]) -> None:
    for ours in (False, True):
        framing = WebSocketFraming(ours=ours, max_octets=LIMIT, origins=Origins(), host="gw.example")
        framing.start()
        found, _ = fed(framing, octets, cuts)
        assert found == [] and not framing.ready


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=4))
def test_garbage_after_the_handshake_ends_or_waits(octets: bytes, cuts: list[int]) -> None:
    for framing in pair():
        fed(framing, octets, cuts)


@given(st.lists(st.binary(min_size=1, max_size=400), max_size=5), st.lists(st.integers(0, 3000), max_size=6))
def test_messages_come_back_in_any_pieces(messages: list[bytes], cuts: list[int]) -> None:
    for number, (sender, receiver) in enumerate((pair(), pair()[::-1])):
        octets = b"".join(sender.wrap(message) for message in messages)
        found, outcome = fed(receiver, octets, cuts)
        assert outcome == "", number
        assert [one for one in found if isinstance(one, bytes)] == [one for one in messages if one.strip(b"\r\n")]
