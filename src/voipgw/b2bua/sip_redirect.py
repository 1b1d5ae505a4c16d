"""What a 3xx names, and following it (RFC 3261 sections 8.1.3.4 and 21.3) with limits, said in Diversion and History-Info."""

from __future__ import annotations

import attrs

from voipgw.errors import ParseError
from voipgw.sip.headers import NameAddr
from voipgw.sip.message import Message
from voipgw.sip.uri import Uri

MOST = 5  #: places that one attempt is sent on to
_REASONS = {301: "unconditional", 302: "unconditional", 305: "unconditional"}
Fields = tuple[tuple[str, str], ...]


def contacts_of(message: Message | None) -> tuple[NameAddr, ...]:
    """The Contacts of a redirection, best first by their q; those that are no sip or sips URI are left out."""
    if message is None:
        return ()
    try:
        found = [one for one in message.contacts if one.uri.scheme in ("sip", "sips") and one.uri.host]
    except ParseError:
        return ()
    return tuple(sorted(found, key=lambda one: -_q(one)))


def _q(contact: NameAddr) -> float:
    text = next((value for name, value in contact.params if name.lower() == "q"), None) or "1"
    try:
        value = float(text)
    except ValueError:
        return 0.0
    return value if 0.0 <= value <= 1.0 else 0.0


class Onward:
    """Where an attempt has been, and where it may still go. Mutable, owned by its leg."""

    __slots__ = ("_been", "_first", "_hops", "_waiting", "fields", "from_", "max_forwards", "reliable")

    def __init__(self, uri: Uri, from_: str, fields: Fields, max_forwards: int, reliable: bool) -> None:
        self._first = uri
        self._been = [_bare(uri)]
        self._waiting: list[tuple[Uri, int]] = []
        self._hops: list[tuple[str, int]] = []
        self.from_ = from_
        self.fields = fields
        self.max_forwards = max_forwards
        self.reliable = reliable

    def learn(self, message: Message, status: int) -> None:
        """Take the places of a 3xx; they come before those that wait. A place is tried once."""
        named = [(_bare(one.uri), status) for one in contacts_of(message)]
        waiting = {uri for uri, _ in self._waiting}
        self._waiting[:0] = [one for one in named if one[0] not in self._been and one[0] not in waiting]

    def following(self) -> tuple[Uri, Fields] | None:
        """The next place and the fields that say how it came to that; None when there is none, or it has been enough."""
        if not self._waiting or len(self._been) > MOST:
            return None
        uri, status = self._waiting.pop(0)
        before = str(self._been[0])
        self._been.append(uri)
        self._hops.append((str(uri), status))
        history = [f"<{before}>;index=1"]
        for depth, (text, why) in enumerate(self._hops):
            history.append(f"<{text}?Reason=SIP%3Bcause%3D{why}>;index=1{'.1' * (depth + 1)}")
        diversion = f"<{before}>;reason={_REASONS.get(status, 'unknown')};counter={len(self._hops)}"
        return uri, (*self.fields, ("Diversion", diversion), ("History-Info", ", ".join(history)))


def _bare(uri: Uri) -> Uri:
    """Without header fields, which a foreign Contact must not put into our requests, and without a password."""
    return attrs.evolve(uri, headers=(), password=None)
