"""What ``voipgw explain`` does with a plan: read a call as people write it, decide, and say why."""

from __future__ import annotations

import datetime as dt
import ipaddress
from collections.abc import Iterable

from voipgw.call.events import Released
from voipgw.call.model import CallRequest, Party, Source, SourceKind
from voipgw.errors import ConfigurationError
from voipgw.routing.compiled import CompiledPlan
from voipgw.routing.decision import Decision, PlanState
from voipgw.routing.explanation import AssumedStep, Explanation, assume
from voipgw.routing.failover import failure_named
from voipgw.routing.place import nearest

SYNTAX = "source called [from calling], such as 'line:1 02079460000 from 101' or '203.0.113.9 100'"


def parse_source(text: str, plan: CompiledPlan) -> Source:
    """A source as people write it: ``line:1``, ``trunk:carrier-a``, ``user:alice``, ``span:1``, ``app:ivr`` or an IP address.

    An address is the trunk that trusts it, a trusted address, or a stranger, by the plan.

    Raises:
        ConfigurationError: the text names no source of this plan.
    """
    try:
        ipaddress.ip_address(text)
    except ValueError:
        pass
    else:
        return plan.identify(text)
    word, colon, name = text.partition(":")
    if word == SourceKind.ADDRESS.value and colon:
        return parse_source(name, plan)
    kinds = {kind.value: kind for kind in SourceKind if kind is not SourceKind.ADDRESS}
    if not colon or word not in kinds or not name:
        raise ConfigurationError(
            f"found the source {text!r}; right would be line:1, trunk:NAME, user:NAME, span:NAME, app:NAME or an IP address"
        )
    kind = kinds[word]
    known = {SourceKind.TRUNK: plan.trunks, SourceKind.LINE: plan.lines}.get(kind)
    if known is not None and name not in known:
        raise ConfigurationError(
            f"found the source {text!r}, which the plan does not have; right would be {nearest(name, known, word)}"
        )
    return Source(kind, name, trusted=True)


def parse_call(text: str, plan: CompiledPlan) -> CallRequest:
    """A call as people write it: ``source called [from calling]``.

    Raises:
        ConfigurationError: the text is not of that form, or the plan has no such source.
    """
    words = text.split()
    if len(words) not in {2, 4} or (len(words) == 4 and words[2] != "from"):
        raise ConfigurationError(f"found the call {text!r}; right would be {SYNTAX}")
    source = parse_source(words[0], plan)
    calling = words[3] if len(words) == 4 else ""
    if not calling and source.kind is SourceKind.LINE:
        calling = plan.lines[source.name].extension
    return CallRequest("explain", source, words[1], Party(calling))


def parse_failure(text: str, plan: CompiledPlan) -> tuple[str, tuple[Released, bool]]:
    """A failure to assume, ``TRUNK=CAUSE``: the trunk, and how it fails (with whether it rang before).

    Raises:
        ConfigurationError: the plan has no such trunk, or the cause means nothing.
    """
    name, equals, cause = text.partition("=")
    if not equals:
        raise ConfigurationError(f"found the failure {text!r}; right would be TRUNK=CAUSE, such as carrier-a=503")
    if name not in plan.trunks:
        raise ConfigurationError(f"found a failure of {name!r}; right would be {nearest(name, plan.trunks, 'trunk')}")
    try:
        return name, failure_named(cause)
    except ValueError as error:
        raise ConfigurationError(str(error)) from None


def decide_text(plan: CompiledPlan, call: str, at: dt.datetime, state: PlanState | None = None) -> Decision:
    """The decision for a call as people write it.

    Raises:
        ConfigurationError: the text is no call of this plan.
    """
    return plan.decide(parse_call(call, plan), at, state)


def explain(
    plan: CompiledPlan, call: str, at: dt.datetime, fail: Iterable[str] = ()
) -> tuple[Explanation, tuple[AssumedStep, ...]]:
    """All that ``voipgw explain`` shows: the explanation of a call, and what happens when trunks fail (``TRUNK=CAUSE``).

    Raises:
        ConfigurationError: the call or a failure is not as it should be; the message says what would be right.
    """
    failures = dict(parse_failure(text, plan) for text in fail)
    decision = decide_text(plan, call, at)
    return decision.explanation, assume(decision, failures) if failures else ()
