from __future__ import annotations

import math

import pytest

from voipgw.causes import Cause
from voipgw.errors import LocalProtocolError
from voipgw.pstn.isdn.call import IsdnCall
from voipgw.pstn.isdn.call_effects import (
    CallEffect,
    CallEnded,
    CallTimers,
    ChannelChosen,
    Clearing,
    NumberTimeout,
    Received,
    SendMessage,
)
from voipgw.pstn.isdn.carried_elements import CallIdentity
from voipgw.pstn.isdn.elements import (
    BearerCapability,
    CallStateInfo,
    CauseInfo,
    ChannelIdentification,
    NotificationIndicator,
    ProgressIndicator,
)
from voipgw.pstn.isdn.info import Info
from voipgw.pstn.isdn.link import Side
from voipgw.pstn.isdn.q931 import CallReference, Element, Message
from voipgw.pstn.isdn.q931_tables import CallState as S
from voipgw.pstn.isdn.q931_tables import MessageType as M
from voipgw.pstn.isdn.switch_tables import SWITCHES

T = CallTimers()
EURO = SWITCHES["euroisdn"]


def message(call: IsdnCall, kind: int, *infos: Info | Element) -> Message:
    return Message.create(kind, CallReference(7, call.outgoing), infos)


def receive(call: IsdnCall, kind: int, *infos: Info | Element, now: float = 0.0) -> list[CallEffect]:
    return call.receive(message(call, kind, *infos), now)


def sent(effects: list[CallEffect]) -> list[str]:
    return [effect.message.name for effect in effects if isinstance(effect, SendMessage)]


def causes(effects: list[CallEffect]) -> list[int]:
    found = [effect.message.find(CauseInfo) for effect in effects if isinstance(effect, SendMessage)]
    return [info.value for info in found if info is not None]


def own(side: Side = Side.USER, *kinds: M) -> IsdnCall:
    """A call of ours after SETUP and the answers ``kinds``."""
    call = IsdnCall(side, 7, EURO, outgoing=True)
    call.setup([BearerCapability(), ChannelIdentification((3,))], 0.0)
    for kind in kinds:
        receive(call, kind)
    return call


def incoming(side: Side = Side.USER) -> IsdnCall:
    call = IsdnCall(side, 7, EURO, outgoing=False)
    call.channel = 3
    receive(call, M.SETUP, BearerCapability(), ChannelIdentification((3,)))
    return call


def expire(call: IsdnCall, name: str) -> list[CallEffect]:
    """Let the timer ``name`` run out; it must be the next."""
    assert name in call.running()
    return call.handle_deadline(call.next_deadline())


# -- timers, tables 9-1 and 9-2


@pytest.mark.parametrize("side", list(Side))
def test_t301_gives_up_an_alerting_that_is_never_answered(side: Side) -> None:
    call = own(side, M.CALL_PROCEEDING, M.ALERTING)
    assert call.next_deadline() == T.t301_s
    effects = expire(call, "T301")
    assert effects[0] == Clearing(Cause.NO_ANSWER, "T301")
    assert (sent(effects), causes(effects)) == (["DISCONNECT"], [102])


@pytest.mark.parametrize("side", list(Side))
def test_t302_clears_an_incomplete_number_and_hands_on_a_sufficient_one(side: Side) -> None:
    call = incoming(side)
    call.setup_acknowledge(0.0)
    receive(call, M.INFORMATION, now=10.0)
    assert call.next_deadline() == 10.0 + T.t302_s, "each digit starts it again"
    effects = expire(call, "T302")
    assert effects[0] == Clearing(Cause.INVALID_NUMBER_FORMAT, "T302")
    assert sent(effects) == ["DISCONNECT"]
    call = incoming(side)
    call.setup_acknowledge(0.0)
    call.number_sufficient = True
    assert expire(call, "T302") == [NumberTimeout()]
    assert sent(call.proceeding(20.0)) == ["CALL PROCEEDING"]


@pytest.mark.parametrize("side", list(Side))
def test_t303_sends_setup_again_once_and_then_gives_up(side: Side) -> None:
    call = own(side)
    assert call.next_deadline() == T.t303_s
    assert sent(expire(call, "T303")) == ["SETUP"]
    effects = expire(call, "T303")
    assert effects[0] == Clearing(Cause.NO_USER_RESPONDING, "T303")
    assert sent(effects) == ["RELEASE COMPLETE"]
    assert effects[-1] == CallEnded(Cause.NO_USER_RESPONDING)


