"""ITU-T Q.931: every message in every state of a circuit call, user and network side, and QSIG; section 5 and 5.8."""

from __future__ import annotations

import pytest

from voipgw.pstn.isdn.call import IsdnCall
from voipgw.pstn.isdn.call_effects import CallEffect, CallEnded, Received, SendMessage
from voipgw.pstn.isdn.carried_elements import CallIdentity, CongestionLevel, Facility, UserUser
from voipgw.pstn.isdn.elements import (
    BearerCapability,
    CallStateInfo,
    CauseInfo,
    ChannelIdentification,
    NotificationIndicator,
    ProgressIndicator,
    RestartIndicator,
)
from voipgw.pstn.isdn.link import Side
from voipgw.pstn.isdn.q931 import CallReference, Message
from voipgw.pstn.isdn.q931_tables import CallState as S
from voipgw.pstn.isdn.q931_tables import MessageType as M
from voipgw.pstn.isdn.switch_tables import SWITCHES

EURO, QSIG = SWITCHES["euroisdn"], SWITCHES["qsig"]
ROLES = {
    "user, own call": (Side.USER, EURO, True), "user, incoming": (Side.USER, EURO, False),
    "network, own call": (Side.NETWORK, EURO, True), "network, incoming": (Side.NETWORK, EURO, False),
    "QSIG, own call": (Side.NETWORK, QSIG, True), "QSIG, incoming": (Side.USER, QSIG, False),
}  # fmt: skip
INFOS = {
    M.SETUP: [BearerCapability()], M.DISCONNECT: [CauseInfo(16)], M.STATUS: [CauseInfo(98), CallStateInfo(0)],
    M.NOTIFY: [NotificationIndicator(0)], M.PROGRESS: [ProgressIndicator(8)], M.FACILITY: [Facility(b"")],
    M.SUSPEND_REJECT: [CauseInfo(29)], M.RESUME_ACKNOWLEDGE: [ChannelIdentification((1,))], M.RESUME_REJECT: [CauseInfo(29)],
    M.HOLD_REJECT: [CauseInfo(29)], M.RETRIEVE_REJECT: [CauseInfo(29)], M.USER_INFORMATION: [UserUser(b"")],
    M.CONGESTION_CONTROL: [CongestionLevel(0), CauseInfo(43)], M.RESTART: [RestartIndicator(7)],
    M.RESTART_ACKNOWLEDGE: [RestartIndicator(7)], M.SUSPEND: [CallIdentity(b"\x01")], M.RESUME: [CallIdentity(b"\x01")],
}  # fmt: skip


def call_in(role: str, state: S) -> IsdnCall:
    """A call of ``role`` brought to ``state`` by the messages and commands that lead there."""
    side, profile, outgoing = ROLES[role]
    call = IsdnCall(side, 5, profile, outgoing=outgoing)
    if state is S.RESUME_REQUEST:
        if outgoing:
            call.resume([], 0.0)
        else:
            receive(call, M.RESUME)
        return call
    if outgoing:
        call.setup([BearerCapability()], 0.0)
        steps = [M.SETUP_ACKNOWLEDGE, M.CALL_PROCEEDING, M.ALERTING, M.CONNECT]
    else:
        receive(call, M.SETUP)
        steps = [call.setup_acknowledge, call.proceeding, call.alerting, call.connect, M.CONNECT_ACKNOWLEDGE]
    later = {S.DISCONNECT_REQUEST, S.DISCONNECT_INDICATION, S.RELEASE_REQUEST, S.SUSPEND_REQUEST}
    goal = S.ACTIVE if state in later else state
    for step in steps:
        if call.state is goal:
            break
        receive(call, step) if isinstance(step, M) else step(0.0)
    if state in later:
        ours = S.DISCONNECT_REQUEST if call.user_like else S.DISCONNECT_INDICATION
        if state is S.SUSPEND_REQUEST:
            call.suspend([], 0.0) if call.user_like else receive(call, M.SUSPEND)
        elif state is ours:
            call.disconnect(16, 0.0)
        else:
            receive(call, M.DISCONNECT)
            if state is S.RELEASE_REQUEST:
                call.disconnect(16, 0.0)
    assert call.state is state, (role, state, call.state)
    return call


