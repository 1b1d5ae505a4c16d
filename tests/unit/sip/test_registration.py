"""The client side of REGISTER, against a registrar that is played by hand and against ours."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest

from voipgw.entropy import SeededEntropy
from voipgw.errors import LocalProtocolError, TransactionTimeout
from voipgw.sip import Request, Response
from voipgw.sip.auth import Credentials, DigestServer
from voipgw.sip.effects import Effect, SendRequest
from voipgw.sip.registration import (
    Registration,
    RegistrationChanged,
    RegistrationSettings,
    RegistrationState,
    RegistrationStatus,
)

OURS = "sip:gw@192.0.2.1:5060"
SETTINGS = RegistrationSettings("sip:gw@carrier.example", OURS, ("sip:one.example", "sip:two.example"), agent="")
KNOWN = Credentials("gw", "", "secret")


class Scene:
    """A registration, what it sends, and what it tells."""

    def __init__(
        self, settings: RegistrationSettings = SETTINGS, credentials: Sequence[Credentials] = (KNOWN,)
    ) -> None:
        self.registration = Registration(settings, credentials, SeededEntropy(7))
        self.now = 0.0
        self.sent: list[Request] = []
        self.told: list[RegistrationStatus] = []

    def take(self, effects: list[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, SendRequest):
                self.sent.append(effect.request)
            else:
                assert isinstance(effect, RegistrationChanged)
                self.told.append(effect.status)

    def start(self) -> Request:
        self.take(self.registration.start(self.now))
        return self.sent[-1]

    def answer(self, status: int, *fields: tuple[str, str], request: Request | None = None) -> None:
        response = Response.answer(request or self.sent[-1], status, to_tag="t", fields=fields)
        self.take(self.registration.receive_response(response, self.now))

    def grant(self, seconds: int = 3600) -> None:
        self.answer(200, ("Contact", f"<{OURS}>;expires={seconds}"))

    def silence(self) -> None:
        self.take(self.registration.request_failed(self.sent[-1], TransactionTimeout("no answer"), self.now))

    def wait(self) -> None:
        """Until its next deadline."""
        self.now = self.registration.next_deadline()
        assert self.now < math.inf
        self.take(self.registration.handle_deadline(self.now))

    @property
    def status(self) -> RegistrationStatus:
        return self.registration.status

    @property
    def state(self) -> RegistrationState:
        return self.registration.status.state


def test_a_register_says_who_where_and_how_long() -> None:
    request = Scene().start()
    assert (request.method, request.uri_text) == ("REGISTER", "sip:one.example")
    assert request.header("To") == "<sip:gw@carrier.example>"
    assert request.header("Contact") == f"<{OURS}>;expires=3600"
    assert request.header("Supported") == "path"


def test_it_is_renewed_in_time_with_the_same_call_id_and_the_next_cseq() -> None:
    scene = Scene()
    first = scene.start()
    scene.grant(600)
    assert scene.state is RegistrationState.REGISTERED
    assert scene.status.until == 600
    for _ in range(5):
        began = scene.now
        scene.wait()
        assert 300 <= scene.now - began <= 560
        again = scene.sent[-1]
        assert (again.call_id, again.cseq_number) == (first.call_id, scene.sent[-2].cseq_number + 1)
        scene.grant(600)
    assert [status.state for status in scene.told] == [RegistrationState.TRYING, RegistrationState.REGISTERED]


@pytest.mark.parametrize("granted", [1, 5, 30, 60, 90, 120, 3600])
def test_a_renewal_leaves_room_for_lost_requests(granted: int) -> None:
    scene = Scene()
    scene.start()
    scene.grant(granted)
    at = scene.registration.next_deadline()
    assert granted * 0.44 < at < granted
    assert granted - at >= min(40.0, granted / 2 - 0.001)


def test_a_challenge_is_answered_once() -> None:
    server = DigestServer(bytes(16), _Users(), SeededEntropy(3))
    scene = Scene()
    request = scene.start()
    scene.answer(401, *server.challenge("carrier", 0.0))
    assert server.verify(scene.sent[-1], "carrier", 0.0).__class__.__name__ == "Verified"
    assert scene.sent[-1].cseq_number == request.cseq_number + 1
    scene.answer(401, *server.challenge("carrier", 0.0))
    assert scene.state is RegistrationState.WAITING
    assert "not accepted" in scene.status.why_not
    assert len(scene.sent) == 2


class _Users:
    def lookup(self, realm: str, username: str) -> Credentials | None:
        return KNOWN if username == "gw" else None


def test_without_credentials_a_challenge_is_the_end_of_a_try() -> None:
    scene = Scene(credentials=())
    scene.start()
    scene.answer(401, ("WWW-Authenticate", 'Digest realm="r", nonce="n"'))
    assert scene.state is RegistrationState.WAITING


def test_423_is_answered_with_what_it_wants() -> None:
    scene = Scene(RegistrationSettings("sip:gw@h", OURS, ("sip:h",), expires_s=60))
    scene.start()
    scene.answer(423, ("Min-Expires", "900"))
    assert scene.sent[-1].header("Expires") == "900"
    scene.grant(900)
    scene.wait()
    assert scene.sent[-1].header("Expires") == "900"


@pytest.mark.parametrize("least", ["30", "60", "", "many", "99999999"])
def test_a_423_that_makes_no_sense_is_a_failure(least: str) -> None:
    scene = Scene(RegistrationSettings("sip:gw@h", OURS, ("sip:h",), expires_s=60))
    scene.start()
    scene.answer(423, ("Min-Expires", least))
    assert scene.state is RegistrationState.WAITING


def test_the_next_registrar_is_tried_at_once_and_kept_while_it_works() -> None:
    scene = Scene()
    scene.start()
    scene.silence()
    assert scene.sent[-1].uri_text == "sip:two.example"
    scene.grant()
    assert scene.status.registrar == "sip:two.example"
    scene.wait()
    assert scene.sent[-1].uri_text == "sip:two.example"
    scene.answer(503)
    assert scene.sent[-1].uri_text == "sip:one.example"
    assert scene.state is RegistrationState.REGISTERED
    scene.grant()
    assert (scene.status.registrar, scene.status.why_not) == ("sip:one.example", "")


def test_a_refusal_is_not_carried_to_the_next_registrar() -> None:
    scene = Scene()
    scene.start()
    scene.answer(403)
    assert len(scene.sent) == 1
    assert (scene.state, scene.status.why_not) == (RegistrationState.WAITING, "403 Forbidden")


def test_the_rounds_come_ever_more_slowly_up_to_half_an_hour() -> None:
    scene = Scene(RegistrationSettings("sip:gw@h", OURS, ("sip:h",)))
    scene.start()
    waits = []
    for _ in range(12):
        scene.silence()
        began = scene.now
        scene.wait()
        waits.append(scene.now - began)
    for number, wait in enumerate(waits):
        most = min(1800.0, 30.0 * 2**number)
        assert most / 2 <= wait <= most
    scene.grant()
    assert scene.state is RegistrationState.REGISTERED
    scene.wait()
    scene.silence()
    assert scene.status.next_try_at - scene.now <= 30


def test_retry_after_is_respected() -> None:
    scene = Scene(RegistrationSettings("sip:gw@h", OURS, ("sip:h",)))
    scene.start()
    scene.answer(503, ("Retry-After", "700 (sorry)"))
    assert scene.registration.next_deadline() == 700


def test_while_the_binding_holds_a_lost_renewal_is_tried_again_and_then_it_is_said_to_be_gone() -> None:
    scene = Scene(RegistrationSettings("sip:gw@h", OURS, ("sip:h",)))
    scene.start()
    scene.grant(600)
    while scene.now < 599:
        scene.wait()
        if scene.now < 600 and scene.registration.status.next_try_at == math.inf:
            scene.now += 1
            scene.silence()
    while scene.state is RegistrationState.REGISTERED:
        scene.wait()
    assert scene.now == 600
    assert scene.told[-1].why_not
    assert len(scene.sent) > 4


@pytest.mark.parametrize(
    "contacts",
    [
        [f"<{OURS}>;expires=120"],
        ["<sip:other@h>;expires=7", f"<{OURS}>;expires=120"],
        ["<sip:gw@203.0.113.1:1024>;expires=120"],  # something on the way has rewritten it
        ["<sip:GW@h>;expires=120"],
    ],
)
def test_our_contact_is_found_among_the_bindings(contacts: list[str]) -> None:
    scene = Scene()
    scene.start()
    scene.answer(200, *[("Contact", value) for value in contacts])
    assert scene.status.until == 120


def test_a_200_without_our_binding_is_a_failure() -> None:
    scene = Scene(RegistrationSettings("sip:gw@h", OURS, ("sip:h",)))
    scene.start()
    scene.answer(200, ("Contact", "<sip:a@h>;expires=9"), ("Contact", "<sip:b@h>;expires=9"))
    assert "not among its bindings" in scene.status.why_not
    scene.wait()
    scene.answer(200, ("Contact", f"<{OURS}>;expires=never"))
    assert scene.state is RegistrationState.WAITING


def test_routes_and_gruus_are_kept() -> None:
    scene = Scene(RegistrationSettings("sip:gw@h", OURS, ("sip:h",), instance="urn:uuid:1", reg_id=1))
    request = scene.start()
    assert request.header("Contact") == f'<{OURS}>;+sip.instance="<urn:uuid:1>";reg-id=1;expires=3600'
    assert request.header("Supported") == "path, gruu, outbound"
    contact = '<sip:elsewhere@h>;+sip.instance="<urn:uuid:1>";reg-id=1;pub-gruu="sip:gw@h;gr=1";temp-gruu="sip:t@h;gr";expires=60'
    scene.answer(
        200, ("Contact", "<sip:other@h>"), ("Contact", contact), ("Service-Route", "<sip:a;lr>, <sip:b;lr>"),
        ("Path", "<sip:p;lr>"), ("P-Associated-URI", "<tel:+4420>"),
    )  # fmt: skip
    status = scene.status
    assert status.service_route == ("<sip:a;lr>", "<sip:b;lr>")
    assert (status.path, status.associated) == (("<sip:p;lr>",), ("<tel:+4420>",))
    assert (status.public_gruu, status.temporary_gruu) == ("sip:gw@h;gr=1", "sip:t@h;gr")


def test_a_domain_is_named_while_the_registrar_is_sent_to() -> None:
    registration = Registration(
        RegistrationSettings("sip:gw@carrier.example", OURS, ("sip:192.0.2.7:5070;transport=tcp",), domain="sip:carrier.example"),
        (), SeededEntropy(1),
    )  # fmt: skip
    (sent,) = [effect for effect in registration.start(0.0) if isinstance(effect, SendRequest)]
    assert sent.request.uri_text == "sip:carrier.example"
    assert sent.destination is not None
    assert (sent.destination.host, sent.destination.port, sent.destination.transport) == ("192.0.2.7", 5070, "tcp")


def test_stop_removes_the_binding_with_credentials_where_asked() -> None:
    scene = Scene()
    scene.start()
    scene.grant()
    scene.take(scene.registration.stop(scene.now))
    assert scene.state is RegistrationState.LEAVING
    assert (scene.sent[-1].header("Expires"), scene.sent[-1].header("Contact")) == ("0", f"<{OURS}>;expires=0")
    scene.answer(401, ("WWW-Authenticate", 'Digest realm="r", nonce="n", qop="auth"'))
    assert scene.sent[-1].header("Authorization") is not None
    scene.answer(200)
    assert scene.state is RegistrationState.ENDED
    assert scene.registration.next_deadline() == math.inf


def test_stop_while_a_request_is_out_waits_for_its_answer() -> None:
    scene = Scene()
    scene.start()
    scene.take(scene.registration.stop(scene.now))
    assert len(scene.sent) == 1
    scene.grant()
    assert scene.sent[-1].header("Expires") == "0"
    scene.answer(200)
    assert scene.state is RegistrationState.ENDED


def test_stop_while_a_renewal_is_challenged_still_removes() -> None:
    scene = Scene()
    scene.start()
    scene.grant(100)
    scene.wait()
    scene.take(scene.registration.stop(scene.now))
    scene.answer(401, ("WWW-Authenticate", 'Digest realm="r", nonce="n"'))
    assert scene.sent[-1].header("Expires") == "0"
    scene.silence()
    assert scene.state is RegistrationState.ENDED


def test_stop_with_nothing_registered_ends_at_once() -> None:
    scene = Scene(RegistrationSettings("sip:gw@h", OURS, ("sip:h",)))
    scene.start()
    scene.silence()
    scene.take(scene.registration.stop(scene.now))
    assert scene.state is RegistrationState.ENDED
    assert scene.registration.stop(scene.now) == []


def test_renew_asks_at_once_and_never_twice() -> None:
    scene = Scene()
    assert scene.registration.renew(0.0) == []
    scene.start()
    scene.grant()
    scene.take(scene.registration.renew(10.0))
    scene.take(scene.registration.renew(11.0))
    assert len(scene.sent) == 2


def test_it_is_started_once() -> None:
    scene = Scene()
    scene.start()
    with pytest.raises(LocalProtocolError):
        scene.registration.start(1.0)


def test_what_comes_late_or_twice_changes_nothing() -> None:
    scene = Scene()
    first = scene.start()
    scene.answer(100)
    scene.grant()
    before = scene.status
    scene.answer(403, request=first)
    scene.take(scene.registration.request_failed(first, TransactionTimeout("late"), 5.0))
    assert scene.status == before
