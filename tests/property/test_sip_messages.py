"""SIP messages under abuse: ParseError or a message whose every accessor answers; framer and parser agree; nothing is lost."""

from __future__ import annotations

import contextlib
import random
import time

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voipgw.errors import LocalProtocolError, ParseError
from voipgw.sip import (
    Auth,
    Capabilities,
    CSeq,
    Framer,
    Message,
    NameAddr,
    Request,
    Response,
    Uri,
    Via,
    check,
    parse,
    refusal,
)
from voipgw.sip.headers import is_token, quote, split_list, unquote

INVITE = (
    b"INVITE sip:+4930123@gw.example.net:5060;user=phone SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK-7f3a;rport, SIP / 2.0 / TCP [2001:db8::1];branch=z9hG4bK2\r\n"
    b"Record-Route: <sip:192.0.2.10;lr;ftag=9f>\r\nRoute: <sip:a.example;lr>,\r\n <sips:b.example>;x=1\r\nMax-Forwards: 69\r\n"
    b'From: "A \\"B\\" <x>, C" <sip:a:p%41w@b.example;p=1?h=v&i=>;tag=9fxc\r\nTo: Bob <tel:+49-30;phone-context=a>\r\n'
    b"i: 3848@192.0.2.23\r\nCSeq: 314159 INVITE\r\nm: <sip:a@b>;q=0.3;+sip.instance=\"<urn:x>\", sip:c@d;x\r\n"
    b"Date: Sat, 13 Nov 2010 23:29:00 GMT\r\nX-Unknown : a\r\n\tb \r\nSubject:\r\nk: timer,100rel\r\n"
    b"Content-Type: application/sdp\r\nContent-Length: 9\r\n\r\nv=0\r\n\r\n\0\xff"
)  # fmt: skip
RESPONSE = (
    b"SIP/2.0 183 Session Progr\xc3\xa9ss\r\nv:SIP/2.0/TLS h.example:5061;branch=z9hG4bK1;received=2001:db8::9\r\n"
    b"f:sip:a@b.example;tag=1\r\nt:<sip:c@d.example>;tag=2\r\ni:x\r\nCSeq:0007\r\n BREW\r\nm:*\r\nl:0\r\n\r\n"
)
CAPABLE = Capabilities()


def use(message: Message) -> None:
    """Everything a program does with a message that was accepted."""
    for address in (message.from_, message.to, *message.contacts, *message.routes, *message.record_routes):
        shown = unquote(quote(address.display_name))  # control characters are not written again
        assert NameAddr.parse(str(address)) == attrs.evolve(address, display_name=shown)
        assert Uri.parse(str(address.uri)) == address.uri
        address.uri.matches(address.uri)
    for via in message.vias:
        assert Via.parse(str(via)) == via
        _ = (via.received, via.rport, via.wants_rport)
    assert message.via.branch == message.branch
    assert message.from_.tag == NameAddr.parse(message.header("From") or "").tag
    assert message.to.tag == NameAddr.parse(message.header("To") or "").tag
    assert str(message.cseq) and message.call_id and message.sent_by
    _ = (message.max_forwards, message.content_type, message.contact_wildcard, repr(message))
    for name, value in message.fields():
        assert is_token(name)
        assert "\r" not in value
        assert "\n" not in value
        assert message.headers(name) or not value.strip(" ,\t")
    if isinstance(message, Request):
        assert Uri.parse(message.uri_text) == message.uri
        check(message, CAPABLE, forwarding=True)
        assert parse(bytes(Response.answer(message, 200, to_tag="t"))).vias == message.vias
    elif isinstance(message, Response):
        assert 100 <= message.status <= 699
        assert "\n" not in message.reason


def accepted(data: bytes) -> Message | None:
    """The message, used in every way; None when it is refused, and then the refusal is made."""
    try:
        message = parse(data)
    except ParseError as error:
        answer = refusal(data, error)
        assert answer is None or answer.status == error.status
        return None
    use(message)
    raw = bytes(message)
    assert raw in data
    assert bytes(parse(raw)) == raw
    assert bytes(message.with_fields()) == raw
    if message.headers("Content-Length"):
        assert Framer(max_octets=1 << 20).feed(raw) == [raw]
    return message


