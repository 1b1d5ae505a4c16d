"""Digest values and arithmetic: challenges, authorizations and the hashes of RFC 7616 and RFC 8760."""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Mapping

import attrs

from voipgw.errors import ParseError
from voipgw.sip.headers import Auth, quote

_MAX_OCTETS = 4096  # of one challenge or authorization; longer ones are refused unread


class Algorithm(enum.Enum):
    """The digest algorithms of RFC 8760 section 2.1, by their name on the wire, weakest first."""

    MD5 = "MD5"
    MD5_SESS = "MD5-sess"
    SHA_256 = "SHA-256"
    SHA_256_SESS = "SHA-256-sess"
    SHA_512_256 = "SHA-512-256"
    SHA_512_256_SESS = "SHA-512-256-sess"

    @property
    def base(self) -> Algorithm:
        """The algorithm without its session variant: the one that an HA1 is stored under."""
        return _ALGORITHMS[self.value.removesuffix("-sess").lower()]

    @property
    def session(self) -> bool:
        """Whether the nonces enter into A1 (RFC 7616 section 3.4.2)."""
        return self.value.endswith("-sess")

    def hash(self, data: bytes) -> str:
        """``data`` hashed, in lower-case hexadecimal."""
        return hashlib.new(_HASHES[self.base.value], data, usedforsecurity=False).hexdigest()

    @classmethod
    def named(cls, name: str) -> Algorithm | None:
        """The algorithm of that name, whatever its case; None when we do not know it."""
        return _ALGORITHMS.get(name.lower())


_ALGORITHMS = {algorithm.value.lower(): algorithm for algorithm in Algorithm}
_HASHES = {"MD5": "md5", "SHA-256": "sha256", "SHA-512-256": "sha512_256"}


@attrs.frozen
class Challenge:
    """What a server asks for: one WWW-Authenticate or Proxy-Authenticate value; ``str(challenge)`` is its wire form."""

    realm: str
    nonce: str
    algorithm: str = "MD5"  #: as named by the server; ``Algorithm.named`` says whether we know it
    qop: tuple[str, ...] = ()  #: offered, e.g. ("auth", "auth-int"); () is the scheme of RFC 2069
    opaque: str | None = None
    stale: bool = False
    domain: str = ""
    userhash: bool = False

    @classmethod
    def parse(cls, value: str) -> Challenge:
        """Read one header field value.

        Raises:
            ParseError: another scheme than Digest, no realm or no nonce, or broken syntax.
        """
        found = _parameters(value)
        if "realm" not in found or "nonce" not in found:
            raise ParseError("a digest challenge needs realm and nonce")
        qop = tuple(one.strip().lower() for one in found.get("qop", "").split(",") if one.strip())
        return cls(
            realm=found["realm"],
            nonce=found["nonce"],
            algorithm=found.get("algorithm", "MD5"),
            qop=qop,
            opaque=found.get("opaque"),
            stale=found.get("stale", "").lower() == "true",
            domain=found.get("domain", ""),
            userhash=found.get("userhash", "").lower() == "true",
        )

    def __str__(self) -> str:
        parts = [f"realm={quote(self.realm)}", f"nonce={quote(self.nonce)}"]
        if self.domain:
            parts.append(f"domain={quote(self.domain)}")
        if self.opaque is not None:
            parts.append(f"opaque={quote(self.opaque)}")
        if self.stale:
            parts.append("stale=true")
        parts.append(f"algorithm={self.algorithm}")
        if self.qop:
            parts.append(f'qop="{",".join(self.qop)}"')
        return "Digest " + ", ".join(parts)


