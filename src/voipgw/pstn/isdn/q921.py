"""The data link of a D-channel as a machine: LAPD, multiple frame operation (ITU-T Q.921 section 5 and annex B).

One ``DataLink`` is one point-to-point connection, TEI fixed as on every primary rate access (TEI 0). It is given the octets
of frames, data to be sent and the time, and returns effects. States carry the numbers of annex B; 1 to 3 belong to TEI
assignment and do not occur here. Layer 2 repairs losses; what it could not repair it says with ``LinkReset``.
"""

from __future__ import annotations

import math
from collections import deque

from voipgw.errors import LocalProtocolError, ParseError
from voipgw.pstn.isdn.frames import Address, Frame, FrameError, FrameKind, parse
from voipgw.pstn.isdn.link import (
    DataReceived,
    LinkDown,
    LinkEffect,
    LinkFault,
    LinkReset,
    LinkState,
    LinkTiming,
    LinkUp,
    SendFrame,
    Side,
    UnitDataReceived,
)

MODULUS = 128


class DataLink:
    """One data link connection endpoint."""

    def __init__(self, side: Side, timing: LinkTiming | None = None, *, sapi: int = 0, tei: int = 0) -> None:
        self.side = side
        self.state = LinkState.TEI_ASSIGNED
        self.timing = timing if timing is not None else LinkTiming()
        network = side is Side.NETWORK
        self._command = Address(sapi, tei, network)
        self._response = Address(sapi, tei, not network)
        self._vs = self._va = self._vr = 0
        self._sent: deque[bytes] = deque()  # V(A) .. V(S)-1, oldest first
        self._queue: deque[bytes] = deque()
        self._t200 = self._t203 = math.inf
        self._rc = 0
        self._peer_busy = self._own_busy = self._reject = self._acknowledge = False
        self._layer3_initiated = self._release_pending = False
        self._out: list[LinkEffect] = []

    # -- what its user asks

    @property
    def up(self) -> bool:
        """Whether data can be sent and will be acknowledged."""
        return self.state in _UP

    @property
    def outstanding(self) -> int:
        """Pieces of data that the peer has not acknowledged, sent or not."""
        return len(self._sent) + len(self._queue)

    def establish(self, now: float) -> list[LinkEffect]:
        """DL-ESTABLISH request: bring the link up, or reset one that is up."""
        if self.state is LinkState.AWAITING_RELEASE:
            raise LocalProtocolError("the data link is being released")
        self._discard()
        self._release_pending = False
        if self.state is not LinkState.AWAITING_ESTABLISHMENT:
            self._establish(now)
        self._layer3_initiated = True
        return self._effects()

    def release(self, now: float) -> list[LinkEffect]:
        """DL-RELEASE request: take the link down; what is not acknowledged is dropped."""
        self._discard()
        if self.state is LinkState.TEI_ASSIGNED:
            self._out.append(LinkDown(True))
        elif self.state is LinkState.AWAITING_ESTABLISHMENT:
            self._release_pending = True  # the answer to SABME must not pass for the answer to DISC
        elif self.state in _UP:
            self._disconnect(now)
        return self._effects()

    def send(self, information: bytes, now: float) -> list[LinkEffect]:
        """DL-DATA request. A link that is down is established first.

        Raises:
            LocalProtocolError: longer than N201, or the link is being released.
        """
        if len(information) > self.timing.n201_octets:
            raise LocalProtocolError(f"{len(information)} octets do not fit an I frame of {self.timing.n201_octets}")
        if self.state is LinkState.AWAITING_RELEASE or self._release_pending:
            raise LocalProtocolError("the data link is being released")
        if self.state is LinkState.TEI_ASSIGNED:
            self._establish(now)
            self._layer3_initiated = True
        self._queue.append(information)
        self._transmit(now)
        return self._effects()

    def send_unit(self, information: bytes) -> list[LinkEffect]:
        """DL-UNIT DATA request: one UI frame, never acknowledged."""
        return [SendFrame(bytes(Frame(FrameKind.UI, self._command, information=information)))]

    def set_busy(self, busy: bool, now: float) -> list[LinkEffect]:
        """Our own receiver cannot take data, or can again (section 5.6.5)."""
        if self.up and busy is not self._own_busy:
            self._own_busy = busy
            self._supervise(FrameKind.RNR if busy else FrameKind.RR, command=False, poll_final=False)
        return self._effects()

    # -- what arrives

    def receive(self, octets: bytes, now: float) -> list[LinkEffect]:
        """A frame from the D-channel; one that is invalid or for another connection is ignored."""
        try:
            frame = parse(octets, self.timing.n201_octets)
        except FrameError as error:
            if self._is_ours(error.address) and self.up:
                self._fault(error.fault.value)
                self._reestablish(now)
            return self._effects()
        except ParseError:
            return []
        if not self._is_ours(frame.address):
            if frame.address.tei == 127 and frame.kind is FrameKind.UI and frame.address.sapi == self._command.sapi:
                self._out.append(UnitDataReceived(frame.information))
            return self._effects()
        command = frame.address.cr is not self._command.cr
        _HANDLERS[frame.kind](self, frame, command, now)
        self._transmit(now)
        if self._acknowledge and self.up:
            self._supervise(FrameKind.RR, command=False, poll_final=False)
        return self._effects()

    def next_deadline(self) -> float:
        """When ``handle_deadline`` wants to be called; ``math.inf`` for never."""
        return min(self._t200, self._t203)

    def handle_deadline(self, now: float) -> list[LinkEffect]:
        """T200 and T203, when due."""
        if self._t200 <= now:
            self._t200 = math.inf
            self._t200_expired(now)
        elif self._t203 <= now:
            self._t203 = math.inf
            self._rc = 0
            self._enquire(now)
            self.state = LinkState.TIMER_RECOVERY
        return self._effects()

    # -- unnumbered frames

    def _sabme(self, frame: Frame, command: bool, now: float) -> None:
        if not command:
            return
        if self.state is LinkState.AWAITING_RELEASE:
            self._unnumbered(FrameKind.DM, command=False, poll_final=frame.poll_final)
            return
        self._unnumbered(FrameKind.UA, command=False, poll_final=frame.poll_final)
        if self.state is LinkState.AWAITING_ESTABLISHMENT:
            return
        if self.state is LinkState.TEI_ASSIGNED:
            self._out.append(LinkUp(False))
        else:
            self._fault("F")
            if self._vs != self._va:
                self._discard()
                self._out.append(LinkReset())
        self._enter_established(now)

    def _disc(self, frame: Frame, command: bool, now: float) -> None:
        if not command:
            return
        if self.state in (LinkState.TEI_ASSIGNED, LinkState.AWAITING_ESTABLISHMENT):
            self._unnumbered(FrameKind.DM, command=False, poll_final=frame.poll_final)
            return
        self._unnumbered(FrameKind.UA, command=False, poll_final=frame.poll_final)
        if self.up:
            self._enter_released(False)

    def _ua(self, frame: Frame, command: bool, now: float) -> None:
        if command:
            return
        if self.state is LinkState.AWAITING_ESTABLISHMENT and frame.poll_final:
            self._established_as_asked(now)
        elif self.state is LinkState.AWAITING_RELEASE and frame.poll_final:
            self._enter_released(True)
        else:
            self._fault("C" if frame.poll_final else "D")

    def _established_as_asked(self, now: float) -> None:
        if self._release_pending:
            self._disconnect(now)
            return
        if self._layer3_initiated:
            self._out.append(LinkUp(True))
        elif self._vs != self._va:
            self._discard()
            self._out.append(LinkReset())
        self._enter_established(now)

    def _dm(self, frame: Frame, command: bool, now: float) -> None:
        if command:
            return
        state = self.state
        if state is LinkState.TEI_ASSIGNED:
            if not frame.poll_final:  # the peer asks us to establish (section 5.5.1.1)
                self._establish(now)
                self._layer3_initiated = True
        elif state is LinkState.AWAITING_ESTABLISHMENT:
            if frame.poll_final:
                self._enter_released(self._release_pending)
        elif state is LinkState.AWAITING_RELEASE:
            if frame.poll_final:
                self._enter_released(True)
        else:
            self._fault("B" if frame.poll_final else "E")
            if state is LinkState.TIMER_RECOVERY or not frame.poll_final:
                self._reestablish(now)

    def _frmr(self, frame: Frame, command: bool, now: float) -> None:
        if self.up and not command:
            self._fault("K")
            self._reestablish(now)

    def _ui(self, frame: Frame, command: bool, now: float) -> None:
        if command:
            self._out.append(UnitDataReceived(frame.information))

    def _xid(self, frame: Frame, command: bool, now: float) -> None:
        """Parameter negotiation is not offered: an XID command is answered without information (appendix IV)."""
        if command:
            self._unnumbered(FrameKind.XID, command=False, poll_final=frame.poll_final)

    # -- numbered frames

    def _i(self, frame: Frame, command: bool, now: float) -> None:
        if not command or not self.up:
            return
        poll = frame.poll_final
        if self._own_busy:
            if poll:
                self._supervise(FrameKind.RNR, command=False, poll_final=True)
        elif frame.ns == self._vr:
            self._vr = (self._vr + 1) % MODULUS
            self._reject = False
            self._out.append(DataReceived(frame.information))
            if poll:
                self._supervise(FrameKind.RR, command=False, poll_final=True)
            else:
                self._acknowledge = True
        elif self._reject:
            if poll:
                self._supervise(FrameKind.RR, command=False, poll_final=True)
        else:
            self._reject = True
            self._supervise(FrameKind.REJ, command=False, poll_final=poll)
        self._acknowledged(frame.nr, now, restart=not self._peer_busy)

    def _rr(self, frame: Frame, command: bool, now: float) -> None:
        if self.up:
            self._peer_busy = False
            self._supervisory(frame, command, now)

    def _rnr(self, frame: Frame, command: bool, now: float) -> None:
        if self.up:
            self._peer_busy = True
            self._supervisory(frame, command, now)

    def _supervisory(self, frame: Frame, command: bool, now: float) -> None:
        """RR, REJ and RNR of states 7 and 8."""
        final = not command and frame.poll_final
        recovering = self.state is LinkState.TIMER_RECOVERY
        if command and frame.poll_final:
            self._supervise(FrameKind.RNR if self._own_busy else FrameKind.RR, command=False, poll_final=True)
        elif final and not recovering:
            self._fault("A")
        if not self._acknowledged(frame.nr, now, restart=frame.kind is FrameKind.RR):
            return
        if recovering:
            if not final:
                return
            self._go_back()
            self.state = LinkState.ESTABLISHED
        elif frame.kind is FrameKind.REJ:
            self._go_back()
        if recovering or frame.kind is not FrameKind.RR:
            if frame.kind is FrameKind.RNR:
                self._t203, self._t200 = math.inf, now + self.timing.t200_s
            else:
                self._t200, self._t203 = math.inf, now + self.timing.t203_s

    def _acknowledged(self, nr: int, now: float, *, restart: bool) -> bool:
        """Take N(R) into account; False when it is old, or an error, which resets the link (section 5.8.5)."""
        count = (nr - self._va) % MODULUS
        if count > len(self._sent):
            if self.timing.overtaking and MODULUS - count <= 2 * self.timing.k:
                return False
            self._fault("J")
            self._reestablish(now)
            return False
        for _ in range(count):
            self._sent.popleft()
        self._va = nr
        if restart and self.state is LinkState.ESTABLISHED:
            if not self._sent:
                self._t200, self._t203 = math.inf, now + self.timing.t203_s
            elif count:
                self._t200 = now + self.timing.t200_s
        return True

    # -- timers

    def _t200_expired(self, now: float) -> None:
        if self._rc >= self.timing.n200 and self.state is not LinkState.ESTABLISHED:
            self._gave_up(now)
            return
        if self.state is LinkState.ESTABLISHED:
            self._rc = 0
            self.state = LinkState.TIMER_RECOVERY
        self._rc += 1
        if self.state is LinkState.TIMER_RECOVERY:
            self._enquire(now)
        else:
            kind = FrameKind.DISC if self.state is LinkState.AWAITING_RELEASE else FrameKind.SABME
            self._unnumbered(kind, command=True, poll_final=True)
            self._t200 = now + self.timing.t200_s

    def _gave_up(self, now: float) -> None:
        if self.state is LinkState.TIMER_RECOVERY:
            self._fault("I")
            self._reestablish(now)
        elif self.state is LinkState.AWAITING_RELEASE:
            self._fault("H")
            self._enter_released(True)
        else:
            self._fault("G")
            self._enter_released(self._release_pending)

    # -- procedures that annex B shares between states

    def _is_ours(self, address: Address) -> bool:
        return address.tei == self._command.tei and address.sapi == self._command.sapi

    def _effects(self) -> list[LinkEffect]:
        out, self._out = self._out, []
        return out

    def _fault(self, code: str) -> None:
        self._out.append(LinkFault(code))

    def _discard(self) -> None:
        self._queue.clear()
        self._sent.clear()
        self._va = self._vs

    def _clear_exceptions(self) -> None:
        self._peer_busy = self._own_busy = self._reject = self._acknowledge = False

    def _establish(self, now: float) -> None:
        self._clear_exceptions()
        self._rc = 0
        self._unnumbered(FrameKind.SABME, command=True, poll_final=True)
        self._t200, self._t203 = now + self.timing.t200_s, math.inf
        self.state = LinkState.AWAITING_ESTABLISHMENT

    def _reestablish(self, now: float) -> None:
        self._layer3_initiated = False
        self._establish(now)

    def _disconnect(self, now: float) -> None:
        self._release_pending = False
        self._rc = 0
        self._unnumbered(FrameKind.DISC, command=True, poll_final=True)
        self._t200, self._t203 = now + self.timing.t200_s, math.inf
        self.state = LinkState.AWAITING_RELEASE

    def _enter_established(self, now: float) -> None:
        self._clear_exceptions()
        self._queue.extendleft(reversed(self._sent))  # nothing of ours was lost: it goes again under new numbers
        self._sent.clear()
        self._vs = self._va = self._vr = 0
        self._t200, self._t203 = math.inf, now + self.timing.t203_s
        self.state = LinkState.ESTABLISHED

    def _enter_released(self, asked_for: bool) -> None:
        self._discard()
        self._release_pending = False
        self._t200 = self._t203 = math.inf
        self.state = LinkState.TEI_ASSIGNED
        self._out.append(LinkDown(asked_for))

    def _enquire(self, now: float) -> None:
        self._supervise(FrameKind.RNR if self._own_busy else FrameKind.RR, command=True, poll_final=True)
        self._t200 = now + self.timing.t200_s

    def _go_back(self) -> None:
        """Invoke retransmission: every I frame from N(R) on is sent again."""
        self._queue.extendleft(reversed(self._sent))
        self._sent.clear()
        self._vs = self._va

    def _transmit(self, now: float) -> None:
        while (
            self._queue
            and self.state is LinkState.ESTABLISHED
            and not self._peer_busy
            and len(self._sent) < self.timing.k
        ):
            information = self._queue.popleft()
            self._sent.append(information)
            frame = Frame(FrameKind.I, self._command, False, self._vs, self._vr, information)
            self._out.append(SendFrame(bytes(frame)))
            self._vs = (self._vs + 1) % MODULUS
            self._acknowledge = False
            if self._t200 == math.inf:
                self._t200, self._t203 = now + self.timing.t200_s, math.inf

    def _supervise(self, kind: FrameKind, *, command: bool, poll_final: bool) -> None:
        self._acknowledge = False
        address = self._command if command else self._response
        self._out.append(SendFrame(bytes(Frame(kind, address, poll_final, 0, self._vr))))

    def _unnumbered(self, kind: FrameKind, *, command: bool, poll_final: bool) -> None:
        address = self._command if command else self._response
        self._out.append(SendFrame(bytes(Frame(kind, address, poll_final))))


_UP = (LinkState.ESTABLISHED, LinkState.TIMER_RECOVERY)
_HANDLERS = {
    FrameKind.I: DataLink._i,
    FrameKind.RR: DataLink._rr,
    FrameKind.RNR: DataLink._rnr,
    FrameKind.REJ: DataLink._rr,
    FrameKind.SABME: DataLink._sabme,
    FrameKind.DM: DataLink._dm,
    FrameKind.UI: DataLink._ui,
    FrameKind.DISC: DataLink._disc,
    FrameKind.UA: DataLink._ua,
    FrameKind.FRMR: DataLink._frmr,
    FrameKind.XID: DataLink._xid,
}
