"""Statistics of an RTP source, and when to send RTCP (RFC 3550 appendices A.1, A.3, A.7 and A.8).

The plain reference: the C engine does the same per packet and is compared with this in its tests.
"""

from __future__ import annotations

from voipgw.entropy import Entropy
from voipgw.rtp.rtcp import ReportBlock

_MODULUS = 1 << 16
MAX_DROPOUT = 3000  #: packets; a larger step forward is taken for a restarted source
MAX_MISORDER = 100  #: packets; a step back that is still the same source
MIN_SEQUENTIAL = 2  #: packets in order before a source is believed


class SourceStatistics:
    """What is received from one SSRC.

    Args:
        ssrc: the source.
        sequence: of the first packet heard of it, which is then given to ``receive`` too.
        probation: packets in order that it takes to be valid; 0 believes the first, as where signalling named the source.
    """

    __slots__ = (
        "_bad",
        "_base",
        "_cycles",
        "_expected_prior",
        "_jitter_q4",
        "_lost_before",
        "_max",
        "_probation",
        "_received_prior",
        "_transit",
        "last_sr",
        "last_sr_arrival_s",
        "received",
        "ssrc",
    )  # fmt: skip

    def __init__(self, ssrc: int, sequence: int, probation: int = MIN_SEQUENTIAL) -> None:
        self.ssrc = ssrc
        self._lost_before = 0  # of sequences before the source began anew
        self._restart(sequence)
        self._max = (sequence - 1) % _MODULUS
        self._probation = probation
        self._transit: int | None = None
        self._jitter_q4 = 0
        self.last_sr = 0
        self.last_sr_arrival_s = 0.0

    def _restart(self, sequence: int) -> None:
        self._base = self._max = sequence
        self._bad: int | None = None
        self._cycles = 0
        self.received = 0  #: packets, duplicates and late ones among them
        self._received_prior = 0
        self._expected_prior = 0

    @property
    def valid(self) -> bool:
        """Whether the source has passed its probation."""
        return self._probation == 0

    @property
    def highest_sequence(self) -> int:
        """The highest sequence number, extended by 65536 for each time it wrapped."""
        return self._cycles + self._max

    @property
    def expected(self) -> int:
        """Packets from the first to the highest."""
        return self.highest_sequence - self._base + 1

    @property
    def lost(self) -> int:
        """Packets expected less received, also before the source began anew; negative with duplicates."""
        return self._lost_before + self.expected - self.received

    @property
    def jitter_ticks(self) -> int:
        """The interarrival jitter in ticks of the payload's clock."""
        return self._jitter_q4 >> 4

    def receive(self, sequence: int, timestamp: int, arrival_ticks: int) -> bool:
        """Count a packet; ``arrival_ticks`` is its arrival in ticks of the payload's clock, 32 bits, any zero.

        Returns whether it counts as received: False in probation and for a step that is neither a gap nor a reordering.
        """
        if not self._sequence(sequence):
            return False
        transit = (arrival_ticks - timestamp) & 0xFFFFFFFF
        if self._transit is not None:
            difference = (transit - self._transit) & 0xFFFFFFFF
            difference = min(difference, (1 << 32) - difference)
            self._jitter_q4 += difference - ((self._jitter_q4 + 8) >> 4)
        self._transit = transit
        return True

    def _sequence(self, sequence: int) -> bool:
        """Appendix A.1."""
        step = (sequence - self._max) % _MODULUS
        if self._probation:
            if step == 1:
                self._probation -= 1
                self._max = sequence
                if self._probation == 0:
                    self._restart(sequence)
                    self.received = 1
                    return True
            else:
                self._probation = MIN_SEQUENTIAL - 1
                self._max = sequence
            return False
        if self.received == 0:
            self._restart(sequence)
            self.received = 1
            return True
        if step < MAX_DROPOUT:
            if sequence < self._max:
                self._cycles += _MODULUS
            self._max = sequence
        elif step <= _MODULUS - MAX_MISORDER:
            if sequence != self._bad:
                self._bad = (sequence + 1) % _MODULUS
                return False
            self._lost_before = self.lost
            self._restart(sequence)  # two in order there: the source began anew
            self._transit = None
        self.received += 1
        return True

    def sender_report(self, ntp: int, arrival_s: float) -> None:
        """Remember an SR of this source: its 64-bit NTP time, and when it came."""
        self.last_sr = ntp >> 16 & 0xFFFFFFFF
        self.last_sr_arrival_s = arrival_s

    def report(self, now: float) -> ReportBlock:
        """The report block on this source since the last call (appendix A.3); ``now`` as in ``sender_report``."""
        expected, received = self.expected - self._expected_prior, self.received - self._received_prior
        self._expected_prior, self._received_prior = self.expected, self.received
        lost = expected - received
        fraction = min(lost * 256 // expected, 255) if expected > 0 and lost > 0 else 0
        delay = int((now - self.last_sr_arrival_s) * 65536) & 0xFFFFFFFF if self.last_sr else 0
        total = max(-(1 << 23), min(self.lost, (1 << 23) - 1))
        highest = self.highest_sequence & 0xFFFFFFFF
        return ReportBlock(self.ssrc, fraction, total, highest, self.jitter_ticks, self.last_sr, delay)


def round_trip_s(report: ReportBlock, arrival_ntp: int) -> float | None:
    """The round trip that a report block on us tells (section 6.4.1); None when its source has no SR of ours yet, or
    states a delay longer than the time since; up to 1 ms of that is the resolution of clocks, and counts as no time.

    ``arrival_ntp`` is the 64-bit NTP time of its arrival by our clock.
    """
    if report.last_sr == 0:
        return None
    ticks = ((arrival_ntp >> 16) - report.delay_since_last_sr - report.last_sr) & 0xFFFFFFFF
    if ticks & 0x80000000:
        return 0.0 if (1 << 32) - ticks < 66 else None
    return ticks / 65536


def rtcp_interval_s(
    *,
    members: int,
    senders: int,
    bandwidth_octets_per_s: float,
    we_sent: bool,
    average_octets: float,
    initial: bool,
    entropy: Entropy,
    minimum_s: float = 5.0,
) -> float:
    """When to send the next RTCP packet, in seconds from the last (appendix A.7).

    ``bandwidth_octets_per_s`` is what RTCP may use in all, usually 5 % of the session; ``average_octets`` the mean size of
    its packets with their UDP and IP headers.
    """
    minimum = minimum_s / 2 if initial else minimum_s
    share, count = bandwidth_octets_per_s, members
    if senders <= members * 0.25:
        if we_sent:
            share, count = share * 0.25, senders
        else:
            share, count = share * 0.75, members - senders
    interval = max(average_octets * count / share, minimum)
    return interval * (entropy.uniform() + 0.5) / 1.21828  # e - 3/2 makes up for reconsideration