@pytest.mark.parametrize(("side", "seconds"), [(Side.USER, T.t304_s), (Side.NETWORK, T.t304_network_s)])
def test_t304_runs_from_the_last_digit_of_ours(side: Side, seconds: float) -> None:
    call = own(side, M.SETUP_ACKNOWLEDGE)
    assert call.next_deadline() == seconds
    call.information([], 5.0)
    assert call.next_deadline() == 5.0 + seconds
    assert sent(expire(call, "T304")) == ["DISCONNECT"]


@pytest.mark.parametrize("side", list(Side))
def test_t305_goes_from_disconnect_to_release_with_the_first_cause(side: Side) -> None:
    call = own(side, M.CONNECT)
    call.disconnect(Cause.USER_BUSY, 0.0)
    assert call.next_deadline() == T.t305_s
    effects = expire(call, "T305")
    assert (sent(effects), causes(effects)) == (["RELEASE"], [17])


def test_t306_lets_a_tone_be_heard_before_the_network_releases() -> None:
    call = incoming(Side.NETWORK)
    call.proceeding(0.0)
    effects = call.disconnect(Cause.UNALLOCATED_NUMBER, 0.0, [ProgressIndicator(8, 2)])
    assert sent(effects) == ["DISCONNECT"]
    assert call.running() == {"T306"}
    assert sent(expire(call, "T306")) == ["RELEASE"]


@pytest.mark.parametrize("side", list(Side))
def test_t308_sends_release_again_once_and_then_ends_uncleanly(side: Side) -> None:
    call = own(side, M.CONNECT)
    receive(call, M.DISCONNECT, CauseInfo(16))
    assert sent(call.disconnect(16, 0.0)) == ["RELEASE"]
    assert sent(expire(call, "T308")) == ["RELEASE"]
    assert expire(call, "T308") == [CallEnded(16, clean=False)]
    assert call.next_deadline() == math.inf


@pytest.mark.parametrize("side", list(Side))
def test_t309_keeps_an_active_call_while_the_link_is_down_and_then_ends_it(side: Side) -> None:
    call = own(side, M.CONNECT)
    assert call.link_down(5.0) == []
    assert call.next_deadline() == 5.0 + T.t309_s
    assert sent(call.link_up(6.0)) == ["STATUS ENQUIRY"]
    assert "T309" not in call.running()
    call = own(side, M.CONNECT)
    call.link_down(5.0)
    effects = expire(call, "T309")
    assert effects == [Clearing(Cause.DESTINATION_OUT_OF_ORDER), CallEnded(Cause.DESTINATION_OUT_OF_ORDER)]


@pytest.mark.parametrize(("side", "seconds"), [(Side.USER, T.t310_s), (Side.NETWORK, T.t310_network_s)])
def test_t310_gives_up_a_call_that_proceeds_and_gets_nowhere(side: Side, seconds: float) -> None:
    call = own(side, M.CALL_PROCEEDING)
    assert call.next_deadline() == seconds
    effects = expire(call, "T310")
    assert effects[0] == Clearing(Cause.NO_USER_RESPONDING, "T310")
    assert causes(effects) == [102]


@pytest.mark.parametrize("description", [1, 2, 8])
def test_t310_does_not_run_where_sound_or_another_network_supervises(description: int) -> None:
    call = own()
    receive(call, M.CALL_PROCEEDING, ProgressIndicator(description))
    assert call.running() == frozenset()
    call = own(Side.USER, M.CALL_PROCEEDING)
    receive(call, M.PROGRESS, ProgressIndicator(description))
    assert call.running() == frozenset()


def test_t313_disconnects_a_user_whose_connect_nobody_acknowledges() -> None:
    call = incoming()
    call.connect(0.0)
    assert call.state is S.CONNECT_REQUEST
    assert call.next_deadline() == T.t313_s
    effects = expire(call, "T313")
    assert (sent(effects), causes(effects)) == (["DISCONNECT"], [102])


def test_t318_releases_a_resume_that_is_not_answered() -> None:
    call = IsdnCall(Side.USER, 7, EURO, outgoing=True)
    assert sent(call.resume([CallIdentity(b"1")], 0.0)) == ["RESUME"]
    assert sent(expire(call, "T318")) == ["RELEASE"]


def test_t319_goes_back_to_the_call_when_suspend_is_not_answered() -> None:
    call = own(Side.USER, M.CONNECT)
    assert sent(call.suspend([CallIdentity(b"1")], 0.0)) == ["SUSPEND"]
    assert expire(call, "T319") == []
    assert call.state is S.ACTIVE


