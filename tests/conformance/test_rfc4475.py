"""The 49 torture messages of RFC 4475, each with the outcome that its section gives.

``Accepted`` messages are parsed, read field by field, written back octet for octet and answered with a readable response.
``Refused`` ones raise ParseError with the status of the answer, ``Discarded`` are responses, which nobody answers.
``Objected`` ones are well formed, and ``check`` names the status. Where the RFC leaves a choice, the comment says ours.
"""

from __future__ import annotations

import os
from pathlib import Path

import attrs
import pytest

from voipgw.errors import ParseError
from voipgw.sip import Capabilities, Framer, Rejection, Request, Response, StreamError, check, parse, refusal

VECTORS = Path(os.environ.get("VOIPGW_VECTORS", Path(__file__).parents[2] / ".." / "shared" / "vectors"))
MESSAGES = VECTORS / "sip" / "rfc4475"

pytestmark = pytest.mark.skipif(not MESSAGES.is_dir(), reason=f"the messages of RFC 4475 are not in {MESSAGES}")

EVERYTHING = Capabilities(
    methods=frozenset({"INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "REGISTER", "MESSAGE"}),
    content_types=frozenset({"application/sdp", "multipart/mixed"}),
)


@attrs.frozen
class Accepted:
    """Sections 3.1.1, and those of 3.2 to 3.4 that any element can process."""

    forwarding: int | None = None  # status when the request would have to be forwarded


@attrs.frozen
class Refused:
    status: int


@attrs.frozen
class Discarded:
    pass


@attrs.frozen
class Objected:
    status: int
    fields: tuple[tuple[str, str], ...] = ()


OUTCOMES: dict[str, Accepted | Refused | Discarded | Objected] = {
    # 3.1.1 valid
    "wsinv": Accepted(),
    "intmeth": Objected(501),  # well formed; the method is unknown
    "esc01": Accepted(),
    "escnull": Accepted(),
    "esc02": Objected(501),  # "%" in a method is no escape: not REGISTER
    "lwsdisp": Accepted(),
    "longreq": Accepted(),
    "dblreq": Accepted(),
    "semiuri": Accepted(),
    "transports": Accepted(),
    "mpart01": Accepted(),
    "unreason": Accepted(),
    "noreason": Accepted(),
    # 3.1.2 invalid
    "badinv01": Refused(400),
    "clerr": Refused(400),
    "ncl": Refused(400),
    "scalar02": Refused(400),
    "scalarlg": Discarded(),
    "quotbal": Refused(400),
    "ltgtruri": Refused(400),
    "lwsruri": Refused(400),
    "lwsstart": Refused(400),
    "trws": Refused(400),
    "escruri": Refused(400),
    "baddate": Refused(400),  # could also be ignored where Date is of no use
    "regbadct": Refused(400),
    "badaspec": Refused(400),
    "baddn": Refused(400),  # could also be read as if quoted
    "badvers": Refused(505),
    "mismatch01": Refused(400),
    "mismatch02": Refused(501),  # 400 is acceptable, 501 preferred
    "bigcode": Discarded(),
    # 3.2 transaction layer
    "badbranch": Accepted(),  # matched as RFC 2543 would, instead of 400
    # 3.3 application layer
    "insuf": Refused(400),
    "unkscm": Objected(416),
    "novelsc": Objected(416),
    "unksm2": Accepted(),  # proxies pass it on; a registrar refuses the address of record
    "bext01": Objected(420, (("Unsupported", "nothingSupportsThis, nothingSupportsThisEither"),)),
    "invut": Objected(415, (("Accept", "application/sdp, multipart/mixed"),)),
    "regaut01": Accepted(),  # as if it had no credentials
    "multi01": Refused(400),
    "mcl01": Refused(400),
    "bcast": Accepted(),  # the message is well formed; the second Via is nobody's to follow
    "zeromf": Accepted(forwarding=483),
    "cparam01": Accepted(),
    "cparam02": Accepted(),
    "regescrt": Accepted(),
    "sdp01": Objected(406),
    # 3.4 backward compatibility
    "inv2543": Accepted(),
}


def octets(name: str) -> bytes:
    return (MESSAGES / f"{name}.dat").read_bytes()


def of(kind: type) -> list[str]:
    return [name for name, outcome in OUTCOMES.items() if isinstance(outcome, kind)]


def read_everything(message: Request | Response) -> None:
    """Each accessor; none may raise for a message that was accepted."""
    assert message.from_.uri.scheme
    assert message.to.uri.scheme
    assert message.from_.tag == message.from_tag
    assert message.to.tag == message.to_tag
    assert message.via.branch == message.branch
    assert str(message.cseq) and message.call_id
    assert message.contacts or not message.headers("Contact") or message.contact_wildcard
    assert len(message.routes) == len(message.headers("Route"))
    assert len(message.record_routes) == len(message.headers("Record-Route"))
    assert message.max_forwards is None or 0 <= message.max_forwards <= 255
    for name, _ in message.fields():
        assert message.header(name) is not None
    if isinstance(message, Request):
        assert str(message.uri) == message.uri_text
        assert message.uri.scheme
        assert message.method == message.cseq_method


def test_every_message_of_the_rfc_has_its_outcome() -> None:
    assert sorted(path.stem for path in MESSAGES.glob("*.dat")) == sorted(OUTCOMES)
    assert len(OUTCOMES) == 49


@pytest.mark.parametrize("name", of(Accepted) + of(Objected))
def test_well_formed_messages_are_read_and_written_back(name: str) -> None:
    data = octets(name)
    message = parse(data)
    read_everything(message)
    assert data.startswith(bytes(message))
    assert len(bytes(message)) == len(data) or name == "dblreq"


@pytest.mark.parametrize("name", of(Accepted))
def test_requests_that_can_be_processed_meet_no_objection_and_are_answered(name: str) -> None:
    message = parse(octets(name))
    if isinstance(message, Response):
        return
    outcome = OUTCOMES[name]
    assert isinstance(outcome, Accepted)
    assert check(message, EVERYTHING) is None
    objection = check(message, EVERYTHING, forwarding=True)
    assert (objection.status if objection else None) == outcome.forwarding
    answer = Response.answer(message, 200, to_tag="314159")
    again = parse(bytes(answer))
    assert again.vias == message.vias
    assert (again.call_id, again.cseq, again.from_) == (message.call_id, message.cseq, message.from_)
    assert again.to.uri == message.to.uri
    assert again.to_tag == (message.to_tag or "314159")


@pytest.mark.parametrize("name", of(Objected))
def test_well_formed_requests_meet_the_objection_of_their_section(name: str) -> None:
    request, outcome = parse(octets(name)), OUTCOMES[name]
    assert isinstance(request, Request)
    assert isinstance(outcome, Objected)
    objection = check(request, EVERYTHING)
    assert isinstance(objection, Rejection)
    assert objection.status == outcome.status
    if outcome.fields:
        assert objection.fields == outcome.fields


@pytest.mark.parametrize("name", of(Refused))
def test_malformed_requests_are_refused_and_answered(name: str) -> None:
    data, outcome = octets(name), OUTCOMES[name]
    assert isinstance(outcome, Refused)
    with pytest.raises(ParseError) as caught:
        parse(data)
    assert caught.value.status == outcome.status
    answer = refusal(data, caught.value)
    assert answer is not None
    assert answer.status == outcome.status
    assert answer.header("Via") is not None
    assert answer.header("Via") == data.partition(b"Via:")[2].partition(b"\r\n")[0].strip().decode()
    assert bytes(answer) == bytes(refusal(data, caught.value) or b"")


@pytest.mark.parametrize("name", of(Discarded))
def test_malformed_responses_are_discarded(name: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse(octets(name))
    assert refusal(octets(name), caught.value) is None


@pytest.mark.parametrize("name", [n for n in OUTCOMES if n not in {"clerr", "ncl", "mcl01", "inv2543", "dblreq"}])
def test_the_framer_cuts_each_message_where_the_parser_ends_it(name: str) -> None:
    data = octets(name)
    assert Framer().feed(data) == [data]


@pytest.mark.parametrize("name", ["ncl", "mcl01", "inv2543"])
def test_a_stream_without_one_good_content_length_is_broken(name: str) -> None:
    with pytest.raises(ParseError):
        Framer().feed(octets(name))


def test_a_stream_waits_for_a_body_that_is_not_there() -> None:
    framer = Framer()
    assert framer.feed(octets("clerr")) == []
    assert framer.pending == len(octets("clerr"))


def test_dblreq_is_one_request_in_a_datagram_and_two_in_a_stream() -> None:
    data = octets("dblreq")
    first = parse(data)
    assert isinstance(first, Request)
    assert first.method == "REGISTER"
    assert first.body == b""
    with pytest.raises(StreamError) as caught:  # the second one's body is longer than it says: garbage follows it
        Framer().feed(data)
    frames = caught.value.frames
    assert frames[0] == bytes(first)
    assert len(frames) == 2
    second = parse(frames[1]) if isinstance(frames[1], bytes) else None
    assert isinstance(second, Request)
    assert second.method == "INVITE"
    assert len(second.body) == 150


def test_wsinv_reads_through_folding_blanks_and_compact_forms() -> None:
    request = parse(octets("wsinv"))
    assert isinstance(request, Request)
    assert [(via.transport, via.host, via.branch) for via in request.vias] == [
        ("UDP", "192.0.2.2", "390skdjuw"),
        ("TCP", "spindle.example.com", "z9hG4bK9ikj8"),
        ("UDP", "192.168.255.111", "z9hG4bK30239"),
    ]
    assert request.from_.display_name == 'J Rosenberg \\"'
    assert (request.from_tag, request.to_tag) == ("98asjd8", "1918181833n")
    assert (request.max_forwards, request.cseq_number) == (68, 9)
    assert request.header("Subject") == ""
    assert request.header("NewFangledHeader") == "newfangled value continued newfangled value"
    assert request.header("UnknownHeaderWithUnusualValue") == ";;,,;;,;"
    contact = request.contacts[0]
    assert contact.display_name == 'Quoted string ""'
    assert (contact.param("newparam"), contact.param("secondparam"), contact.param("q")) == ("newvalue", "", "0.33")
    assert request.routes[0].uri.param("unknownwith") == "value"
    assert len(request.body) == 150


def test_escapes_are_resolved_in_uris_and_nowhere_else() -> None:
    esc01 = parse(octets("esc01"))
    assert isinstance(esc01, Request)
    assert esc01.uri.user == "sips:user@example.com"
    assert esc01.to.uri.user == "user"
    assert esc01.contacts[0].uri.params == (("lr", None), ("name", "value%41"))
    esc02 = parse(octets("esc02"))
    assert esc02.cseq_method == "RE%47IST%45R"
    assert esc02.to.display_name == "%Z%45"
    assert len(esc02.contacts) == 2
    assert esc02.header("C%6Fntact") == "<sip:alias2@host2.example.com>"
    escnull = parse(octets("escnull"))
    assert [contact.uri.user for contact in escnull.contacts] == ["\0", "\0\0"]
    assert not escnull.contacts[0].uri.matches(escnull.contacts[1].uri)


def test_intmeth_has_every_character_the_grammar_allows() -> None:
    request = parse(octets("intmeth"))
    assert isinstance(request, Request)
    assert request.method == "!interesting-Method0123456789_*+`.%indeed'~"
    assert request.to.display_name == "BEL:\a NUL:\0 DEL:\x7f"
    assert request.from_.display_name == "token1~` token2'+_ token3*%!.-"
    assert request.from_.param("fromparam''~+*_!.-%") == "работающий"
    assert request.uri.password == "&it+has=1,weird!*pas$wo~d_too.(doesn't-it)"
    assert request.header("extensionHeader-!.%*+_`'~") == "\N{ZERO WIDTH NO-BREAK SPACE}大停電"


def test_a_semicolon_in_the_user_part_is_no_parameter() -> None:
    request = parse(octets("semiuri"))
    assert isinstance(request, Request)
    assert request.uri.user == "user;par=u@example.net"
    assert request.uri.params == ()


def test_unreason_and_noreason_have_the_phrases_of_the_wire() -> None:
    unreason, noreason = parse(octets("unreason")), parse(octets("noreason"))
    assert isinstance(unreason, Response)
    assert isinstance(noreason, Response)
    assert unreason.reason == "= 2**3 * 5**2 но сто девяносто девять - простое"
    assert (noreason.status, noreason.reason) == (100, "")


def test_a_contact_parameter_is_not_a_uri_parameter() -> None:
    bare, bracketed = parse(octets("cparam01")).contacts[0], parse(octets("cparam02")).contacts[0]
    assert (bare.params, bare.uri.params) == ((("unknownparam", None),), ())
    assert (bracketed.params, bracketed.uri.params) == ((), (("unknownparam", None),))


def test_a_binary_multipart_body_survives() -> None:
    message = parse(octets("mpart01"))
    assert message.body == octets("mpart01")[-553:]
    assert message.content_type == "multipart/mixed;boundary=7a9cbec02ceef655"