@pytest.mark.parametrize("data", [INVITE, RESPONSE], ids=["request", "response"])
def test_the_untouched_messages_are_accepted(data: bytes) -> None:
    message = accepted(data)
    assert message is not None
    assert bytes(message) == data


@pytest.mark.parametrize("data", [INVITE, RESPONSE], ids=["request", "response"])
@pytest.mark.parametrize("octet", [*b'\0\r\n \t"\\<>;:,@=?%[]*/a0.', 0x7F, 0x80, 0xC3, 0xFF])
def test_any_octet_replaced_or_put_in_anywhere(data: bytes, octet: int) -> None:
    one = bytes((octet,))
    for at in range(len(data)):
        accepted(data[:at] + one + data[at + 1 :])
        accepted(data[:at] + one + data[at:])


@pytest.mark.parametrize("data", [INVITE, RESPONSE], ids=["request", "response"])
def test_any_stretch_left_out(data: bytes) -> None:
    for length in (1, 2, 3, 7, 20):
        for at in range(len(data)):
            accepted(data[:at] + data[at + length :])


@pytest.mark.parametrize("data", [INVITE, RESPONSE], ids=["request", "response"])
def test_any_field_left_out_doubled_emptied_or_moved(data: bytes) -> None:
    head, _, body = data.partition(b"\r\n\r\n")
    start, *lines = head.split(b"\r\n")
    for i, line in enumerate(lines):
        rest = lines[:i] + lines[i + 1 :]
        name = line.partition(b":")[0]
        for changed in (rest, [*lines, line], [line, *rest], [*rest, line], [*rest, name + b":"], [*rest, name]):
            accepted(b"\r\n".join([start, *changed]) + b"\r\n\r\n" + body)


@pytest.mark.parametrize("seed", range(4))
def test_pieces_of_messages_mixed_at_random(seed: int) -> None:
    print(f"seed {seed}")
    dice = random.Random(seed)
    for _ in range(1500):
        data = bytearray(dice.choice((INVITE, RESPONSE)))
        for _ in range(dice.randrange(1, 6)):
            at, length = dice.randrange(len(data) + 1), dice.randrange(30)
            source = dice.choice((INVITE, RESPONSE, bytes(dice.randrange(256) for _ in range(30))))
            start = dice.randrange(len(source))
            data[at : at + dice.randrange(30)] = source[start : start + length]
        accepted(bytes(data))


@given(st.binary(max_size=300))
def test_garbage_is_refused(data: bytes) -> None:
    accepted(data)


@given(
    st.lists(st.sampled_from([INVITE, RESPONSE, b"\r\n", b"\r\n\r\n"]), max_size=6), st.randoms(use_true_random=False)
)
def test_a_stream_cut_anywhere_gives_what_it_gives_whole(parts: list[bytes], dice: random.Random) -> None:
    stream = b"".join(parts)
    whole = Framer().feed(stream)
    assert [item for item in whole if isinstance(item, bytes)] == [part for part in parts if len(part) > 4]
    framer, pieces, at = Framer(), [], 0
    while at < len(stream):
        step = dice.choice((1, 1, 2, 3, 50, 2000))
        pieces += framer.feed(stream[at : at + step])
        at += step
    assert pieces == whole


@given(st.binary(max_size=200), st.integers(0, 400))
def test_a_broken_stream_breaks_at_the_same_place_however_it_is_cut(garbage: bytes, cut: int) -> None:
    stream = RESPONSE + garbage
    results = []
    for pieces in ([stream], [stream[:cut], stream[cut:]], [stream[i : i + 1] for i in range(len(stream))]):
        framer, frames, failed = Framer(), [], False
        try:
            for piece in pieces:
                frames += framer.feed(piece)
        except ParseError as error:
            frames += getattr(error, "frames", [])
            failed = True
        results.append((frames, failed))
    assert results[0] == results[1] == results[2]


texts = st.text(max_size=30)
values = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=40)
tokens = st.text("abcXYZ019-.!%*_+`'~", min_size=1, max_size=12)


