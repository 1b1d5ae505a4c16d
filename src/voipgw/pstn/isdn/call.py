"""Call control of ITU-T Q.931 section 5 for one call reference, user and network side, as a machine.

States carry the numbers of section 2.1, which the two sides share: the state of a call that the user placed runs 1, 2, 3, 4
on both, that of a call to the user 6, 25, 9, 7, 8. In QSIG (ISO/IEC 11572) each end is in the user's place: the one that
placed the call runs 1 to 4, the other 6 to 8.

Whoever places or takes a call gives commands (``setup``, ``proceeding``, ``alerting``, ``connect``, ``disconnect`` ...), received
messages and link events, and performs the effects. What no state expects is answered as section 5.8 says.
"""

from __future__ import annotations

from voipgw.causes import Cause
from voipgw.pstn.isdn.call_core import CallCore
from voipgw.pstn.isdn.call_effects import CallEffect, Clearing, Received, SendMessage
from voipgw.pstn.isdn.call_tables import CLEARING_STATES, INFORMATIVE, cause_value, rank_of
from voipgw.pstn.isdn.elements import CallStateInfo, ProgressIndicator
from voipgw.pstn.isdn.q931 import CallReference, Message, faults
from voipgw.pstn.isdn.q931_tables import CallState, MessageType

S = CallState
M = MessageType


