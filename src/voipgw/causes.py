"""Q.850 causes and SIP statuses, mapped both ways (ITU-T Q.850 table 1; RFC 3398 sections 7.2.4.1 and 8.2.6.1)."""

from __future__ import annotations

import enum


class Cause(enum.IntEnum):
    """Cause values of ITU-T Q.850 that a gateway sends or understands; the value is the one on the wire."""

    UNALLOCATED_NUMBER = 1
    NO_ROUTE_TO_TRANSIT_NETWORK = 2
    NO_ROUTE_TO_DESTINATION = 3
    SEND_SPECIAL_INFORMATION_TONE = 4
    MISDIALLED_TRUNK_PREFIX = 5
    CHANNEL_UNACCEPTABLE = 6
    CALL_AWARDED = 7
    PREEMPTION = 8
    PREEMPTION_CIRCUIT_RESERVED = 9
    NUMBER_PORTED = 14
    NORMAL_CALL_CLEARING = 16
    USER_BUSY = 17
    NO_USER_RESPONDING = 18
    NO_ANSWER = 19
    SUBSCRIBER_ABSENT = 20
    CALL_REJECTED = 21
    NUMBER_CHANGED = 22
    REDIRECTION_TO_NEW_DESTINATION = 23
    CALL_REJECTED_BY_FEATURE = 24
    EXCHANGE_ROUTING_ERROR = 25
    NON_SELECTED_USER_CLEARING = 26
    DESTINATION_OUT_OF_ORDER = 27
    INVALID_NUMBER_FORMAT = 28
    FACILITY_REJECTED = 29
    RESPONSE_TO_STATUS_ENQUIRY = 30
    NORMAL_UNSPECIFIED = 31
    NO_CIRCUIT_AVAILABLE = 34
    NETWORK_OUT_OF_ORDER = 38
    PERMANENT_CONNECTION_OUT_OF_SERVICE = 39
    PERMANENT_CONNECTION_OPERATIONAL = 40
    TEMPORARY_FAILURE = 41
    SWITCHING_EQUIPMENT_CONGESTION = 42
    ACCESS_INFORMATION_DISCARDED = 43
    REQUESTED_CIRCUIT_NOT_AVAILABLE = 44
    PRECEDENCE_CALL_BLOCKED = 46
    RESOURCE_UNAVAILABLE = 47
    QUALITY_OF_SERVICE_UNAVAILABLE = 49
    FACILITY_NOT_SUBSCRIBED = 50
    OUTGOING_CALLS_BARRED_WITHIN_CUG = 53
    INCOMING_CALLS_BARRED_WITHIN_CUG = 55
    BEARER_NOT_AUTHORIZED = 57
    BEARER_NOT_AVAILABLE = 58
    INCONSISTENT_OUTGOING_INFORMATION = 62
    SERVICE_UNAVAILABLE = 63
    BEARER_NOT_IMPLEMENTED = 65
    CHANNEL_TYPE_NOT_IMPLEMENTED = 66
    FACILITY_NOT_IMPLEMENTED = 69
    ONLY_RESTRICTED_DIGITAL_AVAILABLE = 70
    SERVICE_NOT_IMPLEMENTED = 79
    INVALID_CALL_REFERENCE = 81
    CHANNEL_DOES_NOT_EXIST = 82
    SUSPENDED_CALL_EXISTS = 83
    CALL_IDENTITY_IN_USE = 84
    NO_CALL_SUSPENDED = 85
    CALL_CLEARED = 86
    NOT_MEMBER_OF_CUG = 87
    INCOMPATIBLE_DESTINATION = 88
    NONEXISTENT_CUG = 90
    INVALID_TRANSIT_NETWORK = 91
    INVALID_MESSAGE = 95
    MANDATORY_ELEMENT_MISSING = 96
    MESSAGE_TYPE_NOT_IMPLEMENTED = 97
    MESSAGE_NOT_COMPATIBLE_WITH_STATE = 98
    ELEMENT_NOT_IMPLEMENTED = 99
    INVALID_ELEMENT_CONTENTS = 100
    WRONG_CALL_STATE = 101
    RECOVERY_ON_TIMER_EXPIRY = 102
    PARAMETER_NOT_IMPLEMENTED = 103
    MESSAGE_WITH_UNRECOGNIZED_PARAMETER = 110
    PROTOCOL_ERROR = 111
    INTERWORKING = 127