@pytest.mark.parametrize("side", list(Side))
def test_t322_asks_again_and_then_clears(side: Side) -> None:
    call = own(side, M.CONNECT)
    call.enquire(0.0)
    for _ in range(T.n322 - 1):
        assert sent(expire(call, "T322")) == ["STATUS ENQUIRY"]
    effects = expire(call, "T322")
    assert effects[0] == Clearing(Cause.TEMPORARY_FAILURE, "T322")
    assert (sent(effects), causes(effects)) == (["DISCONNECT"], [41])


# -- calls


def test_the_first_answer_names_the_channel_and_later_ones_do_not() -> None:
    call = incoming()
    (first,) = call.proceeding(0.0)
    (second,) = call.alerting(0.0)
    assert isinstance(first, SendMessage)
    assert isinstance(second, SendMessage)
    assert first.message.find(ChannelIdentification) == ChannelIdentification((3,))
    assert second.message.find(ChannelIdentification) is None


def test_the_channel_of_the_first_answer_is_reported() -> None:
    call = own()
    assert receive(call, M.CALL_PROCEEDING, ChannelIdentification((9,)))[0] == ChannelChosen(9, True)
    assert not any(isinstance(e, ChannelChosen) for e in receive(call, M.ALERTING, ChannelIdentification((4,))))


def test_a_user_is_active_when_connect_is_acknowledged_and_a_network_at_once() -> None:
    user, network = incoming(Side.USER), incoming(Side.NETWORK)
    user.connect(0.0)
    network.connect(0.0)
    assert (user.state, network.state) == (S.CONNECT_REQUEST, S.ACTIVE)
    assert sent(receive(own(), M.CONNECT)) == ["CONNECT ACKNOWLEDGE"]


def test_a_call_that_has_had_no_answer_is_refused_with_release_complete() -> None:
    effects = incoming().disconnect(Cause.USER_BUSY, 0.0)
    assert (sent(effects), causes(effects)) == (["RELEASE COMPLETE"], [17])
    assert effects[-1] == CallEnded(Cause.USER_BUSY)


def test_both_disconnect_at_once_and_both_release() -> None:
    call = own(Side.USER, M.CONNECT)
    call.disconnect(16, 0.0)
    assert sent(receive(call, M.DISCONNECT, CauseInfo(31))) == ["RELEASE"]
    assert receive(call, M.RELEASE, CauseInfo(31)) == [CallEnded(16)]


def test_clearing_twice_is_clearing_once() -> None:
    call = own(Side.USER, M.CONNECT)
    call.disconnect(16, 0.0)
    assert call.disconnect(31, 0.0) == []


@pytest.mark.parametrize(
    "command", ["setup_acknowledge", "proceeding", "alerting", "connect"]
)  # fmt: skip
def test_what_a_state_does_not_allow_us_to_say_raises(command: str) -> None:
    with pytest.raises(LocalProtocolError):
        getattr(own(), command)(0.0)
    call = incoming()
    call.connect(0.0)
    with pytest.raises(LocalProtocolError):
        getattr(call, command)(0.0)


def test_messages_that_change_no_state_are_for_their_states_only() -> None:
    call = own(Side.USER, M.CONNECT)
    assert sent(call.send(M.NOTIFY, [NotificationIndicator(0)], 0.0)) == ["NOTIFY"]
    with pytest.raises(LocalProtocolError):
        own().send(M.NOTIFY, [NotificationIndicator(0)], 0.0)
    with pytest.raises(LocalProtocolError):
        call.send(M.SETUP, [], 0.0)


# -- section 5.8


def test_a_setup_without_bearer_capability_is_refused_with_96() -> None:
    call = IsdnCall(Side.USER, 7, EURO, outgoing=False)
    effects = receive(call, M.SETUP)
    assert (sent(effects), causes(effects)) == (["RELEASE COMPLETE"], [96])


def test_a_disconnect_without_a_cause_is_released_with_96() -> None:
    call = own(Side.USER, M.CONNECT)
    effects = receive(call, M.DISCONNECT)
    assert (sent(effects), causes(effects)) == (["RELEASE"], [96])
    assert call.state is S.RELEASE_REQUEST


@pytest.mark.parametrize(("contents", "cause"), [(None, 96), (b"\x82", 100)])
def test_a_progress_that_lacks_what_it_must_have_is_answered_and_not_acted_on(
    contents: bytes | None, cause: int
) -> None:
    call = own(Side.USER, M.CALL_PROCEEDING)
    infos = [] if contents is None else [Element(0x1E, contents)]
    effects = receive(call, M.PROGRESS, *infos)
    assert (sent(effects), causes(effects)) == (["STATUS"], [cause])
    assert call.running() == {"T310"}


