"""Digest authentication, a client that answers and a server that asks and checks (RFC 3261 section 22, RFC 7616, RFC 8760)."""

from __future__ import annotations

import hmac
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Protocol

import attrs

from voipgw.entropy import Entropy
from voipgw.errors import ParseError
from voipgw.sip.digest import Algorithm, Authorization, Challenge, ha1, octets_of, response_of
from voipgw.sip.message import Request, Response

_WINDOW = 64  # nonce counts that may arrive out of order, as UDP reorders requests


@attrs.frozen
class Credentials:
    """A user of a realm: with a password, or with the hash of it, so that no password need be stored."""

    username: str
    realm: str = ""  #: "": any realm may ask, for a client that trusts whoever it is configured to call
    password: str | None = attrs.field(default=None, repr=False)
    ha1: str | None = attrs.field(default=None, repr=False)  #: hexadecimal H(username:realm:password)
    ha1_algorithm: Algorithm = Algorithm.MD5  #: the hash that ``ha1`` was made with

    def secret(self, algorithm: Algorithm, realm: str) -> str | None:
        """The HA1 for ``algorithm`` and ``realm``; None where only the hash of another algorithm is known."""
        if self.ha1 is not None and self.ha1_algorithm is algorithm.base:
            return self.ha1.lower()
        return None if self.password is None else ha1(algorithm, self.username, realm, self.password)


class CredentialLookup(Protocol):
    """Where a server finds its users."""

    def lookup(self, realm: str, username: str) -> Credentials | None:
        """The credentials of a user, None when there is no such user."""
        ...


class DigestClient:
    """Answers the challenges of servers and proxies. One per call or registration; remembers nonces to count their use."""

    __slots__ = ("_credentials", "_entropy", "_nc")

    def __init__(self, credentials: Sequence[Credentials], entropy: Entropy) -> None:
        self._credentials = tuple(credentials)
        self._entropy = entropy
        self._nc: dict[str, int] = {}  # the nonces in use: one a server or proxy

    def answer(self, request: Request, response: Response, seq: int) -> Request | None:
        """``request`` once more, with CSeq number ``seq`` and an answer to each realm that ``response`` (401 or 407) asks for.

        None when nothing can be answered: no credentials for the realm (a realm that is not configured is never answered),
        no algorithm or qop in common, or this realm has refused the very same credentials and not called them stale.
        """
        asked = "WWW-Authenticate" if response.status == 401 else "Proxy-Authenticate"
        shown = "Authorization" if response.status == 401 else "Proxy-Authorization"
        challenges = _best_first(response.headers(asked))
        before = _authorizations(request.headers(shown))
        answers: dict[str, Authorization] = {}
        for challenge in challenges:
            if challenge.realm in answers:
                continue
            old = before.get(challenge.realm)
            if old is not None and (not challenge.stale or old.nonce == challenge.nonce):
                return None
            made = self._authorize(challenge, request)
            if made is not None:
                answers[challenge.realm] = made
        if not answers:
            return None
        kept = [(shown, str(one)) for realm, one in before.items() if realm not in answers]
        fields = kept + [(shown, str(one)) for one in answers.values()]
        return request.with_fields(remove=("CSeq", shown), append=(("CSeq", f"{seq} {request.method}"), *fields))

    def _authorize(self, challenge: Challenge, request: Request) -> Authorization | None:
        algorithm = Algorithm.named(challenge.algorithm)
        if algorithm is None:
            return None
        qop = "auth" if "auth" in challenge.qop else "auth-int" if "auth-int" in challenge.qop else ""
        if challenge.qop and not qop:
            return None
        for credentials in self._credentials:
            if credentials.realm not in ("", challenge.realm):
                continue
            secret = credentials.secret(algorithm, challenge.realm)
            if secret is None:
                continue
            nc = self._count(challenge.nonce) if qop else 0
            cnonce = self._entropy.token() if qop or algorithm.session else ""
            uri = request.uri_text
            digest = response_of(
                algorithm,
                secret,
                request.method,
                uri,
                challenge.nonce,
                qop=qop,
                nc=nc,
                cnonce=cnonce,
                body=request.body,
            )
            return Authorization(
                credentials.username, challenge.realm, challenge.nonce, uri, digest,
                challenge.algorithm, cnonce, qop, nc, challenge.opaque,
            )  # fmt: skip
        return None

    def _count(self, nonce: str) -> int:
        if len(self._nc) >= 8 and nonce not in self._nc:
            self._nc.pop(next(iter(self._nc)))
        self._nc[nonce] = self._nc.get(nonce, 0) + 1
        return self._nc[nonce]