# RFC 3398 section 7.2.4.1, completed where that table is silent; anything absent is 500 there, 480 for the "normal" class.
_STATUS_OF_CAUSE: dict[int, int] = {
    1: 404, 2: 404, 3: 404, 4: 404, 5: 404, 14: 410, 16: 480, 17: 486, 18: 408, 19: 480, 20: 480, 21: 603, 22: 410, 23: 410,
    24: 403, 25: 502, 26: 404, 27: 502, 28: 484, 29: 501, 31: 480,
    34: 503, 38: 503, 41: 503, 42: 503, 44: 503, 46: 503, 47: 503, 49: 503, 50: 403,
    53: 403, 55: 403, 57: 403, 58: 503, 63: 503, 65: 488, 66: 488, 69: 501, 70: 488, 79: 501,
    87: 403, 88: 503, 90: 404, 91: 404, 95: 400, 102: 504, 111: 500, 127: 500,
}  # fmt: skip

# RFC 3398 section 8.2.6.1, with the statuses later RFCs added beside their nearest kin.
_CAUSE_OF_STATUS: dict[int, int] = {
    400: 41, 401: 21, 402: 21, 403: 21, 404: 1, 405: 63, 406: 79, 407: 21, 408: 102, 410: 22, 413: 127, 414: 127, 415: 79,
    416: 127, 420: 127, 421: 127, 423: 127, 433: 21, 436: 21, 437: 21, 438: 21, 480: 18, 481: 41, 482: 25, 483: 25, 484: 28,
    485: 1, 486: 17, 487: 16, 488: 65, 491: 41, 493: 41, 500: 41, 501: 79, 502: 38, 503: 41, 504: 102, 505: 127, 513: 127,
    580: 49, 600: 17, 603: 21, 604: 1, 606: 65, 607: 21, 608: 21,
}  # fmt: skip

_REASONS: dict[int, str] = {
    100: "Trying", 180: "Ringing", 181: "Call Is Being Forwarded", 182: "Queued", 183: "Session Progress",
    199: "Early Dialog Terminated", 200: "OK", 202: "Accepted", 204: "No Notification", 300: "Multiple Choices",
    301: "Moved Permanently", 302: "Moved Temporarily", 305: "Use Proxy", 380: "Alternative Service", 400: "Bad Request",
    401: "Unauthorized", 402: "Payment Required", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed",
    406: "Not Acceptable", 407: "Proxy Authentication Required", 408: "Request Timeout", 410: "Gone",
    412: "Conditional Request Failed", 413: "Request Entity Too Large", 414: "Request-URI Too Long",
    415: "Unsupported Media Type", 416: "Unsupported URI Scheme", 417: "Unknown Resource-Priority", 420: "Bad Extension",
    421: "Extension Required", 422: "Session Interval Too Small", 423: "Interval Too Brief", 428: "Use Identity Header",
    429: "Provide Referrer Identity", 430: "Flow Failed", 433: "Anonymity Disallowed", 436: "Bad Identity Info",
    437: "Unsupported Credential", 438: "Invalid Identity Header", 439: "First Hop Lacks Outbound Support",
    440: "Max-Breadth Exceeded", 469: "Bad Info Package", 470: "Consent Needed", 480: "Temporarily Unavailable",
    481: "Call/Transaction Does Not Exist", 482: "Loop Detected", 483: "Too Many Hops", 484: "Address Incomplete",
    485: "Ambiguous", 486: "Busy Here", 487: "Request Terminated", 488: "Not Acceptable Here", 489: "Bad Event",
    491: "Request Pending", 493: "Undecipherable", 494: "Security Agreement Required", 500: "Server Internal Error",
    501: "Not Implemented", 502: "Bad Gateway", 503: "Service Unavailable", 504: "Server Time-out",
    505: "Version Not Supported", 513: "Message Too Large", 555: "Push Notification Service Not Supported",
    580: "Precondition Failure", 600: "Busy Everywhere", 603: "Decline", 604: "Does Not Exist Anywhere",
    606: "Not Acceptable", 607: "Unwanted", 608: "Rejected",
}  # fmt: skip


def sip_status_of(cause: int) -> int:
    """The SIP status that tells a caller of the Q.850 ``cause`` (RFC 3398 section 7.2.4.1)."""
    status = _STATUS_OF_CAUSE.get(cause)
    if status is not None:
        return status
    return 480 if cause < 32 else 500


def cause_of(status: int) -> Cause:
    """The Q.850 cause of a final SIP ``status`` (RFC 3398 section 8.2.6.1); 2xx is normal call clearing."""
    value = _CAUSE_OF_STATUS.get(status)
    if value is not None:
        return Cause(value)
    if status < 300:
        return Cause.NORMAL_CALL_CLEARING
    if status < 400:
        return Cause.REDIRECTION_TO_NEW_DESTINATION
    if status < 500:
        return Cause.INTERWORKING
    return Cause.TEMPORARY_FAILURE if status < 600 else Cause.CALL_REJECTED


def reason_phrase(status: int) -> str:
    """The default reason phrase of a SIP ``status`` (RFC 3261 section 21 and the IANA registry); its class's for an unknown one."""
    known = _REASONS.get(status)
    return known if known is not None else _REASONS.get(status // 100 * 100, "Unknown")
