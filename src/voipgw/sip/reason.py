"""The Reason header field (RFC 3326): why a dialog or an attempt ended, as a Q.850 cause or a SIP status."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from voipgw.causes import Cause, cause_of
from voipgw.errors import ParseError
from voipgw.sip.headers import is_token, parse_params, quote, split_list, unquote


@attrs.frozen
class Reason:
    """One reason value; ``str(reason)`` is its wire form."""

    protocol: str  #: "Q.850", "SIP" or another protocol of the registry
    cause: int  #: a Q.850 cause or a SIP status
    text: str = ""

    def __str__(self) -> str:
        if not self.text:
            return f"{self.protocol};cause={self.cause}"
        return f"{self.protocol};cause={self.cause};text={quote(self.text)}"

    @classmethod
    def q850(cls, cause: int, text: str = "") -> Reason:
        """The reason that gives a Q.850 ``cause``."""
        return cls("Q.850", cause, text)


def parse_reasons(values: Iterable[str]) -> tuple[Reason, ...]:
    """The reasons of all Reason fields of a message, in order; what has no protocol or no readable cause is left out.

    ``values`` may hold several reasons separated by commas. A foreign Reason is a hint only: nothing is raised.
    """
    found = []
    for value in values:
        for one in split_list(value):
            protocol, semicolon, rest = one.partition(";")
            try:
                named = {name.lower(): content or "" for name, content in parse_params(semicolon + rest)}
            except ParseError:
                continue
            cause = named.get("cause", "")
            if is_token(protocol.strip()) and cause.isascii() and cause.isdigit() and len(cause) <= 3:
                found.append(Reason(protocol.strip(), int(cause), unquote(named.get("text", ""))))
    return tuple(found)


def cause_from(reasons: Iterable[Reason]) -> Cause | None:
    """The Q.850 cause that ``reasons`` give: a Q.850 reason before a SIP one, None when neither is there or known."""
    of_sip: Cause | None = None
    for reason in reasons:
        protocol = reason.protocol.lower()
        if protocol == "q.850":
            try:
                return Cause(reason.cause)
            except ValueError:
                continue
        if protocol == "sip" and 300 <= reason.cause < 700:
            of_sip = cause_of(reason.cause)
    return of_sip