def _best_first(values: Iterable[str]) -> list[Challenge]:
    """The challenges that can be read, strongest algorithm first, otherwise in the server's order (RFC 8760 section 2.4)."""
    found = []
    for value in values:
        try:
            found.append(Challenge.parse(value))
        except ParseError:
            continue  # another scheme, or nonsense: what else was offered may do
    order = list(Algorithm)

    def strength(challenge: Challenge) -> int:
        algorithm = Algorithm.named(challenge.algorithm)
        return -1 if algorithm is None else order.index(algorithm)

    return sorted((one for one in found if strength(one) >= 0), key=strength, reverse=True)


def _authorizations(values: Iterable[str]) -> dict[str, Authorization]:
    found: dict[str, Authorization] = {}
    for value in values:
        try:
            one = Authorization.parse(value)
        except ParseError:
            continue
        found.setdefault(one.realm, one)
    return found


@attrs.frozen
class Verified:
    """The request carries right credentials, fresh and not seen before."""

    username: str
    realm: str


@attrs.frozen
class Challenged:
    """The request is to be answered ``status`` with ``fields``; ``why`` is for logs, never for the peer."""

    status: int  #: 401, or 407 as a proxy
    fields: tuple[tuple[str, str], ...]
    why: str


@attrs.frozen
class ServerSettings:
    """How a digest server asks."""

    algorithms: tuple[Algorithm, ...] = (Algorithm.SHA_256, Algorithm.MD5)  #: best first, one challenge each
    qop: tuple[str, ...] = ("auth",)
    nonce_life_s: float = 300.0
    require_qop: bool = False  #: True refuses the scheme of RFC 2069; False takes it once for each nonce
    same_uri: bool = False  #: True wants the digest URI to equal the request URI, which proxies may have changed
    proxy: bool = False  #: ask as a proxy: 407 and its header names
    nonces: int = 10_000  #: how many nonces in use are remembered for their counts


def common_algorithms(users: Iterable[Credentials], wanted: Sequence[Algorithm]) -> tuple[Algorithm, ...]:
    """Those of ``wanted`` that every one of ``users`` can answer, in order.

    Who is stored as the hash of one algorithm can answer no other, and a challenge goes out before the user is known: with
    such a user among them, everybody is asked for that algorithm only. All of ``wanted`` where nothing is common.
    """
    stored = {user.ha1_algorithm for user in users if user.password is None and user.ha1 is not None}
    return tuple([one for one in wanted if stored <= {one.base}]) or tuple(wanted)


