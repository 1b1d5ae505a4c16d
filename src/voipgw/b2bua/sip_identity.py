"""Who calls and who is called, in SIP's words: From, P-Asserted-Identity and Privacy (RFC 3261, 3323, 3325), request URIs."""

from __future__ import annotations

import enum

import attrs

from voipgw.call.model import Party
from voipgw.errors import ParseError
from voipgw.sip.headers import NameAddr
from voipgw.sip.message import Message, Request
from voipgw.sip.uri import Uri

ANONYMOUS = '"Anonymous" <sip:anonymous@anonymous.invalid>'
_HIDDEN = frozenset(("id", "user", "header"))  # privacy levels that keep the calling party from being shown


class AssertedIdentity(enum.Enum):
    """How an outgoing INVITE vouches for the calling party beside From (RFC 3325)."""

    NONE = "none"
    ASSERTED = "P-Asserted-Identity"  #: for a trunk within our trust domain: it shows a restricted number too
    PREFERRED = "P-Preferred-Identity"  #: for a trunk where we are a customer; never with a restricted number


def calling_of(request: Request, trusted: bool) -> Party:
    """The calling party of an INVITE.

    P-Asserted-Identity and what Privacy says of it count only from a source that is ``trusted``; otherwise it is From,
    where a caller can only hide itself.
    """
    privacy = request.header("Privacy")
    restricted = privacy is not None and not _HIDDEN.isdisjoint(privacy.lower().replace(" ", "").split(";"))
    shown = request.from_
    if trusted:
        shown = _asserted(request) or shown
    uri = shown.uri
    number = number_of(uri)
    if uri.host.lower() == "anonymous.invalid" or (number.lower() == "anonymous" and uri.scheme != "tel"):
        return Party("", "", True)
    return Party(number, shown.display_name, restricted)


def connected_of(message: Message, trusted: bool) -> Party | None:
    """Who answered, where a trusted peer says so in P-Asserted-Identity."""
    asserted = _asserted(message) if trusted else None
    return None if asserted is None else Party(number_of(asserted.uri), asserted.display_name)


def called_of(request: Request) -> tuple[str, str]:
    """The called number or user and the domain of a request URI; of a tel URI without its visual separators."""
    uri = request.uri
    return number_of(uri), uri.host


def request_uri(target: Uri, called: str) -> Uri:
    """Where ``called`` is to be reached behind ``target``; a target that names a user itself is called as it is."""
    return target if target.user or not called else attrs.evolve(target, user=called)


def to_of(uri: Uri) -> str:
    """To, without tag, of an INVITE to ``uri``: without port and parameters, which have no place there (RFC 3261 table 1)."""
    return f"<{Uri(uri.scheme, uri.user, uri.host) if uri.host else uri}>"


def identity_fields(party: Party, domain: str, asserted: AssertedIdentity) -> tuple[str, tuple[tuple[str, str], ...]]:
    """From, without tag, and the further fields that show ``party`` to a peer, or hide it."""
    known = str(NameAddr(Uri("sip", party.number or "anonymous", domain), party.display_name))
    if party.restricted:
        fields: tuple[tuple[str, str], ...] = (("Privacy", "id"),)
        if asserted is AssertedIdentity.ASSERTED and party.number:
            fields = ((asserted.value, known), *fields)
        return ANONYMOUS, fields
    if not party.number:
        return ANONYMOUS, ()
    return known, () if asserted is AssertedIdentity.NONE else ((asserted.value, known),)


def _asserted(message: Message) -> NameAddr | None:
    for value in message.headers("P-Asserted-Identity"):
        try:
            address = NameAddr.parse(value)
        except ParseError:
            continue  # nothing that a call should fail for
        if address.uri.scheme in ("sip", "sips", "tel"):
            return address
    return None


def number_of(uri: Uri) -> str:
    """The number or user that a URI names; of a tel URI and of a telephone number without visual separators."""
    if uri.scheme == "tel":
        return uri.user.translate(_SEPARATORS)
    user = uri.user.partition(";")[0]  # number parameters such as ;npdi stay out of the number (RFC 4694)
    if uri.param("user") == "phone" or user.startswith("+"):
        return user.translate(_SEPARATORS)
    return user


_SEPARATORS = str.maketrans("", "", "-.() ")
