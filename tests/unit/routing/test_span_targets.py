from __future__ import annotations

import datetime as dt

import pytest

from voipgw.call.model import CallRequest, Source, SourceKind, Target, TargetKind
from voipgw.errors import ConfigurationError
from voipgw.routing import Plan, anything, first, source, span

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def test_a_span_is_a_target_like_any_other_and_calls_from_it_can_be_told() -> None:
    plan = Plan()
    trunk = plan.trunk("carrier", "sip:192.0.2.1")
    plan.route("out", when=source.span("e1"), to=trunk)
    plan.route("in", when=anything & ~source.span(), to=first(span("e1"), "carrier"))
    compiled = plan.compile()
    into = compiled.decide(CallRequest("1", Source(SourceKind.USER, "x", trusted=True), "100"), NOW)
    assert [route.target for route in into.routes] == [
        Target(TargetKind.SPAN, "e1"),
        Target(TargetKind.TRUNK, "carrier"),
    ]
    assert into.routes[0].called == "100"
    out = compiled.decide(CallRequest("2", Source(SourceKind.SPAN, "e1", trusted=True), "100"), NOW)
    assert [route.target for route in out.routes] == [Target(TargetKind.TRUNK, "carrier")]


def test_a_span_without_a_name_is_refused() -> None:
    with pytest.raises(ConfigurationError):
        span("")
