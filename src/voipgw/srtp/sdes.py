"""SRTP keys in session descriptions: the crypto attribute and its offer/answer rules (RFC 4568, 6188, 7714).

One key an attribute, without key identifier, as everyone does it. Keys are written with base64 padding and read with or
without. No message of an exception has any part of a key.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Sequence

import attrs

from voipgw.entropy import Entropy
from voipgw.errors import NegotiationError, ParseError
from voipgw.srtp.keys import PROFILES, KeyPair, MasterKey

#: what is offered, strongest first
OFFERED = ("AEAD_AES_256_GCM", "AES_256_CM_HMAC_SHA1_80", "AEAD_AES_128_GCM", "AES_CM_128_HMAC_SHA1_80")
MAX_ATTRIBUTES = 32  #: crypto attributes of one section that are looked at
_LINE = re.compile(r"(0|[1-9]\d{0,8})[ \t]+([A-Za-z0-9_]+)[ \t]+(\S+)((?:[ \t]+\S+)*)[ \t]*", re.ASCII)
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}", re.ASCII)
_LIFETIME = re.compile(r"(2\^)?(\d{1,20})", re.ASCII)
_WINDOW = re.compile(r"WSH=(\d{1,9})", re.ASCII)
_LONGEST_LIFETIME = 1 << 48  # RFC 3711 section 9.2


@attrs.frozen
class Crypto:
    """One ``a=crypto`` attribute that we can take or give."""

    tag: int
    master: MasterKey
    lifetime: int | None = None  #: packets that its sender may protect with the key; None: as many as the suite allows
    parameters: tuple[str, ...] = ()  #: session parameters that change nothing for us, as they came

    @property
    def suite(self) -> str:
        """The name of the crypto suite."""
        return self.master.profile

    def __str__(self) -> str:
        """The attribute's value, with the key; what is shown to people uses ``masked``."""
        key = base64.b64encode(self.master.key + self.master.salt).decode("ascii")
        return f"{self.tag} {self.suite} inline:{key}"


def parse(value: str) -> Crypto:
    """Read the value of a crypto attribute.

    Raises:
        ParseError: it is not of the form of RFC 4568 section 9, its key has another length than the suite's, or its lifetime
            is none.
        NegotiationError: it is well formed, and asks for what we do not do: another suite or key method, several keys,
            a key identifier, a mandatory session parameter (section 6.3).
    """
    match = _LINE.fullmatch(value)
    if match is None:
        raise ParseError("crypto attribute: not a tag, a suite and key parameters")
    tag, suite, keys, rest = int(match[1]), match[2], match[3], tuple(match[4].split())
    if suite not in PROFILES:
        raise NegotiationError(f"crypto attribute {tag}: the suite {suite[:64]} is not ours")
    method, colon, information = keys.partition(":")
    if not colon or method.lower() != "inline":
        raise NegotiationError(f"crypto attribute {tag}: a key method other than inline")
    if ";" in information:
        raise NegotiationError(f"crypto attribute {tag}: several keys")
    written, *limits = information.split("|")
    master = _master(tag, suite, written)
    lifetime = _lifetime(tag, limits)
    for parameter in rest:
        _check_parameter(tag, parameter)
    return Crypto(tag, master, lifetime, rest)


def _master(tag: int, suite: str, written: str) -> MasterKey:
    profile = PROFILES[suite]
    if _BASE64.fullmatch(written) is None:
        raise ParseError(f"crypto attribute {tag}: the key is not base64")
    bare = written.rstrip("=")
    try:
        octets = base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
    except binascii.Error:
        raise ParseError(f"crypto attribute {tag}: the key is not base64") from None
    wanted = profile.key_octets + profile.salt_octets
    if len(octets) != wanted:
        raise ParseError(f"crypto attribute {tag}: key and salt have {len(octets)} octets; {suite} has {wanted}")
    return MasterKey(suite, octets[: profile.key_octets], octets[profile.key_octets :])


def _lifetime(tag: int, limits: list[str]) -> int | None:
    if len(limits) > 2:
        raise ParseError(f"crypto attribute {tag}: more than a lifetime and a key identifier")
    if limits and ":" in limits[-1]:
        raise NegotiationError(f"crypto attribute {tag}: a key identifier")
    if not limits:
        return None
    match = _LIFETIME.fullmatch(limits[0]) if len(limits) == 1 else None
    if match is None:
        raise ParseError(f"crypto attribute {tag}: the lifetime is not a number of packets")
    number = int(match[2])
    lifetime = (1 << number if number <= 64 else 0) if match[1] else number
    if not 0 < lifetime <= _LONGEST_LIFETIME:
        raise ParseError(f"crypto attribute {tag}: the lifetime is not from 1 to 2^48 packets")
    return lifetime


def _check_parameter(tag: int, parameter: str) -> None:
    """Nothing for one that changes nothing for us: a window hint (ours is 128), no re-derivation, one marked as optional."""
    window = _WINDOW.fullmatch(parameter)
    if parameter.startswith("-") or parameter.upper() == "KDR=0" or (window is not None and int(window[1]) >= 64):
        return
    raise NegotiationError(f"crypto attribute {tag}: the session parameter {parameter.partition('=')[0][:32]}")


def make_offer(entropy: Entropy, suites: Sequence[str] = OFFERED) -> tuple[Crypto, ...]:
    """One attribute a suite, each with a key of its own (RFC 4568 section 7.1.1)."""
    return tuple(Crypto(tag, MasterKey.draw(suite, entropy)) for tag, suite in enumerate(suites, 1))


def choose(offered: Iterable[str]) -> Crypto | None:
    """The first of the offered attributes' values that we can take, the offerer's order being its preference.

    None where there is none; one whose tag stands twice is not taken (section 4.1).
    """
    values = [value for value, _ in zip(offered, range(MAX_ATTRIBUTES), strict=False)]
    tags = [value.partition(" ")[0] for value in values]
    for value, tag in zip(values, tags, strict=True):
        try:
            found = parse(value)
        except (ParseError, NegotiationError):
            continue
        if tags.count(tag) == 1:
            return found
    return None


def make_answer(offered: Crypto, entropy: Entropy, previous: Crypto | None = None) -> Crypto:
    """Our attribute for the one taken: its tag and suite, a key of ours; that of ``previous`` stays while the suite does."""
    if previous is not None and previous.suite == offered.suite:
        return attrs.evolve(previous, tag=offered.tag)
    return Crypto(offered.tag, MasterKey.draw(offered.suite, entropy))


def take_answer(ours: Sequence[Crypto], answered: Sequence[str]) -> tuple[Crypto, KeyPair]:
    """Which of our offered attributes the peer took, and the keys of both directions (RFC 4568 section 7.1.3).

    Raises:
        NegotiationError: not exactly one attribute, or one with a tag or suite that we did not offer so.
        ParseError: it is malformed.
    """
    if len(answered) != 1:
        raise NegotiationError(f"the answer has {len(answered)} crypto attributes; one is right")
    theirs = parse(answered[0])
    for mine in ours:
        if (mine.tag, mine.suite) == (theirs.tag, theirs.suite):
            return mine, KeyPair(mine.master, theirs.master)
    raise NegotiationError("the answer takes a crypto attribute that was not offered")


_INLINE = re.compile(rb"(inline:)([^|;\s]+)", re.IGNORECASE)


def masked(octets: bytes) -> bytes:
    """A SIP message or description whose keys are crossed out, its length unchanged; for traces and logs."""
    if b"inline:" not in octets.lower():
        return octets
    return _INLINE.sub(lambda match: match[1] + b"x" * len(match[2]), octets)
