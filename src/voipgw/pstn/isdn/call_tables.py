"""States of a call by side and direction, and where messages that change no state are expected (ITU-T Q.931 section 5)."""

from __future__ import annotations

from voipgw.causes import Cause
from voipgw.pstn.isdn.elements import CauseInfo
from voipgw.pstn.isdn.link import Side
from voipgw.pstn.isdn.q931 import Message
from voipgw.pstn.isdn.q931_tables import CallState as S
from voipgw.pstn.isdn.q931_tables import MessageType as M

_USERS = (S.CALL_INITIATED, S.OVERLAP_SENDING, S.OUTGOING_CALL_PROCEEDING, S.CALL_DELIVERED)
_TO_USER = (S.CALL_PRESENT, S.OVERLAP_RECEIVING, S.INCOMING_CALL_PROCEEDING, S.CALL_RECEIVED)

#: States of a call of ours: SETUP sent, overlap, proceeding, alerting. In QSIG each side is as a user here.
OUT_STATES: dict[Side, tuple[S, ...]] = {Side.USER: _USERS, Side.NETWORK: _TO_USER}
#: The same of a call that came to us.
IN_STATES: dict[Side, tuple[S, ...]] = {Side.USER: _TO_USER, Side.NETWORK: _USERS}

#: Clearing has begun.
CLEARING_STATES = frozenset({S.DISCONNECT_REQUEST, S.DISCONNECT_INDICATION, S.RELEASE_REQUEST, S.CALL_ABORT})

#: States in which a lost message would leave the call waiting: the far end is asked after a link reset (section 5.8.8).
STATUS_STATES = frozenset({*_USERS, *_TO_USER, S.CONNECT_REQUEST} - {S.OVERLAP_SENDING, S.OVERLAP_RECEIVING})

_CALLS = frozenset({*_USERS[1:], *_TO_USER[1:], S.CONNECT_REQUEST, S.ACTIVE})
_ANY = frozenset({*_USERS, *_TO_USER, S.CONNECT_REQUEST, S.ACTIVE, S.DISCONNECT_REQUEST, S.DISCONNECT_INDICATION})

#: Messages that change no state, and the states that expect them.
INFORMATIVE: dict[int, frozenset[S]] = {
    M.NOTIFY: _CALLS | {S.DISCONNECT_INDICATION, S.DISCONNECT_REQUEST},
    M.FACILITY: _ANY,
    M.USER_INFORMATION: _CALLS,
    M.CONGESTION_CONTROL: _CALLS,
    M.HOLD: _CALLS,
    M.HOLD_ACKNOWLEDGE: _CALLS,
    M.HOLD_REJECT: _CALLS,
    M.RETRIEVE: _CALLS,
    M.RETRIEVE_ACKNOWLEDGE: _CALLS,
    M.RETRIEVE_REJECT: _CALLS,
}


def cause_value(message: Message) -> int:
    """The cause that ``message`` gives; 31 where it gives none."""
    info = message.find(CauseInfo)
    return info.value if info is not None else Cause.NORMAL_UNSPECIFIED


def rank_of(state: int, path: tuple[S, ...], *, symmetric: bool = False) -> int | None:
    """How far ``state`` is on the way from SETUP (0) to active (4); None when it is not on the way of ``path``.

    In QSIG the far end goes the other path.
    """
    if state in (S.ACTIVE, S.CONNECT_REQUEST):
        return 4
    if symmetric:
        path = _TO_USER if path is _USERS else _USERS
    return path.index(S(state)) if state in path else None
