"""Counters, gauges, histograms and their text (Prometheus exposition format 0.0.4)."""

from __future__ import annotations

import math

import pytest

from voipgw.errors import LocalProtocolError
from voipgw.metrics.counters import Registry


def test_the_text_of_every_kind() -> None:
    registry = Registry()
    calls = registry.counter("voipgw_calls_total", "Calls.", ["source", "cause"])
    calls.labels("trunk:a", "16").add()
    calls.labels("trunk:a", "16").add(2)
    calls.labels("line:1", "17").add(0.5)
    registry.gauge("voipgw_calls", "Calls now.").set(3)
    registry.gauge("voipgw_ports", "Ports.", read=lambda: 7.25)
    talk = registry.histogram("voipgw_talk_seconds", "Talk time.", bounds=[1, 2.5])
    for value in (0.5, 1, 2, 100):
        talk.observe(value)
    assert registry.render() == (
        "# HELP voipgw_calls_total Calls.\n"
        "# TYPE voipgw_calls_total counter\n"
        'voipgw_calls_total{source="trunk:a",cause="16"} 3\n'
        'voipgw_calls_total{source="line:1",cause="17"} 0.5\n'
        "# HELP voipgw_calls Calls now.\n"
        "# TYPE voipgw_calls gauge\n"
        "voipgw_calls 3\n"
        "# HELP voipgw_ports Ports.\n"
        "# TYPE voipgw_ports gauge\n"
        "voipgw_ports 7.25\n"
        "# HELP voipgw_talk_seconds Talk time.\n"
        "# TYPE voipgw_talk_seconds histogram\n"
        'voipgw_talk_seconds_bucket{le="1"} 2\n'
        'voipgw_talk_seconds_bucket{le="2.5"} 3\n'
        'voipgw_talk_seconds_bucket{le="+Inf"} 4\n'
        "voipgw_talk_seconds_sum 103.5\n"
        "voipgw_talk_seconds_count 4\n"
    )


def test_texts_are_escaped_exactly() -> None:
    registry = Registry()
    registry.gauge("g", 'back\\slash "quoted"\nline', ["l"]).labels('a\\b"c\nd').set(1)
    assert registry.render() == ('# HELP g back\\\\slash "quoted"\\nline\n# TYPE g gauge\ng{l="a\\\\b\\"c\\nd"} 1\n')


@pytest.mark.parametrize(
    ("value", "text"),
    [(math.nan, "NaN"), (math.inf, "+Inf"), (-math.inf, "-Inf"), (-2.0, "-2"), (1e300, "1e+300"), (0.1, "0.1")],
)
def test_numbers_are_written_as_the_format_wants_them(value: float, text: str) -> None:
    registry = Registry()
    registry.gauge("g", "").set(value)
    assert registry.render().endswith(f"g {text}\n")


def test_a_histogram_with_labels_puts_the_bound_last() -> None:
    registry = Registry()
    registry.histogram("h", "", ["a"], bounds=[1]).labels("x").observe(0)
    assert 'h_bucket{a="x",le="1"} 1\n' in registry.render()
    assert 'h_count{a="x"} 1\n' in registry.render()


def test_series_are_bounded_and_the_rest_is_counted_together() -> None:
    registry = Registry(series_limit=2)
    calls = registry.counter("c_total", "", ["number"])
    for number in range(100):
        calls.labels(str(number)).add()
    calls.labels("1").add()
    assert [line for line in registry.render().splitlines() if line[0] != "#"] == [
        'c_total{number="0"} 1',
        'c_total{number="1"} 2',
        'c_total{number="other"} 98',
    ]


def test_gauges_sink_and_counters_never_do() -> None:
    registry = Registry()
    gauge, counter = registry.gauge("g", ""), registry.counter("c_total", "")
    gauge.add(2)
    gauge.add(-3)
    assert gauge.labels().value == -1
    counter.add(0)
    with pytest.raises(LocalProtocolError, match="never sinks"):
        counter.add(-1)
    assert counter.labels().value == 0


def test_names_are_checked() -> None:
    registry = Registry()
    registry.counter("taken", "")
    for name, labels in (
        ("taken", []),
        ("0x", []),
        ("a-b", []),
        ("a\n", []),
        ("ok", ["le"]),
        ("ok", ["__x"]),
        ("ok", ["a b"]),
    ):
        with pytest.raises(LocalProtocolError):
            registry.histogram(name, "", labels)
    for bounds in ([], [2, 1], [1, 1], [1, math.inf]):
        with pytest.raises(LocalProtocolError, match="bounds"):
            registry.histogram("h", "", bounds=bounds)
    with pytest.raises(LocalProtocolError, match="labels"):
        registry.gauge("h", "", ["a"], read=lambda: 1.0)
    with pytest.raises(LocalProtocolError, match="has the labels"):
        registry.counter("two", "", ["a", "b"]).labels("x")