def receive(call: IsdnCall, kind: int, *infos: object) -> list[CallEffect]:
    reference = CallReference(5, call.outgoing)
    return call.receive(Message.create(kind, reference, infos or INFOS.get(kind, ())), 1.0)


def states_of(role: str) -> list[S]:
    side, profile, outgoing = ROLES[role]
    user_like = side is Side.USER or profile.symmetric
    to_user = user_like != outgoing
    begin = [S.CALL_PRESENT, S.OVERLAP_RECEIVING, S.INCOMING_CALL_PROCEEDING, S.CALL_RECEIVED]
    states = begin if to_user else [S.CALL_INITIATED, S.OVERLAP_SENDING, S.OUTGOING_CALL_PROCEEDING, S.CALL_DELIVERED]
    if not outgoing and user_like:
        states = [*states, S.CONNECT_REQUEST]
    states = [*states, S.ACTIVE, S.DISCONNECT_REQUEST, S.DISCONNECT_INDICATION, S.RELEASE_REQUEST, S.SUSPEND_REQUEST]
    return [*states, S.RESUME_REQUEST] if user_like == outgoing else states


# What happens, in the words of the table below: "=" reported, state kept; a number: reported, that state; "." ignored;
# "CA n" reported and CONNECT ACKNOWLEDGE sent; "REL" RELEASE sent; "RC" reported, RELEASE COMPLETE sent, over; "RC!" the same
# unreported; "OVER" reported and over; "OVER!" over unreported; "S30" STATUS; "S101" STATUS with 101; "S97"
OUT = {  # calls of ours: stage 0 SETUP sent, 1 overlap, 2 proceeding, 3 alerting
    M.SETUP_ACKNOWLEDGE: ("1", "S101", "S101", "S101"), M.CALL_PROCEEDING: ("2", "2", "S101", "S101"),
    M.ALERTING: ("3", "3", "3", "S101"), M.PROGRESS: ("S101", "=", "=", "="), M.CONNECT: ("CA", "CA", "CA", "CA"),
    M.CONNECT_ACKNOWLEDGE: ("S101",) * 4, M.INFORMATION: ("S101", "=", "=", "="),
}  # fmt: skip
IN = {  # calls that came: the same stages, the far end has nothing to say but digits
    M.SETUP_ACKNOWLEDGE: ("S101",) * 4, M.CALL_PROCEEDING: ("S101",) * 4, M.ALERTING: ("S101",) * 4, M.PROGRESS: ("S101",) * 4,
    M.CONNECT: ("S101",) * 4, M.CONNECT_ACKNOWLEDGE: ("S101",) * 4, M.INFORMATION: ("S101", "=", "=", "="),
}  # fmt: skip
SUPPLEMENTARY = (M.USER_INFORMATION, M.CONGESTION_CONTROL, M.HOLD, M.HOLD_ACKNOWLEDGE, M.HOLD_REJECT, M.RETRIEVE,
                 M.RETRIEVE_ACKNOWLEDGE, M.RETRIEVE_REJECT)  # fmt: skip
CLEARING = (S.DISCONNECT_REQUEST, S.DISCONNECT_INDICATION, S.RELEASE_REQUEST)