@attrs.frozen
class Authorization:
    """What a client shows: one Authorization or Proxy-Authorization value; ``str(authorization)`` is its wire form."""

    username: str
    realm: str
    nonce: str
    uri: str
    response: str
    algorithm: str = "MD5"
    cnonce: str = ""
    qop: str = ""  #: "auth", "auth-int", or "" for the scheme of RFC 2069
    nc: int = 0  #: nonce count, 0 without qop
    opaque: str | None = None

    @classmethod
    def parse(cls, value: str) -> Authorization:
        """Read one header field value.

        Raises:
            ParseError: another scheme than Digest, a parameter missing that its qop needs, or broken syntax.
        """
        found = _parameters(value)
        missing = [name for name in ("username", "realm", "nonce", "uri", "response") if name not in found]
        if missing:
            raise ParseError(f"digest credentials without {' and '.join(missing)}")
        qop = found.get("qop", "").lower()
        nc = found.get("nc", "")
        if qop:
            if len(nc) != 8 or any(character not in "0123456789abcdefABCDEF" for character in nc):
                raise ParseError("digest credentials with qop need an nc of eight hexadecimal digits")
            if "cnonce" not in found:
                raise ParseError("digest credentials with qop need a cnonce")
        return cls(
            username=found["username"],
            realm=found["realm"],
            nonce=found["nonce"],
            uri=found["uri"],
            response=found["response"],
            algorithm=found.get("algorithm", "MD5"),
            cnonce=found.get("cnonce", ""),
            qop=qop,
            nc=int(nc, 16) if qop else 0,
            opaque=found.get("opaque"),
        )

    def __str__(self) -> str:
        parts = [
            f"username={quote(self.username)}",
            f"realm={quote(self.realm)}",
            f"nonce={quote(self.nonce)}",
            f"uri={quote(self.uri)}",
            f'response="{self.response}"',
            f"algorithm={self.algorithm}",
        ]
        if self.qop:
            parts += [f"cnonce={quote(self.cnonce)}", f"qop={self.qop}", f"nc={self.nc:08x}"]
        elif self.cnonce:
            parts.append(f"cnonce={quote(self.cnonce)}")
        if self.opaque is not None:
            parts.append(f"opaque={quote(self.opaque)}")
        return "Digest " + ", ".join(parts)


def ha1(algorithm: Algorithm, username: str, realm: str, password: str) -> str:
    """H(username:realm:password) under ``algorithm``'s base, hexadecimal: what a user store may keep instead of a password."""
    return algorithm.base.hash(octets_of(f"{username}:{realm}:{password}"))


def response_of(
    algorithm: Algorithm,
    secret: str,
    method: str,
    uri: str,
    nonce: str,
    *,
    qop: str = "",
    nc: int = 0,
    cnonce: str = "",
    body: bytes = b"",
) -> str:
    """The request digest (RFC 7616 section 3.4.1); ``secret`` is the HA1 of ``ha1``; without qop that of RFC 2069.

    Raises:
        ValueError: a qop that is neither "", "auth" nor "auth-int".
    """
    digest = algorithm.hash
    if algorithm.session:
        secret = digest(octets_of(f"{secret}:{nonce}:{cnonce}"))
    if qop == "auth-int":
        ha2 = digest(octets_of(f"{method}:{uri}:{digest(body)}"))
    elif qop in ("", "auth"):
        ha2 = digest(octets_of(f"{method}:{uri}"))
    else:
        raise ValueError(f"unknown qop {qop!r}")
    if not qop:
        return digest(octets_of(f"{secret}:{nonce}:{ha2}"))
    return digest(octets_of(f"{secret}:{nonce}:{nc:08x}:{cnonce}:{qop}:{ha2}"))


def octets_of(text: str) -> bytes:
    """Text of a message as the octets that it came in: UTF-8, with what was not UTF-8 kept as it was."""
    return text.encode("utf-8", "surrogateescape")


def _parameters(value: str) -> Mapping[str, str]:
    """The parameters of a Digest header value, names in lower case; a repeated one is refused."""
    if len(value) > _MAX_OCTETS:
        raise ParseError(f"a digest header value longer than {_MAX_OCTETS} characters")
    auth = Auth.parse(value)
    if auth.scheme.lower() != "digest":
        raise ParseError(f"authentication scheme {auth.scheme[:20]!r} is not Digest")
    found = {name.lower(): content for name, content in auth.params}
    if len(found) != len(auth.params):
        raise ParseError("a digest parameter given twice")
    return found
