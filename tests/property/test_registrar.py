"""Whatever REGISTER requests come in whatever order: each is taken as a whole or not at all, and the bounds hold."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from voipgw.entropy import SeededEntropy
from voipgw.errors import LocalProtocolError, ParseError
from voipgw.sip import Request, parse
from voipgw.sip.effects import Arrival
from voipgw.sip.registrar import Registrar, RegistrarSettings
from voipgw.stores.registrations import MemoryRegistrations

ARRIVAL = Arrival(("192.0.2.9", 5060), ("192.0.2.1", 5060), "udp", 1)
NUMBER = st.sampled_from(["", "0", "1", "59", "60", "600", "99999999999", "-1", "x"])
CONTACT = st.one_of(
    st.just("*"),
    st.builds(
        lambda user, expires, q: f"<sip:{user}@h>" + (f";expires={expires}" if expires else "") + (f";q={q}" if q else ""),
        st.sampled_from("abcde"), NUMBER, st.sampled_from(["", "0", "0.5", "1", "1.5", "x"]),
    ),
)  # fmt: skip
STEP = st.tuples(
    st.lists(CONTACT, max_size=4), NUMBER, st.integers(0, 5), st.sampled_from(["c1", "c2"]), st.integers(0, 100)
)


@given(st.lists(STEP, max_size=12))
def test_a_register_is_taken_as_a_whole_or_not_at_all(steps: list[tuple[list[str], str, int, str, int]]) -> None:
    bindings = MemoryRegistrations(most=4)
    registrar = Registrar(bindings, SeededEntropy(1), RegistrarSettings(bindings_per_user=3))
    now = 0.0
    for contacts, expires, cseq, call_id, passed in steps:
        now += passed
        head = [("Via", "SIP/2.0/UDP h;branch=z9hG4bK1"), ("From", "<sip:alice@h>;tag=1"), ("To", "<sip:alice@h>")]
        head += [("Call-ID", call_id), ("CSeq", f"{cseq} REGISTER"), *[("Contact", one) for one in contacts]]
        head += [("Expires", expires)] if expires else []
        try:
            request = parse(bytes(Request.create("REGISTER", "sip:h", head)))
        except (ParseError, LocalProtocolError):
            continue
        assert isinstance(request, Request)
        before = bindings.of("alice", now)
        registered = registrar.receive(request, ARRIVAL, "alice", now)
        after = bindings.of("alice", now)
        assert registered.response.status in (200, 400, 403, 423, 500, 503)
        if registered.response.status != 200:
            assert after == before
            assert registered.changes == ()
        else:
            assert len(registered.response.headers("Contact")) == len(after)
        assert len(after) <= 3
        assert all(now < one.expires_at <= now + 3600 for one in after)
        assert len({one.key for one in after}) == len(after)
        bindings.expired(now)
        assert bindings.count() == len(after)
