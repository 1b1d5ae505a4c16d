"""Whatever a telephone and a call do to a line, hanging up for good brings it back to idle, and no effect contradicts another."""

from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from voipgw.errors import LocalProtocolError
from voipgw.pstn.effects import Dialled, HungUp, RingAnswered, Seized, SetRing
from voipgw.pstn.fxs import CallerIdSent, FxsConfig, FxsMachine, FxsState, KeyBegan, KeyHeard, LineEffect
from voipgw.pstn.line import Feed, LineEvent, LineEventKind
from voipgw.pstn.ringing import CallerIdMoment, CallerIdTiming

ACTS = [
    "closed", "opened", "trip", "alarm", "repaired", "key", "digit", "hash", "sent", "ring", "stop", "ringback", "through",
    "answered", "cleared", "sit", "late",
]  # fmt: skip
KINDS = {
    "closed": LineEventKind.LOOP_CLOSED,
    "opened": LineEventKind.LOOP_OPENED,
    "trip": LineEventKind.RING_TRIP,
    "alarm": LineEventKind.ALARM,
    "repaired": LineEventKind.ALARM_CLEARED,
}
CONFIGS = [
    FxsConfig(),
    FxsConfig(park_feed=Feed.OPEN, answer_reversal=True, howler_s=0.0),
    FxsConfig(
        caller_id=CallerIdTiming(CallerIdMoment.BEFORE_RING, reversal=True, ring_pulse_s=0.2), disconnect_open_s=0.0
    ),
]


def perform(machine: FxsMachine, act: str, now: float) -> list[LineEffect]:
    if act in KINDS:
        return machine.receive(LineEvent(KINDS[act], now), now)
    if act in ("key", "digit", "hash", "sent"):
        item = {"key": KeyBegan(), "digit": KeyHeard("5"), "hash": KeyHeard("#"), "sent": CallerIdSent()}[act]
        return machine.receive(item, now)
    if act == "ring":
        try:
            return machine.ring(now)
        except LocalProtocolError:
            assert not machine.idle
            return []
    commands = {
        "stop": machine.stop_ringing,
        "ringback": machine.ringback,
        "through": machine.cut_through,
        "answered": machine.answered,
        "cleared": machine.cleared,
    }
    if act == "sit":
        return machine.cleared(now, sit=True)
    return commands[act](now) if act in commands else []


@settings(max_examples=300, deadline=None)
@given(
    config=st.sampled_from(CONFIGS),
    script=st.lists(
        st.tuples(st.sampled_from(ACTS), st.sampled_from([0.0, 0.003, 0.06, 0.3, 0.7, 2.0, 25.0])), max_size=60
    ),
)
def test_a_line_survives_any_telephone(config: FxsConfig, script: list[tuple[str, float]]) -> None:
    machine = FxsMachine(config)
    now, ringing, in_use = 0.0, False, False
    effects = machine.start(now)

    def check() -> None:
        nonlocal ringing, in_use
        for effect in effects:
            if isinstance(effect, SetRing):
                assert effect.on is not ringing
                ringing = effect.on
            elif isinstance(effect, Seized | RingAnswered):
                assert not in_use
                in_use = True
            elif isinstance(effect, Dialled):
                assert in_use and effect.digits
            elif isinstance(effect, HungUp):
                in_use = False
        assert not (ringing and machine.state is not FxsState.RINGING)
        assert machine.next_deadline() >= now or machine.next_deadline() == math.inf

    for act, pause in script:
        now += pause
        if act != "late":
            effects = machine.handle_deadline(now)
            check()
        effects = perform(machine, act, now) if act != "late" else []
        effects += machine.handle_deadline(now)
        check()
    for act in ("repaired", "opened", "stop"):
        effects = [*machine.handle_deadline(now), *perform(machine, act, now)]
        now += 0.01
        effects += machine.handle_deadline(now)
        check()
    now += 400.0
    effects = machine.handle_deadline(now)
    check()
    assert machine.idle and not ringing and not in_use
    assert machine.next_deadline() == math.inf
