"""Counters, gauges and histograms, and their text for Prometheus (exposition format 0.0.4).

A ``Registry`` is an object like any other; there is no global one. Series are cheap to change: take the series of its labels
once, then ``add`` or ``set`` it. The number of series of a metric is bounded; labels beyond the bound are counted together
as ``other``, so that nobody outside can fill the memory by calling many numbers.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from typing import Generic, TypeVar

from voipgw.errors import LocalProtocolError

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
OTHER = "other"

#: Upper bounds in seconds that suit call set-up and talk time alike.
SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 180.0, 600.0, 1800.0, 3600.0)

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*\Z")
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*\Z")


class CounterSeries:
    """A number that only grows."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0.0

    def add(self, amount: float = 1.0) -> None:
        """Count ``amount``, which is not negative."""
        if amount < 0:
            raise LocalProtocolError(f"a counter never sinks: {amount}")
        self.value += amount


class GaugeSeries:
    """A number that goes up and down."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0.0

    def set(self, value: float) -> None:
        """The value now."""
        self.value = value

    def add(self, amount: float = 1.0) -> None:
        """Change by ``amount``, of either sign."""
        self.value += amount


class HistogramSeries:
    """How often a value fell into which bucket."""

    __slots__ = ("_bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self.counts = [0] * (len(bounds) + 1)  #: of each bucket alone, the last without upper bound
        self.total = 0.0  #: sum of all values

    def observe(self, value: float) -> None:
        """Count a value; one equal to a bound belongs to that bucket."""
        self.counts[bisect_left(self._bounds, value)] += 1
        self.total += value


_Series = TypeVar("_Series", bound=CounterSeries | GaugeSeries | HistogramSeries)


class Metric(Generic[_Series]):
    """A name with one series for each combination of label values."""

    def __init__(
        self, name: str, help_text: str, kind: str, labels: Sequence[str], make: Callable[[], _Series], limit: int
    ) -> None:
        if not _NAME.match(name):
            raise LocalProtocolError(f"{name!r} is not a metric name")
        for label in labels:
            if not _LABEL.match(label) or label.startswith("__") or label == "le":
                raise LocalProtocolError(f"{label!r} is not a label name")
        self.name, self.help_text, self.kind = name, help_text, kind
        self.label_names = tuple(labels)
        self._make: Callable[[], _Series] = make
        self._limit = limit
        self._series: dict[tuple[str, ...], _Series] = {}
        if not labels:
            self._series[()] = make()

    def labels(self, *values: str) -> _Series:
        """The series of these label values, in the order of the label names; made when first asked for."""
        series = self._series.get(values)
        if series is not None:
            return series
        if len(values) != len(self.label_names):
            raise LocalProtocolError(f"{self.name} has the labels {self.label_names}, got {values}")
        if len(self._series) >= self._limit:
            values = (OTHER,) * len(values)
            if values in self._series:
                return self._series[values]
        series = self._series[values] = self._make()
        return series

    def series(self) -> Iterable[tuple[tuple[str, ...], _Series]]:
        """Label values and series, in the order of their making."""
        return self._series.items()


class Counter(Metric[CounterSeries]):
    """A metric of counters; its name should end in ``_total``."""

    read: Callable[[], float] | None = None  #: asked at each rendering for the series without labels

    def add(self, amount: float = 1.0) -> None:
        """Count on the series without labels."""
        self.labels().add(amount)


class Gauge(Metric[GaugeSeries]):
    """A metric of gauges."""

    read: Callable[[], float] | None = None  #: asked at each rendering for the series without labels

    def set(self, value: float) -> None:
        """Set the series without labels."""
        self.labels().set(value)

    def add(self, amount: float = 1.0) -> None:
        """Change the series without labels."""
        self.labels().add(amount)


class Histogram(Metric[HistogramSeries]):
    """A metric of histograms."""

    bounds: tuple[float, ...] = ()

    def observe(self, value: float) -> None:
        """Count a value on the series without labels."""
        self.labels().observe(value)


class Registry:
    """All metrics of one gateway.

    Args:
        series_limit: series of one metric beyond which further label values are counted as ``other``.
    """

    def __init__(self, series_limit: int = 1000) -> None:
        self._limit = series_limit
        self._metrics: dict[str, Counter | Gauge | Histogram] = {}

    def counter(
        self, name: str, help_text: str, labels: Sequence[str] = (), *, read: Callable[[], float] | None = None
    ) -> Counter:
        """Make a counter; with ``read`` (and no labels) it is asked for its value, which only grows, when it is looked at.

        Raises:
            LocalProtocolError: a name is not allowed, or taken.
        """
        if read is not None and labels:
            raise LocalProtocolError(f"{name}: a counter that is read has no labels")
        metric = Counter(name, help_text, "counter", labels, CounterSeries, self._limit)
        metric.read = read
        return self._added(metric)

    def gauge(
        self, name: str, help_text: str, labels: Sequence[str] = (), *, read: Callable[[], float] | None = None
    ) -> Gauge:
        """Make a gauge; with ``read`` (and no labels) it is asked for its value when it is looked at."""
        if read is not None and labels:
            raise LocalProtocolError(f"{name}: a gauge that is read has no labels")
        metric = Gauge(name, help_text, "gauge", labels, GaugeSeries, self._limit)
        metric.read = read
        return self._added(metric)

    def histogram(
        self, name: str, help_text: str, labels: Sequence[str] = (), *, bounds: Sequence[float] = SECONDS
    ) -> Histogram:
        """Make a histogram with these upper bounds, which rise; the last bucket, to infinity, is there by itself."""
        edges = tuple(bounds)
        if not edges or list(edges) != sorted(set(edges)) or not all(map(math.isfinite, edges)):
            raise LocalProtocolError(f"{name}: the bounds of a histogram rise and are finite: {edges}")
        metric = Histogram(name, help_text, "histogram", labels, lambda: HistogramSeries(edges), self._limit)
        metric.bounds = edges
        return self._added(metric)

    def _added(self, metric: _AnyMetric) -> _AnyMetric:
        if metric.name in self._metrics:
            raise LocalProtocolError(f"there is a metric {metric.name} already")
        self._metrics[metric.name] = metric
        return metric

    def render(self) -> str:
        """Everything as text; ``CONTENT_TYPE`` is its media type."""
        lines: list[str] = []
        for metric in self._metrics.values():
            lines += [
                f"# HELP {metric.name} {_escaped_help(metric.help_text)}",
                f"# TYPE {metric.name} {metric.kind}",
            ]
            if isinstance(metric, Histogram):
                _render_histogram(metric, lines)
                continue
            if metric.read is not None:
                metric.labels().value = metric.read()
            for values, series in metric.series():
                lines.append(f"{metric.name}{_braces(metric.label_names, values)} {_number(series.value)}")
        return "".join([line + "\n" for line in lines])


_AnyMetric = TypeVar("_AnyMetric", Counter, Gauge, Histogram)


def _render_histogram(metric: Histogram, lines: list[str]) -> None:
    names = (*metric.label_names, "le")
    bounds = [*[_number(bound) for bound in metric.bounds], "+Inf"]
    for values, series in metric.series():
        below = 0
        for bound, count in zip(bounds, series.counts, strict=True):
            below += count
            lines.append(f"{metric.name}_bucket{_braces(names, (*values, bound))} {below}")
        labels = _braces(metric.label_names, values)
        lines.append(f"{metric.name}_sum{labels} {_number(series.total)}")
        lines.append(f"{metric.name}_count{labels} {below}")


def _braces(names: Sequence[str], values: Sequence[str]) -> str:
    if not names:
        return ""
    pairs = [f'{name}="{_escaped_label(value)}"' for name, value in zip(names, values, strict=True)]
    return "{" + ",".join(pairs) + "}"


def _escaped_help(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _escaped_label(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _number(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(float(value))
