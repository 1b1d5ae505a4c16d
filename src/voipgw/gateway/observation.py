"""What is kept of each call: its record, its numbers, its recording, and the last decisions for whoever asks why."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from collections import deque
from collections.abc import Callable, Sequence
from types import TracebackType

from voipgw.b2bua.call import AttemptBegan, AttemptFailed, Call, CallAnswered, CallOver, Report
from voipgw.cdr.record import CallRecord, OpenRecord
from voipgw.cdr.writers import JsonLinesWriter
from voipgw.clock import Clock
from voipgw.errors import ConfigurationError, VoipGwError
from voipgw.gateway.config import GatewayConfig
from voipgw.gateway.exchange import CallListener
from voipgw.media.plane import MediaEvent, MediaPlane, Stream
from voipgw.metrics.counters import Registry
from voipgw.metrics.http import MetricsServer
from voipgw.metrics.quality import estimate_mos
from voipgw.net.counters import Counters
from voipgw.routing.decision import Decision

log = logging.getLogger(__name__)

HEARTBEAT_S = 5.0  #: how often running calls are marked as running in the journal of the call records
KEPT = 200  #: finished calls whose decision and record are kept in memory


class Finished:
    """A call that is over: why it went where it went, and its record."""

    __slots__ = ("decision", "record")

    def __init__(self, decision: Decision, record: CallRecord) -> None:
        self.decision = decision
        self.record = record


class _Deaf:
    """A listener that takes no interest in single media events."""

    def heard(self, call: Call, event: MediaEvent, now: float) -> None:
        """Nothing to note."""


class Records(_Deaf):
    """One record a call, begun on disk when the call is answered."""

    def __init__(self, clock: Clock, writer: JsonLinesWriter | None) -> None:
        self.finished: deque[Finished] = deque(maxlen=KEPT)
        self._clock = clock
        self._writer = writer
        self._open: dict[Call, tuple[OpenRecord, Decision]] = {}

    def offered(self, call: Call, decision: Decision, now: float) -> None:
        """Begin a record."""
        self._open[call] = (OpenRecord(call.request, self._clock, estimate_mos), decision)

    def reported(self, call: Call, report: Report, now: float) -> None:
        """Note a step; the last one writes the record."""
        found = self._open.get(call)
        if found is None:
            return
        record, decision = found
        record.receive(report, now)
        if isinstance(report, CallAnswered) and self._writer is not None:
            self._writer.begin(record.record())
        elif isinstance(report, CallOver):
            del self._open[call]
            finished = record.record()
            self.finished.append(Finished(decision, finished))
            if self._writer is not None:
                self._writer.write(finished)


class Numbers(_Deaf):
    """Counters and histograms of calls."""

    def __init__(self, registry: Registry) -> None:
        self._offered = registry.counter("voipgw_calls_total", "Calls that came in, by kind of source.", ["source"])
        self._over = registry.counter("voipgw_calls_ended_total", "Calls that are over, by outcome.", ["outcome"])
        self._failed = registry.counter(
            "voipgw_attempts_failed_total",
            "Attempts without an answer, by target and Q.850 cause.",
            ["target", "cause"],
        )
        self._delay = registry.histogram("voipgw_answer_delay_seconds", "From the offer of a call to its answer.")
        self._duration = registry.histogram(
            "voipgw_call_duration_seconds", "From answer to end.", bounds=(1, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)
        )
        self._times: dict[Call, list[float]] = {}

    def offered(self, call: Call, decision: Decision, now: float) -> None:
        """Count a call."""
        self._offered.labels(call.request.source.kind.value).add()
        self._times[call] = [now]

    def reported(self, call: Call, report: Report, now: float) -> None:
        """Count what became of it."""
        if isinstance(report, AttemptFailed):
            self._failed.labels(str(report.route.target), str(int(report.released.cause))).add()
        elif isinstance(report, CallAnswered):
            self._times[call].append(now)
            self._delay.observe(now - self._times[call][0])
        elif isinstance(report, CallOver):
            times = self._times.pop(call, [now])
            if len(times) > 1:
                self._duration.observe(now - times[1])
            refused = call.called is None and len(times) == 1 and call.route is None
            self._over.labels("answered" if len(times) > 1 else "refused" if refused else "failed").add()


class Recordings(_Deaf):
    """One stereo WAV an answered call."""

    def __init__(self, config: GatewayConfig, plane: MediaPlane) -> None:
        self._directory = config.media.record
        self._plane = plane

    def offered(self, call: Call, decision: Decision, now: float) -> None:
        """Nothing yet."""

    def reported(self, call: Call, report: Report, now: float) -> None:
        """Record from the answer on; a disk that does not take it costs the recording, never the call."""
        if not isinstance(report, CallAnswered) or self._directory is None or call.called is None:
            return
        one, other = call.caller.stream, call.called.stream
        if one is not None and other is not None:
            self.record(call, one, other)

    def record(self, call: Call, one: Stream, other: Stream) -> None:
        """Record two streams under the name of a call, where recordings are wanted."""
        if self._directory is not None:
            name = re.sub(r"[^A-Za-z0-9_.-]", "_", call.request.call_id)[:120] or "call"
            try:
                self._plane.record(one, other, self._directory / f"{name}.wav")
            except (OSError, VoipGwError) as error:
                log.error("call %s is not recorded: %s", call.request.call_id, error)


class Journal(_Deaf):
    """Says what becomes of each call, at level info."""

    def offered(self, call: Call, decision: Decision, now: float) -> None:
        """A call came in."""
        request = call.request
        log.info(
            "call %s: %s calls %s from %s", request.call_id, request.calling.number, request.called, request.source
        )

    def reported(self, call: Call, report: Report, now: float) -> None:
        """Something became of it."""
        name = call.request.call_id
        if isinstance(report, AttemptBegan):
            log.info("call %s: tries %s", name, report.route.target)
        elif isinstance(report, AttemptFailed):
            why = f"cause {int(report.released.cause)}, {report.released.status} {report.released.text}"
            log.info("call %s: %s failed: %s", name, report.route.target, why)
        elif isinstance(report, CallAnswered):
            log.info("call %s: answered by %s", name, report.route.target)
        elif isinstance(report, CallOver):
            log.info("call %s: over, released by %s: cause %d", name, report.by.value, report.released.cause)


class Observation:
    """Opens what watches a gateway and closes it again."""

    def __init__(self, config: GatewayConfig, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self._stack = contextlib.AsyncExitStack()
        self._writer: JsonLinesWriter | None = None
        self._beat: asyncio.TimerHandle | None = None
        self.registry = Registry()
        self.metrics_address: tuple[str, int] | None = None  #: where metrics are served, with the real port
        self.recordings: Recordings | None = None  #: where recordings are wanted, once the listeners are there
        self.records: Records

    async def __aenter__(self) -> Observation:
        config = self._config
        async with contextlib.AsyncExitStack() as stack:
            if config.cdr is not None:
                try:
                    self._writer = JsonLinesWriter(config.cdr)
                except ConfigurationError as error:
                    raise ConfigurationError(f"--cdr: {error}") from error
                stack.callback(self._writer.close)
                self._heartbeat()
                stack.callback(self._stop_heartbeat)
            if config.metrics is not None:
                server = await stack.enter_async_context(MetricsServer(self.registry.render, *config.metrics))
                self.metrics_address = server.address
            self._stack = stack.pop_all()
        self.records = Records(self._clock, self._writer)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    def reopen(self) -> None:
        """Go on in a fresh file of call records, after somebody moved the old one away.

        Raises:
            ConfigurationError: it cannot be opened; the old one stays in use.
        """
        if self._writer is not None:
            self._writer.reopen()

    def listeners(self, plane: MediaPlane | None) -> Sequence[CallListener]:
        """Who hears of calls."""
        found: list[CallListener] = [self.records, Numbers(self.registry)]
        if log.isEnabledFor(logging.INFO):
            found.append(Journal())
        if plane is not None and self._config.media.record is not None:
            self.recordings = Recordings(self._config, plane)
            found.append(self.recordings)
        return found

    def gauges(self, calls: Callable[[], float], counters: Counters, transactions: Callable[[], float]) -> None:
        """Show what is in progress, and what the endpoint counts."""
        gauge, counter = self.registry.gauge, self.registry.counter
        gauge("voipgw_calls_in_progress", "Calls now.", read=calls)
        gauge("voipgw_sip_transactions", "SIP transactions remembered now.", read=transactions)
        for name, text in (
            ("requests_received", "SIP requests received."),
            ("requests_sent", "SIP requests sent."),
            ("responses_received", "SIP responses received."),
            ("responses_sent", "SIP responses sent."),
            ("retransmissions_received", "SIP messages that were received again."),
            ("retransmissions_sent", "SIP messages that were sent again."),
            ("malformed", "Messages that could not be read."),
            ("timeouts", "SIP requests without an answer."),
        ):
            counter(f"voipgw_sip_{name}_total", text, read=lambda name=name: float(getattr(counters, name)))  # type: ignore[misc]
        counter("voipgw_sip_dropped_total", "SIP messages dropped.", read=lambda: float(sum(counters.dropped.values())))
        if self._writer is not None:
            writer = self._writer
            counter("voipgw_records_written_total", "Call records written.", read=lambda: float(writer.written))
            gauge("voipgw_records_pending", "Call records that wait for the disk.", read=lambda: float(writer.pending))
            counter("voipgw_records_lost_total", "Call records given up.", read=lambda: float(writer.lost))

    def _heartbeat(self) -> None:
        assert self._writer is not None
        self._writer.heartbeat()
        self._beat = asyncio.get_running_loop().call_later(HEARTBEAT_S, self._heartbeat)

    def _stop_heartbeat(self) -> None:
        if self._beat is not None:
            self._beat.cancel()