class IsdnCall(CallCore):
    """One call reference."""

    # -- messages

    def receive(self, message: Message, now: float) -> list[CallEffect]:
        """A message with this call's reference."""
        if self._ended:
            return []
        found = faults(message)
        if found and found[0].mandatory:
            return self._unusable(message, found[0].cause, found[0].identifier, now)
        handler = _HANDLERS.get(message.kind)
        if handler is None:
            known = message.kind in _KNOWN
            cause = Cause.WRONG_CALL_STATE if known else Cause.MESSAGE_TYPE_NOT_IMPLEMENTED
            return [self._status_message(cause, bytes((message.kind,)))]
        effects = handler(self, message, now)
        if found and self.profile.status_on_faults and not self._ended and message.kind != M.STATUS:
            effects.append(self._status_message(Cause.INVALID_ELEMENT_CONTENTS, bytes((found[0].identifier,))))
        return effects

    # -- the message handlers

    def _on_setup(self, message: Message, now: float) -> list[CallEffect]:
        if self.outgoing or self.state is not S.NULL:
            return []  # SETUP again for a reference in use is ignored (section 5.8.3.2)
        self.state = self.path[0]
        return [Received(message)]

    def _on_setup_acknowledge(self, message: Message, now: float) -> list[CallEffect]:
        if not self.outgoing or self.state is not self.path[0]:
            return self._unexpected(message)
        effects = self._first_response(message)
        self.state = self.path[1]
        self._start("T304", self._t304(), now)
        return [*effects, Received(message)]

    def _on_proceeding(self, message: Message, now: float) -> list[CallEffect]:
        if not self.outgoing or self.state not in self.path[:2]:
            return self._unexpected(message)
        effects = self._first_response(message)
        self.state = self.path[2]
        if not _inband(message):
            self._start("T310", self.timers.t310_s if self.user_like else self.timers.t310_network_s, now)
        return [*effects, Received(message)]

    def _on_alerting(self, message: Message, now: float) -> list[CallEffect]:
        if not self.outgoing or self.state not in self.path[:3]:
            return self._unexpected(message)
        effects = self._first_response(message)
        self._stop("T310")
        self.state = self.path[3]
        self._start("T301", self.timers.t301_s, now)
        return [*effects, Received(message)]

    def _on_progress(self, message: Message, now: float) -> list[CallEffect]:
        if not self.outgoing or self.state not in self.path[1:4]:
            return self._unexpected(message)
        if _inband(message):
            for name in ("T304", "T310"):
                self._stop(name)
        return [Received(message)]

    def _on_connect(self, message: Message, now: float) -> list[CallEffect]:
        if not self.outgoing or self.state not in self.path[:4]:
            return self._unexpected(message)
        effects = self._first_response(message)
        self._deadlines.clear()
        self.state = S.ACTIVE
        return [*effects, Received(message), self._create(M.CONNECT_ACKNOWLEDGE, ())]

    def _on_connect_acknowledge(self, message: Message, now: float) -> list[CallEffect]:
        if self.state is S.CONNECT_REQUEST:
            self._stop("T313")
            self.state = S.ACTIVE
            return [Received(message)]
        return [] if self.state is S.ACTIVE else self._unexpected(message)

    def _on_information(self, message: Message, now: float) -> list[CallEffect]:
        if self.state in (S.NULL, self.path[0], S.RELEASE_REQUEST, S.RESUME_REQUEST):
            return self._unexpected(message)
        if not self.outgoing and self.state is self.path[1]:
            self._start("T302", self.timers.t302_s, now)
        return [Received(message)]

    def _on_informative(self, message: Message, now: float) -> list[CallEffect]:
        if self.state not in INFORMATIVE[message.kind]:
            return self._unexpected(message)
        if message.kind in (M.HOLD, M.RETRIEVE) and not self.profile.hold:
            reject = M.HOLD_REJECT if message.kind == M.HOLD else M.RETRIEVE_REJECT
            return self._message(reject, [self._cause_info(Cause.FACILITY_NOT_IMPLEMENTED)])
        return [Received(message)]

    def _on_disconnect(self, message: Message, now: float) -> list[CallEffect]:
        if self.state in (S.NULL, S.RELEASE_REQUEST, self._disconnect_received_state()):
            return [] if self.state is S.RELEASE_REQUEST else self._unexpected(message)
        if self.state is self._disconnected_state():
            return self._send_release(now)  # both cleared at once (section 5.3.5)
        self._note(cause_value(message))
        self._deadlines.clear()
        self.state = self._disconnect_received_state()
        return [Received(message)]

    def _on_release(self, message: Message, now: float) -> list[CallEffect]:
        first = self.state not in CLEARING_STATES
        collision = self.state is S.RELEASE_REQUEST
        self._note(cause_value(message))
        report: list[CallEffect] = [Received(message)] if first else []
        answer: list[CallEffect] = [] if collision else [self._create(M.RELEASE_COMPLETE, ())]
        return [*report, *answer, *self._end()]

    def _on_release_complete(self, message: Message, now: float) -> list[CallEffect]:
        first = self.state not in CLEARING_STATES
        self._note(cause_value(message))
        return [*([Received(message)] if first else []), *self._end()]

    def _on_suspend(self, message: Message, now: float) -> list[CallEffect]:
        if self.state is not S.ACTIVE or self.user_like:
            return self._unexpected(message)
        self.state = S.SUSPEND_REQUEST
        return [Received(message)]

    def _on_suspend_answer(self, message: Message, now: float) -> list[CallEffect]:
        if self.state is not S.SUSPEND_REQUEST or not self.user_like:
            return self._unexpected(message)
        self._stop("T319")
        if message.kind == M.SUSPEND_REJECT:
            self.state = S.ACTIVE
            return [Received(message)]
        self._note(Cause.NORMAL_CALL_CLEARING)
        return [Received(message), *self._end()]

    def _on_resume(self, message: Message, now: float) -> list[CallEffect]:
        if self.outgoing or self.state is not S.NULL or self.user_like:
            return [] if not self.user_like else self._unexpected(message)
        self.state = S.RESUME_REQUEST
        return [Received(message)]

    def _on_resume_answer(self, message: Message, now: float) -> list[CallEffect]:
        if self.state is not S.RESUME_REQUEST or not self.user_like:
            return self._unexpected(message)
        self._stop("T318")
        if message.kind == M.RESUME_ACKNOWLEDGE:
            self.state = S.ACTIVE
            return [*self._channel(message), Received(message)]
        self._note(cause_value(message))
        return [Received(message), *self._end()]

    def _on_status_enquiry(self, message: Message, now: float) -> list[CallEffect]:
        return [self._status_message(Cause.RESPONSE_TO_STATUS_ENQUIRY)]

    def _on_status(self, message: Message, now: float) -> list[CallEffect]:
        """STATUS (section 5.8.11). An answer to an enquiry of ours also mends what was lost with a link reset."""
        asked = self._stop("T322") and cause_value(message) == Cause.RESPONSE_TO_STATUS_ENQUIRY
        info = message.find(CallStateInfo)
        peer = info.state if info is not None else -1
        if peer == S.NULL:
            if asked and self.outgoing and self.state is self.path[0]:
                return []  # SETUP itself was lost: T303 sends it again
            self._note(cause_value(message))
            return [Clearing(Cause.TEMPORARY_FAILURE), *self._end()]
        if self.state in CLEARING_STATES or peer in CLEARING_STATES:
            return []  # our clearing, or the far end's, has its own timers
        mine, theirs = rank_of(self.state, self.path), rank_of(peer, self.path, symmetric=self.profile.symmetric)
        if theirs is None or mine is None:
            if self.state == peer:
                return []
            self._note(Cause.WRONG_CALL_STATE)
            return [Clearing(Cause.WRONG_CALL_STATE), *self._send_release(now)]
        if asked and self.outgoing and self.state is S.ACTIVE and peer == S.CONNECT_REQUEST:
            return [self._create(M.CONNECT_ACKNOWLEDGE, ())]
        return self._mend(mine, theirs, now) if asked else []

    # -- section 5.8

    def _mend(self, mine: int, theirs: int, now: float) -> list[CallEffect]:
        """The far end is ahead or behind: what it said is taken as said, what we said is said again."""
        if self.outgoing and theirs > mine:
            kind = (M.SETUP_ACKNOWLEDGE, M.CALL_PROCEEDING, M.ALERTING, M.CONNECT)[theirs - 1]
            lost = Message.create(kind, CallReference(self.reference.value, True, self.reference.octets))
            return _HANDLERS[kind](self, lost, now)
        if self.outgoing or self._last is None:
            return []
        if self.state is S.CONNECT_REQUEST and theirs >= mine:
            self._stop("T313")
            self.state = S.ACTIVE
            kind = M.CONNECT_ACKNOWLEDGE
            return [Received(Message.create(kind, CallReference(self.reference.value, False, self.reference.octets)))]
        if theirs < mine:
            if self.state is S.CONNECT_REQUEST:
                self._start("T313", self.timers.t313_s, now)
            return [SendMessage(self._last)]
        return []

    def _unexpected(self, message: Message) -> list[CallEffect]:
        """Section 5.8.4: say that the state does not allow it, and change nothing."""
        return [self._status_message(Cause.WRONG_CALL_STATE, bytes((message.kind,)))]

    def _unusable(self, message: Message, cause: Cause, identifier: int, now: float) -> list[CallEffect]:
        """Sections 5.8.6.1 and 5.8.6.2: a message without what it must have."""
        diagnostics = bytes((identifier,))
        if message.kind == M.SETUP and self.state is S.NULL:
            self._note(cause)
            return [self._create(M.RELEASE_COMPLETE, [self._cause_info(cause, diagnostics)]), *self._end()]
        if message.kind == M.DISCONNECT and self.state not in CLEARING_STATES:
            self._note(cause)
            return [Clearing(cause), *self._send_release(now, diagnostics)]
        if message.kind == M.RELEASE:
            first = self.state not in CLEARING_STATES
            self._note(cause)
            answer = self._create(M.RELEASE_COMPLETE, [self._cause_info(cause, diagnostics)])
            return [*([Clearing(cause)] if first else []), answer, *self._end()]
        if message.kind == M.RELEASE_COMPLETE:
            return self._on_release_complete(message, now)
        return [] if message.kind == M.STATUS else [self._status_message(cause, diagnostics)]


