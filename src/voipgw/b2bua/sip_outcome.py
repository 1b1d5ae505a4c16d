"""What the end of a SIP session means for a call, and how the end of a call is told to a SIP peer (RFC 3326, 3398, 6432)."""

from __future__ import annotations

import math

from voipgw.call.events import Released
from voipgw.causes import Cause, cause_of, reason_phrase
from voipgw.errors import NegotiationError, VoipGwError
from voipgw.sip.message import Response
from voipgw.sip.reason import cause_from
from voipgw.sip.session_events import End, SessionEnded


def released(event: SessionEnded, responded: bool) -> Released:
    """What the end of a session means for the call; a Q.850 Reason goes before the status (RFC 6432)."""
    told = cause_from(event.reasons)
    if event.how is End.REFUSED and event.status is not None:
        response = event.message
        text = response.reason if isinstance(response, Response) else reason_phrase(event.status)
        retry = _retry_after(response) if response is not None else None
        cause = told if told is not None else cause_of(event.status)
        return Released(cause, event.status, text, retry_after_s=retry)
    if event.how is End.TIMEOUT:
        return Released(Cause.RECOVERY_ON_TIMER_EXPIRY, 408, "no answer to a request in time", responded)
    if event.how is End.TRANSPORT:
        return Released(Cause.NETWORK_OUT_OF_ORDER, 503, "the peer cannot be reached", responded)
    if event.how is End.LOST:
        return Released(Cause.RECOVERY_ON_TIMER_EXPIRY, 408, "the session was not refreshed in time")
    if event.how is End.GONE:
        return Released(Cause.NORMAL_UNSPECIFIED, 481, "the peer lost the call")
    status = 487 if event.how in (End.CANCELLED, End.EXPIRED) else None
    return Released(told or Cause.NORMAL_CALL_CLEARING, status)


def _retry_after(response: object) -> float | None:
    value = response.header("Retry-After") if isinstance(response, Response) else None
    digits = (value or "").partition(";")[0].partition("(")[0].strip()
    return float(digits) if digits.isascii() and digits.isdigit() and len(digits) < 10 else None


def shown_status(event: Released) -> int:
    """The status that the caller gets. Challenges of another leg mean nothing to it, nor do redirections that are not its own."""
    status = event.status
    if event.contacts and 300 <= status < 400:
        return status
    if status in (401, 407):
        return 403
    return 480 if status < 400 or status > 699 else status


def refusal_fields(event: Released) -> tuple[tuple[str, str], ...]:
    """Retry-After, where the release says when to come again; Contact of a redirection that is passed on."""
    fields: tuple[tuple[str, str], ...] = ()
    if event.retry_after_s is not None:
        fields = (("Retry-After", str(math.ceil(event.retry_after_s))),)
    return (*fields, *[("Contact", contact) for contact in event.contacts])


def warning(error: VoipGwError, host: str) -> tuple[tuple[str, str], ...]:
    """Why a description was not taken (RFC 3261 section 20.43): 305, or 304 where there is no audio at all."""
    if not isinstance(error, NegotiationError):
        return ()
    code = 304 if str(error).startswith("no audio") else 305
    text = str(error).translate(_PLAIN)[:200]
    return (("Warning", f'{code} {host} "{text}"'),)


_PLAIN = dict.fromkeys((*range(32), 34, 92, 127))
