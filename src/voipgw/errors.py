"""Every exception class of voipgw. Each carries the SIP status and the Q.850 cause that answer it on any leg."""

from __future__ import annotations

from typing import ClassVar

from voipgw.causes import Cause


class VoipGwError(Exception):
    """Root of all that voipgw raises on purpose."""

    sip_status: ClassVar[int] = 500  #: how a SIP leg is answered
    q850_cause: ClassVar[Cause] = Cause.TEMPORARY_FAILURE  #: how an ISDN or analog leg is cleared


class ParseError(VoipGwError):
    """Octets or text from outside break their format; the message says which rule, ``at`` the offset where known."""

    sip_status: ClassVar[int] = 400
    q850_cause: ClassVar[Cause] = Cause.INVALID_MESSAGE

    def __init__(self, message: str, *, at: int | None = None, status: int | None = None) -> None:
        super().__init__(message if at is None else f"{message} (at octet {at})")
        self.at = at  #: offset in octets, or None
        self.status = (
            status if status is not None else self.sip_status
        )  #: SIP status that RFC 3261 gives this very fault


class RemoteProtocolError(VoipGwError):
    """The peer sent something well formed that its state does not allow."""

    sip_status: ClassVar[int] = 400
    q850_cause: ClassVar[Cause] = Cause.MESSAGE_NOT_COMPATIBLE_WITH_STATE


class LocalProtocolError(VoipGwError):
    """Our own caller asked a machine for something that its state does not allow."""

    sip_status: ClassVar[int] = 500
    q850_cause: ClassVar[Cause] = Cause.PROTOCOL_ERROR


class NegotiationError(VoipGwError):
    """Two sides have no codec, no transport or no security in common (RFC 3264)."""

    sip_status: ClassVar[int] = 488
    q850_cause: ClassVar[Cause] = Cause.BEARER_NOT_IMPLEMENTED


class AuthenticationError(VoipGwError):
    """Credentials are missing, wrong, stale or replayed."""

    sip_status: ClassVar[int] = 403
    q850_cause: ClassVar[Cause] = Cause.CALL_REJECTED


class ReplayError(AuthenticationError):
    """A packet that is authentic and has been before, or is too old to tell."""


class TransactionTimeout(VoipGwError):
    """No answer came in time (timers B, F and H of RFC 3261)."""

    sip_status: ClassVar[int] = 408
    q850_cause: ClassVar[Cause] = Cause.RECOVERY_ON_TIMER_EXPIRY


class TransportError(VoipGwError):
    """The network refused or broke: a port in use, a connection reset, a name without an address."""

    sip_status: ClassVar[int] = 503
    q850_cause: ClassVar[Cause] = Cause.NETWORK_OUT_OF_ORDER


class DriverError(VoipGwError):
    """A line card, span or its driver failed or was asked for what it does not have."""

    sip_status: ClassVar[int] = 503
    q850_cause: ClassVar[Cause] = Cause.REQUESTED_CIRCUIT_NOT_AVAILABLE


class UserUnavailable(VoipGwError):
    """A user of ours is registered nowhere now, or cannot be reached where it was."""

    sip_status: ClassVar[int] = 480
    q850_cause: ClassVar[Cause] = Cause.SUBSCRIBER_ABSENT


class UnknownUser(VoipGwError):
    """There is no user of that name."""

    sip_status: ClassVar[int] = 404
    q850_cause: ClassVar[Cause] = Cause.UNALLOCATED_NUMBER


class CallFailed(VoipGwError):
    """A call that this gateway placed by itself did not come about; the message says which party, and why."""

    sip_status: ClassVar[int] = 480
    q850_cause: ClassVar[Cause] = Cause.NORMAL_UNSPECIFIED


class ResourceError(VoipGwError):
    """A pool, port range, ring or disk that has a stated bound is full."""

    sip_status: ClassVar[int] = 503
    q850_cause: ClassVar[Cause] = Cause.RESOURCE_UNAVAILABLE


class ConfigurationError(VoipGwError):
    """Something the user wrote is wrong; the message names option, file and line, what was found and what would be right."""

    sip_status: ClassVar[int] = 500
    q850_cause: ClassVar[Cause] = Cause.TEMPORARY_FAILURE


class ExpectationFailed(VoipGwError):
    """Something that a script or a test waited for did not come; the message says what came instead."""
