"""Session timers (RFC 4028): how long a session lasts without a sign of life, and which side gives that sign.

``SessionTimer`` is pure arithmetic over Session-Expires and Min-SE; the session sends the refreshes, by UPDATE where the peer
allows it and else by a re-INVITE, and ends the call when none came.
"""

from __future__ import annotations

import math

import attrs

from voipgw.errors import ConfigurationError
from voipgw.sip.message import Message, Request, Response

LEAST_S = 90  #: no interval is shorter (RFC 4028 section 4)
_Fields = tuple[tuple[str, str], ...]


def _interval(instance: object, attribute: attrs.Attribute[int], value: int) -> None:
    if value and not LEAST_S <= value <= 2**31:
        raise ConfigurationError(f"{attribute.name}: {value} is not a number of seconds from {LEAST_S}, or 0")


@attrs.frozen
class TimerSettings:
    """What we want of session timers.

    Raises:
        ConfigurationError: an interval under 90 s, or a least one over the wanted.
    """

    interval_s: int = attrs.field(
        default=1800, validator=_interval
    )  #: asked for; 0 asks for none, but honours the peer's
    least_s: int = attrs.field(default=LEAST_S, validator=_interval)  #: shorter ones are refused 422

    def __attrs_post_init__(self) -> None:
        if self.least_s < LEAST_S or (self.interval_s and self.least_s > self.interval_s):
            raise ConfigurationError(f"least_s: {self.least_s} is not from {LEAST_S} to interval_s, {self.interval_s}")


def seconds_of(message: Message, name: str) -> int | None:
    """The number of seconds that a Session-Expires or Min-SE says; None where there is none that can be read."""
    value = message.header(name)
    if value is None and name == "Session-Expires":
        value = message.header("x")
    if value is None:
        return None
    digits = value.partition(";")[0].strip()
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 10 else None


def _refresher(message: Message) -> str:
    value = message.header("Session-Expires") or message.header("x") or ""
    for parameter in value.split(";")[1:]:
        name, _, content = parameter.partition("=")
        if name.strip().lower() == "refresher":
            found = content.strip().lower()
            return found if found in ("uac", "uas") else ""
    return ""


def supports(message: Message, tag: str) -> bool:
    """Whether ``message`` names the extension in Supported or Require."""
    return any(tag == one.lower() for name in ("Supported", "Require") for one in message.headers(name))


class SessionTimer:
    """The timer of one session. Mutable, owned by it; ``now`` is monotonic seconds."""

    __slots__ = ("_asked_s", "_least_s", "_settings", "expire_at", "expires_s", "refresh_at", "refreshing")

    def __init__(self, settings: TimerSettings) -> None:
        self._settings = settings
        self._asked_s = settings.interval_s
        self._least_s = settings.least_s
        self.expires_s = 0  #: agreed; 0 while nothing is
        self.refreshing = False  #: the refreshes are ours to send
        self.refresh_at = math.inf
        self.expire_at = math.inf

    def next_deadline(self) -> float:
        """The next refresh or the end, whichever is first."""
        return min(self.refresh_at, self.expire_at)

    def stop(self) -> None:
        """The session is over."""
        self.refresh_at = self.expire_at = math.inf

    # As the one who asks (section 7).

    def request_fields(self) -> _Fields:
        """Session-Expires and Min-SE of an INVITE or UPDATE of ours; none where no timer is wanted and none runs."""
        seconds = self.expires_s or self._asked_s
        if not seconds:
            return ()
        role = ";refresher=" + ("uac" if self.refreshing else "uas") if self.expires_s else ""
        asked: _Fields = (("Session-Expires", f"{max(seconds, self._least_s)}{role}"),)
        return asked if self._least_s == LEAST_S else (*asked, ("Min-SE", str(self._least_s)))

    def raise_to(self, response: Response) -> bool:
        """Take note of a 422; False when it says nothing that would be worth another try (section 7.3)."""
        least = seconds_of(response, "Min-SE")
        if least is None or least <= max(self._least_s, 0) or not (self.expires_s or self._asked_s):
            return False
        self._least_s = least
        self._asked_s = max(self._asked_s, least)
        if self.expires_s:
            self.expires_s = max(self.expires_s, least)
        return True

    def agreed(self, response: Response, now: float) -> None:
        """A 2xx to an INVITE or UPDATE of ours (section 7.2).

        A peer that answers without Session-Expires knows no timers: we refresh for both, and a refresh that gets no
        answer ends the call, but nothing expires by itself.
        """
        seconds = seconds_of(response, "Session-Expires")
        if seconds:
            self._run(max(seconds, LEAST_S), _refresher(response) != "uas", now)
        elif self._asked_s:
            self._run(self._asked_s, True, now)
            self.expire_at = math.inf
        else:
            self.expires_s, self.refreshing = 0, False
            self.stop()

    # As the one who is asked (section 9).

    def too_small(self, request: Request) -> _Fields:
        """Min-SE for the 422 to a request whose interval is too short; () where it is not."""
        seconds = seconds_of(request, "Session-Expires")
        if seconds is None or seconds >= self._settings.least_s or not supports(request, "timer"):
            return ()
        return (("Min-SE", str(self._settings.least_s)),)

    def answer_fields(self, request: Request, now: float) -> _Fields:
        """Session-Expires and Require of our 2xx to an INVITE or UPDATE, and the timer runs from now (section 9, table 2)."""
        asked = seconds_of(request, "Session-Expires")
        theirs = supports(request, "timer")
        if not asked and not self._asked_s:
            self.expires_s, self.refreshing = 0, False
            self.stop()
            return ()
        seconds = asked or self.expires_s or self._asked_s
        if self._settings.interval_s:
            seconds = min(seconds, self._settings.interval_s)
        seconds = max(seconds, seconds_of(request, "Min-SE") or LEAST_S, self._settings.least_s)
        wanted = _refresher(request) or ("uas" if self.expires_s and self.refreshing else "uac")
        ours = wanted == "uas" or not theirs
        self._run(seconds, ours, now)
        fields: _Fields = (("Session-Expires", f"{seconds};refresher={'uas' if ours else 'uac'}"),)
        return fields if ours else (*fields, ("Require", "timer"))

    # While it runs.

    def refresh_sent(self, now: float) -> None:
        """A refresh of ours is out; until its answer none is due."""
        self.refresh_at = math.inf

    def refresh_failed(self, now: float, after_s: float | None = None) -> None:
        """A refresh was declined: it is tried again, at half of what is left at the latest (section 10)."""
        if not self.refreshing or not self.expires_s:
            return
        left_s = self.expire_at - now if self.expire_at < math.inf else self.expires_s
        self.refresh_at = now + (max(1.0, left_s / 2) if after_s is None else after_s)

    def _run(self, seconds: int, ours: bool, now: float) -> None:
        self.expires_s, self.refreshing = seconds, ours
        self.refresh_at = now + seconds / 2 if ours else math.inf
        self.expire_at = now + seconds - min(32.0, seconds / 3)