def _inband(message: Message) -> bool:
    return any(info.description in (1, 2, ProgressIndicator.INBAND) for info in message.find_all(ProgressIndicator))


_C = IsdnCall
_HANDLERS = {
    M.SETUP: _C._on_setup,
    M.SETUP_ACKNOWLEDGE: _C._on_setup_acknowledge,
    M.CALL_PROCEEDING: _C._on_proceeding,
    M.ALERTING: _C._on_alerting,
    M.PROGRESS: _C._on_progress,
    M.CONNECT: _C._on_connect,
    M.CONNECT_ACKNOWLEDGE: _C._on_connect_acknowledge,
    M.INFORMATION: _C._on_information,
    M.DISCONNECT: _C._on_disconnect,
    M.RELEASE: _C._on_release,
    M.RELEASE_COMPLETE: _C._on_release_complete,
    M.SUSPEND: _C._on_suspend,
    M.SUSPEND_ACKNOWLEDGE: _C._on_suspend_answer,
    M.SUSPEND_REJECT: _C._on_suspend_answer,
    M.RESUME: _C._on_resume,
    M.RESUME_ACKNOWLEDGE: _C._on_resume_answer,
    M.RESUME_REJECT: _C._on_resume_answer,
    M.STATUS: _C._on_status,
    M.STATUS_ENQUIRY: _C._on_status_enquiry,
    **dict.fromkeys(INFORMATIVE, _C._on_informative),
}
_KNOWN = frozenset(M) - {M.ESCAPE}