class DigestServer:
    """Asks for digest credentials and checks them. One per gateway; holds a bounded memory of nonces in use.

    A nonce carries the time it was made and an HMAC under ``secret``, so that one never used costs no memory. One that was
    used is remembered with its counts; when room is short the oldest are forgotten, and with them all nonces made earlier
    that are not remembered become stale, so a replay never passes.
    """

    def __init__(
        self, secret: bytes, users: CredentialLookup, entropy: Entropy, settings: ServerSettings | None = None
    ) -> None:
        if len(secret) < 16:
            raise ValueError("the secret of a digest server has at least 16 octets")
        self._secret = secret
        self._users = users
        self._entropy = entropy
        self.settings = (
            settings or ServerSettings()
        )  #: may be replaced between requests; nonces that were given stay valid
        self._counts: OrderedDict[str, _Counts] = OrderedDict()
        self._floor = -1.0  # nonces made up to then are stale unless remembered
        self._decoy = entropy.token()

    def challenge(self, realm: str, now: float, *, stale: bool = False) -> tuple[tuple[str, str], ...]:
        """The header fields that ask for credentials of ``realm``, best algorithm first, all with one new nonce."""
        name = "Proxy-Authenticate" if self.settings.proxy else "WWW-Authenticate"
        nonce = self._nonce(realm, now)
        return tuple(
            (name, str(Challenge(realm, nonce, algorithm.value, self.settings.qop, stale=stale)))
            for algorithm in self.settings.algorithms
        )

    def verify(self, request: Request, realm: str, now: float) -> Verified | Challenged:
        """Check the credentials of ``request`` for ``realm``.

        Unknown users, wrong passwords and no credentials at all get the same answer. ACK and CANCEL cannot be challenged
        (RFC 3261 section 22.1): the caller lets them pass with the request that they belong to.
        """
        name = "Proxy-Authorization" if self.settings.proxy else "Authorization"
        shown = _authorizations(request.headers(name)).get(realm)
        if shown is None:
            return self._ask(realm, now, "no credentials for the realm")
        algorithm = Algorithm.named(shown.algorithm)
        if algorithm is None or algorithm.base not in self.settings.algorithms:
            return self._ask(realm, now, "an algorithm that was not offered")
        if shown.qop not in self.settings.qop and (shown.qop or self.settings.require_qop):
            return self._ask(realm, now, "a qop that was not offered")
        if self.settings.same_uri and shown.uri != request.uri_text:
            return self._ask(realm, now, "a digest of another request URI")
        if not self._right(shown, algorithm, request, realm):
            return self._ask(realm, now, "unknown user or wrong password")
        made_at = self._made_at(shown.nonce, realm)
        if (
            made_at is None
        ):  # of an earlier run of ours, most likely: the right password need not be asked of a person again
            return self._ask(realm, now, "a nonce that is not ours", stale=True)
        if not self._fresh(shown, made_at, now):
            return self._ask(realm, now, "a nonce that is too old or was used before", stale=True)
        return Verified(shown.username, realm)

    def _ask(self, realm: str, now: float, why: str, *, stale: bool = False) -> Challenged:
        return Challenged(407 if self.settings.proxy else 401, self.challenge(realm, now, stale=stale), why)

    def _right(self, shown: Authorization, algorithm: Algorithm, request: Request, realm: str) -> bool:
        user = self._users.lookup(realm, shown.username)
        secret = None if user is None else user.secret(algorithm, realm)
        known = secret is not None
        if secret is None:  # the same work for a user who does not exist
            secret = ha1(algorithm, shown.username, realm, self._decoy)
        wanted = response_of(
            algorithm, secret, request.method, shown.uri, shown.nonce,
            qop=shown.qop, nc=shown.nc, cnonce=shown.cnonce, body=request.body,
        )  # fmt: skip
        return hmac.compare_digest(wanted.encode(), octets_of(shown.response.lower())) and known

    def _fresh(self, shown: Authorization, made_at: float, now: float) -> bool:
        """Count this use of the nonce; False when it is over, or this count was seen. Called for right credentials only."""
        if not made_at <= now <= made_at + self.settings.nonce_life_s:
            self._counts.pop(shown.nonce, None)
            return False
        counts = self._counts.get(shown.nonce)
        if counts is None:
            if made_at <= self._floor:
                return False
            counts = self._counts[shown.nonce] = _Counts(made_at)
            if len(self._counts) > self.settings.nonces:
                _, forgotten = self._counts.popitem(last=False)
                self._floor = max(self._floor, forgotten.made_at)
        return counts.take(shown.nc) if shown.qop else counts.take_only()

    def _nonce(self, realm: str, now: float) -> str:
        stem = f"{int(now * 1000):011x}{self._entropy.octets(8).hex()}"
        return stem + self._seal(stem, realm)

    def _seal(self, stem: str, realm: str) -> str:
        return hmac.digest(self._secret, octets_of(f"{stem} {realm}"), "sha256").hex()[:32]

    def _made_at(self, nonce: str, realm: str) -> float | None:
        stem, seal = nonce[:-32], nonce[-32:]
        if not hmac.compare_digest(self._seal(stem, realm).encode(), octets_of(seal)):
            return None
        return int(stem[:-16], 16) / 1000


class _Counts:
    """Which counts of one nonce were used: the highest and a window below it, as in RFC 3711 section 3.3.2."""

    __slots__ = ("_highest", "_seen", "made_at")

    def __init__(self, made_at: float) -> None:
        self.made_at = made_at
        self._highest = 0
        self._seen = 0  # bit n: the count n below the highest was used

    def take(self, nc: int) -> bool:
        if nc < 1:
            return False
        if nc > self._highest:
            self._seen = ((self._seen << min(nc - self._highest, _WINDOW)) | 1) & ((1 << _WINDOW) - 1)
            self._highest = nc
            return True
        bit = 1 << (self._highest - nc)
        if self._highest - nc >= _WINDOW or self._seen & bit:
            return False
        self._seen |= bit
        return True

    def take_only(self) -> bool:
        """A use without a count: good once, and only as the nonce's first."""
        if self._highest:
            return False
        self._highest, self._seen = 0xFFFFFFFF, (1 << _WINDOW) - 1
        return True