def expected(role: str, state: S, kind: int) -> str:
    side, profile, outgoing = ROLES[role]
    user_like = side is Side.USER or profile.symmetric
    stage = states_of(role)[:4].index(state) if state in states_of(role)[:4] else None
    ours, theirs = (S.DISCONNECT_REQUEST, S.DISCONNECT_INDICATION)[:: 1 if user_like else -1]
    if kind == M.RELEASE:
        return "OVER!" if state is S.RELEASE_REQUEST else "RC!" if state in CLEARING else "RC"
    if kind == M.RELEASE_COMPLETE:
        return "OVER!" if state in CLEARING else "OVER"
    if kind == M.STATUS_ENQUIRY:
        return "S30"
    if kind == M.STATUS:
        return "OVER!"  # call state 0 (section 5.8.11)
    if kind == M.SETUP:
        return "."
    if kind == M.DISCONNECT:
        if state is S.RELEASE_REQUEST:
            return "."
        return "REL" if state is ours else "S101" if state is theirs else theirs.name
    if kind in SUPPLEMENTARY or kind in (M.NOTIFY, M.FACILITY):
        early = stage == 0
        talking = state is S.ACTIVE or state is S.CONNECT_REQUEST or stage in (1, 2, 3)
        if kind in (M.HOLD, M.RETRIEVE) and not profile.hold and talking:
            return "REJ"
        clearing = state in CLEARING[:2]
        allowed = talking or (kind == M.NOTIFY and clearing) or (kind == M.FACILITY and (clearing or early))
        return "=" if allowed else "S101"
    if kind in (M.SUSPEND_ACKNOWLEDGE, M.SUSPEND_REJECT) and state is S.SUSPEND_REQUEST and user_like:
        return "OVER" if kind == M.SUSPEND_ACKNOWLEDGE else S.ACTIVE.name
    if kind in (M.RESUME_ACKNOWLEDGE, M.RESUME_REJECT) and state is S.RESUME_REQUEST and user_like:
        return S.ACTIVE.name if kind == M.RESUME_ACKNOWLEDGE else "OVER"
    if kind == M.SUSPEND and state is S.ACTIVE and not user_like:
        return S.SUSPEND_REQUEST.name
    if kind == M.RESUME:
        return "S101" if user_like else "."
    if stage is not None and kind in OUT:
        return (OUT if outgoing else IN)[kind][stage]
    if kind == M.CONNECT_ACKNOWLEDGE and state is S.CONNECT_REQUEST:
        return S.ACTIVE.name
    if kind == M.CONNECT_ACKNOWLEDGE and state is S.ACTIVE:
        return "."
    if kind == M.INFORMATION and state not in (S.RELEASE_REQUEST, S.RESUME_REQUEST):
        return "="
    return "S101" if kind in set(M) - {M.ESCAPE} else "S97"


def outcome(role: str, call: IsdnCall, before: S, effects: list[CallEffect]) -> str:
    sent = [effect.message for effect in effects if isinstance(effect, SendMessage)]
    reported = any(isinstance(effect, Received) for effect in effects)
    over = any(isinstance(effect, CallEnded) for effect in effects)
    kinds = [message.kind for message in sent]
    assert call.over == over
    if over:
        return ("RC" if kinds == [M.RELEASE_COMPLETE] else "OVER") + ("" if reported else "!")
    if kinds == [M.CONNECT_ACKNOWLEDGE]:
        assert call.state is S.ACTIVE
        return "CA"
    if kinds == [M.RELEASE]:
        assert call.state is S.RELEASE_REQUEST
        return "REL"
    if kinds == [M.STATUS]:
        assert call.state is before
        assert not reported
        state, cause = sent[0].find(CallStateInfo), sent[0].find(CauseInfo)
        assert state is not None
        assert state.state == before, "STATUS gives the state"
        return f"S{cause.value if cause else '?'}"
    if kinds in ([M.HOLD_REJECT], [M.RETRIEVE_REJECT]):
        return "REJ"
    assert kinds == []
    if not reported:
        assert call.state is before
        return "."
    if call.state is before:
        return "="
    stages = states_of(role)[:4]
    return str(stages.index(call.state)) if call.state in stages else call.state.name


CASES = [(role, state) for role in ROLES for state in states_of(role)]


def test_every_state_of_both_sides_is_there() -> None:
    user = {state for role, state in CASES if role.startswith("user")}
    network = {state for role, state in CASES if role.startswith("network")}
    assert user == set(S) - {S.NULL, S.CALL_ABORT}, "22 belongs to point-to-multipoint"
    assert network == user - {S.CONNECT_REQUEST}, "a network connects at once: N8 is never waited in"


@pytest.mark.parametrize(("role", "state"), CASES, ids=lambda value: getattr(value, "name", value))
def test_every_message_does_what_the_state_says(role: str, state: S) -> None:
    wrong = []
    for kind in [*M, 0x6F]:
        call = call_in(role, state)
        effects = receive(call, kind)
        found, wanted = outcome(role, call, state, effects), expected(role, state, kind)
        if found != wanted:
            wrong.append((getattr(kind, "name", hex(kind)), found, wanted))
    assert wrong == []
