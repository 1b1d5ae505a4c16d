"""The route plan as its author writes it: trunks, lines and rules. ``compile`` checks it and freezes it."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping

import attrs

from voipgw.call.model import Source
from voipgw.causes import Cause
from voipgw.errors import ConfigurationError
from voipgw.routing import compiled, digit_map, failover
from voipgw.routing.failover import Action, CauseClass, FailureKey
from voipgw.routing.numbers import Numbering
from voipgw.routing.place import Place, here, wrong
from voipgw.routing.predicates import Network, Predicate, anything, number_class
from voipgw.routing.predicates import called as words
from voipgw.routing.targets import Targets, ToLine, ToTrunk, as_target, reject
from voipgw.routing.transforms import Transform, e164

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_URI = re.compile(
    r"sips?:(?:[A-Za-z0-9+_.-]{1,64}@)?(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(?::([0-9]{1,5}))?(?:;[A-Za-z0-9;=._-]+)?"
)
_EXTENSION = re.compile(r"[0-9*#]{1,32}")
_E164 = re.compile(r"\+[1-9][0-9]{2,14}")
_FIELD = re.compile(r"[!-9;-~]+")  # a header's name: visible, no colon (RFC 3261 section 25.1 is narrower still)


@attrs.frozen
class Trunk:
    """A SIP peer: data that the gateway configures SIP from."""

    name: str
    destination: str  #: URI, e.g. ``sip:198.51.100.7:5060;transport=tcp``; a user in it is called whatever was dialled
    place: Place = attrs.field(repr=False)
    numbering: Numbering  #: how numbers that come in by it are read
    codecs: tuple[str, ...] = ()
    trust: tuple[Network, ...] = ()  #: whoever calls from here is this trunk
    username: str = ""
    password_env: str = ""  #: name of the environment variable that holds the password
    register: bool = False  #: keep a registration
    registrars: tuple[str, ...] = ()  #: URIs, in the order of trying; () is the destination
    account: str = ""  #: user of the address of record; "" is ``username``
    expires_s: int = 3600  #: asked for when registering
    trust_registrar: bool = False  #: whoever calls from the address of the registrar is this trunk
    domain: str = ""  #: host of From and To; "" takes the destination's
    called: Transform = e164  #: how the called number is written
    calling: Transform = e164
    ring_timeout_s: float = 60.0
    response_timeout_s: float = 4.0
    headers: tuple[tuple[str, str], ...] = ()
    on_cause: Mapping[CauseClass | int, Action] = attrs.field(factory=dict)
    redirects: str = "refuse"  #: what a 3xx of it means: "refuse", "follow" or "pass"
    identity: str = "none"  #: how the calling party is vouched for beside From: "none", "asserted" or "preferred"


@attrs.frozen
class Line:
    """An analog line, its extension and the number it has outside."""

    number: str
    place: Place = attrs.field(repr=False)
    extension: str = ""
    did: str = ""  #: E.164; what it shows to trunks, and what reaches it from there
    display_name: str = ""
    ring_timeout_s: float = 60.0


@attrs.frozen
class Rule:
    """One rule as written."""

    name: str
    when: Predicate
    to: Targets
    place: Place = attrs.field(repr=False)
    priority: int | None = None
    called: Transform | None = None
    calling: Transform | None = None
    ring_timeout_s: float | None = None
    codecs: tuple[str, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    strangers: bool = False  #: also for addresses that nothing is known of
    implied: bool = False  #: made by ``plan.line``, not written


class Plan:
    """A route plan under construction.

    Args:
        country: two-letter name of the country whose numbers are dialled here; "" leaves plain digits as they are.
        area: area code (without national prefix) for local numbers.
        trust: networks whose calls are taken without credentials.
        emergency: emergency numbers instead of the country's own.

    Raises:
        ConfigurationError: an argument is wrong; the message names file and line, what was found and what would be right.
    """

    def __init__(
        self, country: str = "", *, area: str = "", trust: Iterable[str] = (), emergency: Iterable[str] | None = None
    ) -> None:
        self.place = here()
        self.country, self.area = country, area
        self.trust = _networks(trust)
        self.emergency = None if emergency is None else tuple(emergency)
        self._numberings: dict[tuple[str, str, bool], Numbering] = {}
        self._trunks: dict[str, Trunk] = {}
        self._lines: dict[str, Line] = {}
        self._rules: dict[str, Rule] = {}
        self._forbids: dict[str, Rule] = {}
        self._compiled: compiled.CompiledPlan | None = None
        self._reading(country, area, False)

    @property
    def trunks(self) -> tuple[Trunk, ...]:
        """Its trunks, in the order written."""
        return tuple(self._trunks.values())

    @property
    def lines(self) -> tuple[Line, ...]:
        """Its lines, in the order written."""
        return tuple(self._lines.values())

    @property
    def rules(self) -> tuple[Rule, ...]:
        """Its rules, in the order written; those that lines imply among them."""
        return tuple(self._rules.values())

    @property
    def forbids(self) -> tuple[Rule, ...]:
        """What it forbids, in the order written."""
        return tuple(self._forbids.values())

    def trunk(
        self,
        name: str,
        destination: str,
        *,
        codecs: Iterable[str] = (),
        trust: Iterable[str] = (),
        username: str = "",
        password_env: str = "",
        register: bool = False,
        registrars: Iterable[str] = (),
        account: str = "",
        expires_s: int = 3600,
        trust_registrar: bool = False,
        domain: str = "",
        country: str | None = None,
        area: str | None = None,
        numbers: str = "dialled",
        called: Transform = e164,
        calling: Transform = e164,
        ring_timeout_s: float = 60.0,
        response_timeout_s: float = 4.0,
        headers: Mapping[str, str] | None = None,
        on_cause: Mapping[FailureKey, Action | str] | None = None,
        redirects: str = "refuse",
        identity: str = "none",
    ) -> ToTrunk:
        """Add a SIP trunk and return it as a target.

        Args:
            name: what rules and records call it.
            destination: ``sip:host:port`` with parameters; a user in front (``sip:desk@host``) is called whatever was
                dialled.
            codecs: names, best first; none takes the gateway's own list.
            trust: networks; a call from one of them came by this trunk.
            username: for digest authentication at the trunk.
            password_env: environment variable with the password. A plan holds no secrets.
            register: keep a registration, so that calls come here.
            registrars: where, when not at ``destination``: URIs in the order of trying.
            account: user of the address of record, when it is not ``username``.
            expires_s: what is asked for; the registrar decides.
            trust_registrar: calls from the address that the registration went to are this trunk's. Only for a registrar that
                is nobody else's way in.
            domain: host for From and To instead of the destination's.
            country: how plain digits that come in are read; None as in the plan, "" as they are.
            area: area code for local numbers that come in.
            numbers: ``"dialled"``, or ``"e164"`` where the trunk sends E.164 without its ``+``.
            called: how called numbers are written to it: ``e164``, ``e164_digits``, ``national("gb")``, ``strip`` ...
            calling: the same for calling numbers.
            ring_timeout_s: from ringing to giving up.
            response_timeout_s: without any response before the next attempt.
            headers: fixed headers for its requests.
            on_cause: edits of the failover table: ``{486: "next", "congestion": "final"}``.
            redirects: what a 3xx means: ``"refuse"``, a failure of the attempt; ``"follow"``, the places that it names are
                tried within the attempt; ``"pass"``, the calling side gets it.
            identity: ``"asserted"`` sends P-Asserted-Identity, to a trunk within our trust domain only, since it shows a
                restricted number too; ``"preferred"`` sends P-Preferred-Identity, never with a restricted number.
        """
        self._new_name(name, "trunk", self._trunks)
        _check_trunk(name, destination, numbers, username, password_env, register)
        wanted = _check_registration(name, register, registrars, account, expires_s, trust_registrar)
        reading = self._reading(
            self.country if country is None else country,
            (self.area if country is None else "") if area is None else area,
            numbers == "e164",
        )
        self._trunks[name] = Trunk(
            name, destination, here(), reading, _names(codecs, "codecs"), _networks(trust), username, password_env, register,
            wanted, account, expires_s, trust_registrar, domain, _transform(called), _transform(calling), _seconds(ring_timeout_s),
            _seconds(response_timeout_s), _headers(headers), _edits(on_cause),
            _choice("redirects", redirects, ("refuse", "follow", "pass")),
            _choice("identity", identity, ("none", "asserted", "preferred")),
        )  # fmt: skip
        self._compiled = None
        return ToTrunk(name)

    def line(
        self,
        number: int | str,
        *,
        extension: str = "",
        did: str = "",
        display_name: str = "",
        ring_timeout_s: float = 60.0,
    ) -> ToLine:
        """Add an analog line and return it as a target. Calls to its ``extension`` or ``did`` reach it without a rule.

        Args:
            number: the port's number.
            extension: short number, digits, ``*`` and ``#``.
            did: E.164 number from outside; shown as calling number when the line calls a trunk.
            display_name: name shown with it.
            ring_timeout_s: from ringing to giving up.
        """
        if isinstance(number, bool) or not isinstance(number, (int, str)):
            raise wrong(f"line({number!r})", "the number of a port, such as 1")
        name = str(number)
        self._new_name(name, "line", self._lines)
        if extension and (not isinstance(extension, str) or not _EXTENSION.fullmatch(extension)):
            raise wrong(f"extension={extension!r} of line {name}", "digits as text, such as '101'")
        if did and (not isinstance(did, str) or not _E164.fullmatch(did)):
            raise wrong(f"did={did!r} of line {name}", "an E.164 number such as '+442079460123'")
        for other in self._lines.values():
            for word, mine, theirs in (("extension", extension, other.extension), ("did", did, other.did)):
                if mine and mine == theirs:
                    raise wrong(
                        f"{word} {mine!r} again for line {name}", f"another than line {other.number}'s at {other.place}"
                    )
        self._lines[name] = Line(name, here(), extension, did, display_name, ring_timeout_s=_seconds(ring_timeout_s))
        for word, text in (("extension", extension), ("number", did)):
            if text:
                label, when = f"line {name} ({word} {text})", words.exact(text)
                if text in self.numbering.emergency:
                    when &= ~number_class.emergency  # the emergency call comes first; check() says so
                self._rules[label] = Rule(label, when, as_target(ToLine(name)), here(), implied=True)
        self._compiled = None
        return ToLine(name)

    def route(
        self,
        name: str,
        *,
        to: object,
        when: Predicate = anything,
        priority: int | None = None,
        called: Transform | None = None,
        calling: Transform | None = None,
        ring_timeout_s: float | None = None,
        codecs: Iterable[str] = (),
        headers: Mapping[str, str] | None = None,
        strangers: bool = False,
    ) -> None:
        """Add a rule. The most specific rule that matches a call decides, wherever it stands.

        Args:
            name: what explanations and records call it.
            to: a target: ``first(...)``, a trunk's name, ``line(...)``, ``dial(...)``, ``reject(...)``.
            when: which calls; all of them unless told.
            priority: the higher one of equally specific rules wins; needed only there.
            called: changes the called number before a trunk's own way of writing it.
            calling: changes the calling number likewise.
            ring_timeout_s: instead of the trunk's or line's.
            codecs: instead of the trunk's.
            headers: besides the trunk's.
            strangers: also for calls from addresses that nothing is known of. Think of who could dial what.
        """
        self._new_name(name, "rule", self._rules | self._forbids)
        if not isinstance(when, Predicate):
            raise wrong(f"when={when!r} in rule {name!r}", "a predicate such as called.prefix('+1')")
        if priority is not None and (isinstance(priority, bool) or not isinstance(priority, int)):
            raise wrong(f"priority={priority!r} in rule {name!r}", "a whole number")
        ring = None if ring_timeout_s is None else _seconds(ring_timeout_s)
        self._rules[name] = Rule(
            name, when, as_target(to), here(), priority, _optional(called), _optional(calling), ring, _names(codecs, "codecs"),
            _headers(headers), bool(strangers),
        )  # fmt: skip
        self._compiled = None

    def forbid(
        self, name: str, *, when: Predicate, cause: Cause | int = Cause.CALL_REJECTED, status: int | None = 403
    ) -> None:
        """Refuse calls whatever the rules say. The order does not matter, and emergency calls are never forbidden.

        Args:
            name: what explanations and records call it.
            when: which calls.
            cause: Q.850 cause of the refusal.
            status: SIP status of the refusal; None takes what the cause maps to.
        """
        self._new_name(name, "rule", self._rules | self._forbids)
        if not isinstance(when, Predicate):
            raise wrong(f"when={when!r} in {name!r}", "a predicate such as number_class.premium")
        self._forbids[name] = Rule(name, when, reject(cause, status=status), here(), strangers=True)
        self._compiled = None

    @property
    def numbering(self) -> Numbering:
        """How a source dials for which nothing else is said: by the plan's country and area."""
        return self._reading(self.country, self.area, False)

    def compile(self) -> compiled.CompiledPlan:
        """Check the plan and freeze it; what is added later does not change the snapshot.

        Raises:
            ConfigurationError: a name is not defined, rules are ambiguous or go in circles; the message names every
                mistake with file and line.
        """
        if self._compiled is None:
            self._compiled = compiled.CompiledPlan(self)
        return self._compiled

    def digit_map(self, source: Source | str) -> digit_map.DigitMap:
        """When a number dialled by ``source`` (``"line:1"``) is complete, by this plan."""
        return self.compile().digit_map(source)

    def _reading(self, iso: str, area: str, plain_e164: bool) -> Numbering:
        key = (iso, area, plain_e164)
        if key not in self._numberings:
            try:
                self._numberings[key] = Numbering(iso, area, e164=plain_e164, emergency=self.emergency)
            except ConfigurationError as error:
                raise ConfigurationError(f"{here()}: {error}") from None
        return self._numberings[key]

    def _new_name(self, name: object, kind: str, known: Mapping[str, Trunk | Line | Rule]) -> None:
        if not isinstance(name, str) or not (name if kind == "rule" else _NAME.fullmatch(name)):
            raise wrong(f"the {kind} name {name!r}", "a short name such as 'carrier-a'")
        if name in known:
            raise wrong(f"the {kind} {name!r} again", f"another name: the first one is at {known[name].place}")