@given(
    texts,
    texts,
    st.lists(st.tuples(texts.filter(bool), st.none() | texts.filter(bool)), max_size=3).map(tuple),
    st.data(),
)
def test_a_uri_of_any_text_is_written_so_that_it_is_read_back(
    user: str, value: str, params: object, data: st.DataObject
) -> None:
    host = data.draw(st.sampled_from(["example.com", "192.0.2.1", "[2001:db8::1]"]))
    uri = Uri("sip", user, host, data.draw(st.none() | st.integers(0, 65535)), params, (("subject", value),))  # type: ignore[arg-type]
    try:
        text = str(uri)
        assert Uri.parse(text) == uri
        assert Request.create("OPTIONS", uri, []).uri_text == text
    except LocalProtocolError:
        assert uri.headers  # a request URI has no headers


@given(values, tokens, values)
def test_an_address_of_any_text_is_written_so_that_it_is_read_back(name: str, tag: str, quoted: str) -> None:
    address = NameAddr(Uri("sip", "a", "b"), name, (("tag", tag), ("x", quote(quoted))))
    again = NameAddr.parse(str(address))
    assert again == address
    assert (again.tag, again.param("x")) == (tag, quoted)


@given(st.lists(st.tuples(tokens, values.map(str.strip)), max_size=8), st.binary(max_size=100))
def test_fields_and_body_of_any_text_come_back(fields: list[tuple[str, str]], body: bytes) -> None:
    own = [(f"X-{name}", value) for name, value in fields]
    request = Request.create("OPTIONS", "sip:a@b", own, body)
    assert [(n, v.strip(" \t")) for n, v in own] == request.fields()[: len(own)]
    assert request.body == body
    assert request.with_fields(remove=[name for name, _ in own]).fields() == [("Content-Length", str(len(body)))]


@given(st.text("ab\r\n\0: ", max_size=12), st.text("ab\r\n\0: ", max_size=12))
def test_no_text_of_our_callers_makes_a_line_of_its_own(name: str, value: str) -> None:
    try:
        request = Request.create("OPTIONS", "sip:a@b", [(name, value)])
    except LocalProtocolError:
        return
    assert len(request.fields()) == 2
    assert bytes(request).count(b"\n") == 4


@given(st.lists(st.tuples(values, st.booleans()), max_size=5))
def test_lists_are_split_at_the_commas_that_separate(parts: list[tuple[str, bool]]) -> None:
    written = [quote(text) if quoted else f"<{text.replace('>', '').replace('<', '')}>" for text, quoted in parts]
    assert split_list(", ".join(written)) == written
    assert [
        unquote(text) for text, (_, quoted) in zip(split_list(",".join(written)), parts, strict=True) if quoted
    ] == [text for text, quoted in parts if quoted]


MANY = 16000
SLOW = {
    "blanks": " " * MANY,
    "folds": "\r\n " * (MANY // 3),
    "blanks before a fold": " " * MANY + "\r\n b",
    "quotes": '"' * MANY,
    "escapes": "\\" * MANY,
    "brackets": "<" * MANY,
    "commas": "," * MANY,
    "semicolons": ";a" * (MANY // 2),
    "tokens": "a" * MANY,
    "digits": "1" * MANY,
    "hyphens": "tel:" + "-" * MANY + "!",
    "numbers": "tel:+" + "1-" * (MANY // 2) + "!",
    "users": "sip:" + "a:" * (MANY // 2),
    "ports": "sip:a" + ";b=c" * (MANY // 4) + "@",
    "percent": "sip:" + "%41" * (MANY // 3),
    "pairs": "Digest " + "a=b " * (MANY // 4),
    "lists": "Digest " + "a=b, " * (MANY // 5),
}


@pytest.mark.parametrize("name", SLOW)
def test_no_value_costs_more_than_its_length(name: str) -> None:
    value = SLOW[name]
    started = time.process_time()
    for prefix in ("X: a", "Subject: ", "m: <sip:a@b>", "Authorization: ", "To: "):
        with contextlib.suppress(ParseError):
            message = parse(INVITE.replace(b"X-Unknown : a", f"{prefix}{value}b".encode()))
            for field, text in message.fields():
                _ = (message.header(field), message.headers(field), split_list(text))
    for read in (NameAddr.parse, Uri.parse, Via.parse, Auth.parse, CSeq.parse):
        for text in (value, value.replace("\r\n", ""), f"a{value}", f"<sip:a@b>{value}", f"SIP/2.0/UDP a{value}"):
            with contextlib.suppress(ParseError):
                read(text)
    assert time.process_time() - started < 2.0
