"""Whether another route is tried after a failure: one table over classes of causes.

The SIP status decides where there is one, else the Q.850 cause. Busy, declined, unallocated and blocked are what the called
side says, so another carrier would only ask it again; congestion, a broken trunk or silence are about the trunk itself.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping

from voipgw.call.events import Released
from voipgw.causes import Cause


class CauseClass(enum.Enum):
    """What a failed attempt means for the attempts after it."""

    BUSY = "busy"
    DECLINED = "declined"
    UNALLOCATED = "unallocated"
    BLOCKED = "blocked"
    NO_ANSWER = "no-answer"  #: it rang, or the far side said that nobody is there (480)
    EVERYWHERE = "everywhere"  #: a 6xx: no other place will do better (RFC 3261 section 21.6)
    CLEARED = "cleared"  #: ended in the normal way
    CONGESTION = "congestion"
    OUT_OF_ORDER = "out-of-order"
    NO_RESPONSE = "no-response"  #: nothing was heard at all
    TRANSPORT = "transport"  #: it could not be sent
    SERVER_FAILURE = "server-failure"  #: a 5xx other than those above
    MEDIA = "media"  #: no codec in common with that trunk
    REFUSED_US = "refused-us"  #: the trunk does not accept our credentials or our request
    REDIRECTED = "redirected"  #: a 3xx, which is not followed


class Action(enum.Enum):
    """What follows a failure."""

    NEXT = "next"  #: the next route is tried
    FINAL = "final"  #: the failure goes back to the calling side


ON_CAUSE: Mapping[CauseClass, Action] = {
    CauseClass.BUSY: Action.FINAL,
    CauseClass.DECLINED: Action.FINAL,
    CauseClass.UNALLOCATED: Action.FINAL,
    CauseClass.BLOCKED: Action.FINAL,
    CauseClass.NO_ANSWER: Action.FINAL,
    CauseClass.EVERYWHERE: Action.FINAL,
    CauseClass.CLEARED: Action.FINAL,
    CauseClass.CONGESTION: Action.NEXT,
    CauseClass.OUT_OF_ORDER: Action.NEXT,
    CauseClass.NO_RESPONSE: Action.NEXT,
    CauseClass.TRANSPORT: Action.NEXT,
    CauseClass.SERVER_FAILURE: Action.NEXT,
    CauseClass.MEDIA: Action.NEXT,
    CauseClass.REFUSED_US: Action.NEXT,
    CauseClass.REDIRECTED: Action.NEXT,
}

_BY_STATUS: dict[int, CauseClass] = {
    **dict.fromkeys((401, 402, 407, 400, 405, 406, 413, 414, 416, 417, 420, 421, 422, 423, 481, 491), CauseClass.REFUSED_US),
    **dict.fromkeys((403, 428, 433, 436, 437, 438), CauseClass.BLOCKED),
    **dict.fromkeys((404, 410, 482, 483, 484, 485), CauseClass.UNALLOCATED),
    **dict.fromkeys((415, 488, 493), CauseClass.MEDIA),
    **dict.fromkeys((502, 504), CauseClass.OUT_OF_ORDER),
    408: CauseClass.NO_RESPONSE, 480: CauseClass.NO_ANSWER, 486: CauseClass.BUSY, 487: CauseClass.CLEARED,
    430: CauseClass.OUT_OF_ORDER, 503: CauseClass.CONGESTION,
}  # fmt: skip

_BY_CAUSE: dict[int, CauseClass] = {
    **dict.fromkeys((1, 2, 3, 4, 5, 14, 22, 28, 90, 91), CauseClass.UNALLOCATED),
    **dict.fromkeys((16, 26, 31), CauseClass.CLEARED),
    **dict.fromkeys((18, 19, 20), CauseClass.NO_ANSWER),
    **dict.fromkeys((24, 29, 50, 53, 55, 57, 62, 87), CauseClass.BLOCKED),
    **dict.fromkeys((6, 34, 42, 44, 46, 47, 49, 63), CauseClass.CONGESTION),
    **dict.fromkeys((25, 27, 38, 39, 41), CauseClass.OUT_OF_ORDER),
    **dict.fromkeys((58, 65, 66, 69, 70, 79, 88), CauseClass.MEDIA),
    17: CauseClass.BUSY, 21: CauseClass.DECLINED, 23: CauseClass.REDIRECTED, 102: CauseClass.NO_RESPONSE,
}  # fmt: skip

FailureKey = CauseClass | Cause | int | str


def classify(released: Released, *, rang: bool = False) -> CauseClass:
    """The class of a failed attempt; ``rang`` when the far side was ringing before it failed."""
    status = released.sip_status
    if not released.responded:
        if released.cause is Cause.RECOVERY_ON_TIMER_EXPIRY or status == 408:
            return CauseClass.NO_ANSWER if rang else CauseClass.NO_RESPONSE
        return _BY_CAUSE.get(released.cause, CauseClass.OUT_OF_ORDER) if status != 503 else CauseClass.TRANSPORT
    found = class_of_status(status) if status is not None else _BY_CAUSE.get(released.cause, CauseClass.REFUSED_US)
    return CauseClass.NO_ANSWER if rang and found is CauseClass.NO_RESPONSE else found


def class_of_status(status: int) -> CauseClass:
    """The class of a final SIP ``status``."""
    found = _BY_STATUS.get(status)
    if found is not None:
        return found
    if status < 400:
        return CauseClass.REDIRECTED if status >= 300 else CauseClass.CLEARED
    if status < 500:
        return CauseClass.REFUSED_US
    return CauseClass.SERVER_FAILURE if status < 600 else CauseClass.EVERYWHERE


def action_for(
    released: Released, edited: Mapping[CauseClass | int, Action], *, rang: bool = False
) -> tuple[CauseClass, Action]:
    """The class of a failure and what follows, after a trunk's own edits: by SIP status, then Q.850 cause, then class."""
    found = classify(released, rang=rang)
    if edited:
        for key in (released.sip_status, -int(released.cause), found):
            if key is not None and key in edited:
                return found, edited[key]
    return found, ON_CAUSE[found]