def _networks(texts: Iterable[str]) -> tuple[Network, ...]:
    if isinstance(texts, str):
        raise wrong(f"trust={texts!r}", f"a list, such as [{texts!r}]")
    found = []
    for text in texts:
        try:
            found.append(ipaddress.ip_network(text))
        except (ValueError, TypeError) as error:
            raise wrong(f"the network {text!r} ({error})", "an address or network such as 203.0.113.0/24") from None
    return tuple(found)


def _names(texts: Iterable[str], word: str) -> tuple[str, ...]:
    found = (texts,) if isinstance(texts, str) else tuple(texts)
    if isinstance(texts, str) or not all(isinstance(text, str) and text for text in found):
        raise wrong(f"{word}={texts!r}", "a list of names, such as ['PCMU', 'PCMA']")
    return found


def _transform(value: object) -> Transform:
    if not isinstance(value, Transform):
        raise wrong(f"{value!r} as a way to write a number", "a transform such as e164_digits or national('gb')")
    return value


def _optional(value: object) -> Transform | None:
    return None if value is None else _transform(value)


def _seconds(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 3600:
        raise wrong(f"a timeout of {value!r}", "seconds, more than 0 and less than 3600")
    return float(value)


def _headers(fields: Mapping[str, str] | None) -> tuple[tuple[str, str], ...]:
    found = tuple((fields or {}).items())
    for name, value in found:
        if not isinstance(name, str) or not _FIELD.fullmatch(name):
            raise wrong(f"the header name {name!r}", "a name such as 'X-Account'")
        if not isinstance(value, str) or not value.isprintable():
            raise wrong(f"the value {value!r} of header {name}", "text on one line")
    return found


def _edits(edits: Mapping[FailureKey, Action | str] | None) -> dict[CauseClass | int, Action]:
    try:
        return dict(failover.edit(key, action) for key, action in (edits or {}).items())
    except ValueError as error:
        raise ConfigurationError(f"{here()}: on_cause: {error}") from None


def _choice(name: str, choice: str, right: tuple[str, ...]) -> str:
    if choice not in right:
        raise wrong(f"{name}={choice!r}", f"one of {', '.join(right)}")
    return choice


def _check_trunk(
    name: str, destination: object, numbers: str, username: str, password_env: str, register: bool
) -> None:
    if not isinstance(destination, str) or not (found := _URI.fullmatch(destination)) or int(found[1] or 1) > 65535:
        raise wrong(
            f"the destination {destination!r} of trunk {name!r}",
            "a SIP URI such as 'sip:198.51.100.7:5060'",
        )
    if numbers not in {"dialled", "e164"}:
        raise wrong(f"numbers={numbers!r} of trunk {name!r}", "'dialled' or 'e164'")
    if (register or password_env) and not username:
        raise wrong(f"trunk {name!r} with a password or registration but no username", "username='...' beside it")
    if username and not password_env:
        raise wrong(f"trunk {name!r} with a username but no password_env", "the name of an environment variable")


def _check_registration(
    name: str, register: bool, registrars: Iterable[str], account: str, expires_s: object, trust: bool
) -> tuple[str, ...]:
    found = (registrars,) if isinstance(registrars, str) else tuple(registrars)
    for uri in found:
        if not isinstance(uri, str) or not (match := _URI.fullmatch(uri)) or int(match[1] or 1) > 65535:
            raise wrong(
                f"the registrar {uri!r} of trunk {name!r}", "a SIP URI without user, such as 'sip:198.51.100.7'"
            )
    if not isinstance(expires_s, int) or isinstance(expires_s, bool) or not 1 <= expires_s <= 86400:
        raise wrong(f"expires_s={expires_s!r} of trunk {name!r}", "whole seconds from 1 to 86400")
    if account and not re.fullmatch(r"[A-Za-z0-9_.!~*'()&=+$,;?/-]+", account):
        raise wrong(f"account={account!r} of trunk {name!r}", "the user of a SIP URI, such as 'alice'")
    if (found or account or trust) and not register:
        raise wrong(f"trunk {name!r} with settings of a registration but none", "register=True beside them")
    return found