def test_an_optional_element_with_bad_contents_is_left_out_and_reported() -> None:
    call = own()
    effects = receive(call, M.CALL_PROCEEDING, Element(0x1E, b"\x82"))
    assert any(isinstance(effect, Received) for effect in effects)
    assert (sent(effects), causes(effects)) == (["STATUS"], [100])
    assert call.state is S.OUTGOING_CALL_PROCEEDING


def test_an_unknown_element_that_must_be_understood_stops_the_message() -> None:
    call = own()
    effects = receive(call, M.CALL_PROCEEDING, Element(0x0D, b"x"))
    assert (sent(effects), causes(effects)) == (["STATUS"], [96])
    assert call.state is S.CALL_INITIATED


def test_a_status_of_another_path_clears_the_call_with_101() -> None:
    call = own(Side.USER, M.CALL_PROCEEDING)
    effects = receive(call, M.STATUS, CauseInfo(98), CallStateInfo(S.CALL_RECEIVED))
    assert effects[0] == Clearing(Cause.WRONG_CALL_STATE)
    assert (sent(effects), causes(effects)) == (["RELEASE"], [101])


def test_a_status_of_a_state_that_fits_changes_nothing() -> None:
    call = own(Side.USER, M.CALL_PROCEEDING)
    assert receive(call, M.STATUS, CauseInfo(98), CallStateInfo(S.CALL_DELIVERED)) == []
    assert call.state is S.OUTGOING_CALL_PROCEEDING


@pytest.mark.parametrize("side", list(Side))
def test_an_answer_to_our_enquiry_stands_for_the_message_that_was_lost(side: Side) -> None:
    call = own(side, M.CALL_PROCEEDING)
    assert sent(call.link_reset(1.0)) == ["STATUS ENQUIRY"]
    effects = receive(call, M.STATUS, CauseInfo(30), CallStateInfo(S.ACTIVE), now=2.0)
    assert call.state is S.ACTIVE
    assert sent(effects) == ["CONNECT ACKNOWLEDGE"]
    assert any(isinstance(effect, Received) and effect.message.kind == M.CONNECT for effect in effects)


def test_what_we_said_is_said_again_when_the_answer_shows_that_it_was_lost() -> None:
    call = incoming()
    call.proceeding(0.0)
    call.connect(0.0)
    assert sent(call.link_reset(1.0)) == ["STATUS ENQUIRY"]
    assert sent(receive(call, M.STATUS, CauseInfo(30), CallStateInfo(S.INCOMING_CALL_PROCEEDING))) == ["CONNECT"]
    call.enquire(2.0)
    receive(call, M.STATUS, CauseInfo(30), CallStateInfo(S.ACTIVE))
    assert call.state is S.ACTIVE


def test_a_lost_setup_is_left_to_t303() -> None:
    call = own()
    call.link_reset(1.0)
    assert receive(call, M.STATUS, CauseInfo(30), CallStateInfo(0)) == []
    assert sent(expire(call, "T303")) == ["SETUP"]


def test_overlap_calls_do_not_survive_a_link_reset() -> None:
    call = own(Side.USER, M.SETUP_ACKNOWLEDGE)
    effects = call.link_reset(1.0)
    assert (sent(effects), causes(effects)) == (["DISCONNECT"], [41])
    call = own(Side.USER, M.SETUP_ACKNOWLEDGE)
    assert call.link_down(1.0)[-1] == CallEnded(41)


def test_suspend_and_resume_of_the_network_are_its_owners_choice() -> None:
    call = own(Side.NETWORK, M.CONNECT)
    receive(call, M.SUSPEND, CallIdentity(b"1"))
    assert sent(call.answer_suspend(Cause.FACILITY_REJECTED)) == ["SUSPEND REJECT"]
    assert call.state is S.ACTIVE
    receive(call, M.SUSPEND, CallIdentity(b"1"))
    assert sent(call.answer_suspend(None)) == ["SUSPEND ACKNOWLEDGE"]
    assert call.over
    back = IsdnCall(Side.NETWORK, 7, EURO, outgoing=False)
    receive(back, M.RESUME, CallIdentity(b"1"))
    assert sent(back.answer_resume(None, [ChannelIdentification((3,))])) == ["RESUME ACKNOWLEDGE"]
    assert back.state is S.ACTIVE