def edit(key: FailureKey, action: Action | str) -> tuple[CauseClass | int, Action]:
    """One edit of a trunk, checked: a class or its name, a ``Cause``, or a SIP status; Q.850 causes are kept negative.

    Raises:
        ValueError: the key or the action means nothing; the message says what would be right.
    """
    try:
        wanted = action if isinstance(action, Action) else Action(action)
    except ValueError:
        raise ValueError(f"found {action!r}; right would be 'next' or 'final'") from None
    if isinstance(key, CauseClass):
        return key, wanted
    if isinstance(key, Cause):
        return -int(key), wanted
    if isinstance(key, int) and not isinstance(key, bool) and 300 <= key <= 699:
        return key, wanted
    if isinstance(key, str) and key in {known.value for known in CauseClass}:
        return CauseClass(key), wanted
    classes = " ".join(known.value for known in CauseClass)
    raise ValueError(f"found {key!r}; right would be a SIP status from 300 to 699, a Cause, or one of: {classes}")


def failure_named(text: str) -> tuple[Released, bool]:
    """The failure that ``text`` names for a what-if: ``503``, ``17``, ``USER_BUSY``, ``busy`` or ``no-response``; and if it rang.

    Raises:
        ValueError: the text names none; the message says what would be right.
    """
    plain = text.strip()
    if plain.isascii() and plain.isdigit():
        value = int(plain)
        if 300 <= value <= 699:
            return Released.from_status(value), False
        if value in {int(known) for known in Cause}:
            return Released(Cause(value)), False
    word = plain.lower().replace("_", "-")
    if word in _WHAT_IF:
        return _WHAT_IF[word]
    for known in Cause:
        if known.name.lower().replace("_", "-") == word:
            return Released(known), False
    classes = " ".join(_WHAT_IF)
    raise ValueError(
        f"found the failure {text!r}; right would be a SIP status, a Q.850 cause by number or name, or one of: {classes}"
    )


_WHAT_IF: dict[str, tuple[Released, bool]] = {
    "busy": (Released.from_status(486), False),
    "declined": (Released(Cause.CALL_REJECTED), False),
    "unallocated": (Released.from_status(404), False),
    "blocked": (Released.from_status(403), False),
    "no-answer": (Released(Cause.NO_ANSWER, responded=True), True),
    "everywhere": (Released.from_status(603), False),
    "congestion": (Released.from_status(503), False),
    "out-of-order": (Released(Cause.DESTINATION_OUT_OF_ORDER), False),
    "no-response": (Released(Cause.RECOVERY_ON_TIMER_EXPIRY, 408, responded=False), False),
    "transport": (Released(Cause.NETWORK_OUT_OF_ORDER, 503, responded=False), False),
    "server-failure": (Released.from_status(500), False),
    "media": (Released.from_status(488), False),
    "refused-us": (Released.from_status(407), False),
    "redirected": (Released.from_status(302), False),
}
