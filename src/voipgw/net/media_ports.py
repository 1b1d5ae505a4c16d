"""Pairs of UDP ports for RTP and RTCP from a range (RFC 3550 section 11): an even port and the next one.

Ports are taken in a random order, so that a stranger cannot tell the next one (RFC 6056), and a pair that was given back
rests for its drain time: packets that are still under way to a call that ended never reach the next one.
"""

from __future__ import annotations

import errno
import os
import socket
from collections import deque
from collections.abc import Callable
from typing import TypeVar

from voipgw.clock import Clock, SystemClock
from voipgw.entropy import Entropy, SystemEntropy
from voipgw.errors import ConfigurationError, ResourceError, TransportError

T = TypeVar("T")
Address = tuple[str, int]
EXPEDITED_FORWARDING = 46  #: DSCP of voice (RFC 3246, RFC 4594)
_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


class UdpPortPair:
    """Two bound, non-blocking sockets. Whoever reads from the descriptors stops before ``close`` is called."""

    __slots__ = ("_ports", "address", "rtcp_fd", "rtp_fd")

    def __init__(self, ports: UdpMediaPorts, address: Address, rtp_fd: int, rtcp_fd: int) -> None:
        self._ports = ports
        self.address = address  #: of RTP; RTCP is one above
        self.rtp_fd = rtp_fd  #: -1 once closed
        self.rtcp_fd = rtcp_fd  #: -1 once closed

    def close(self) -> None:
        """Close both sockets; the ports rest for the drain time. A second call does nothing."""
        if self.rtp_fd < 0:
            return
        rtp_fd, rtcp_fd = self.rtp_fd, self.rtcp_fd
        self.rtp_fd = self.rtcp_fd = -1
        os.close(rtp_fd)
        os.close(rtcp_fd)
        self._ports._give_back(self)


class _Pool:
    """The even ports of one local address."""

    __slots__ = ("fresh", "resting")

    def __init__(self, evens: list[int]) -> None:
        self.fresh = deque(evens)
        self.resting: deque[tuple[float, int]] = deque()  # (when it may be used again, port), in that order


class PairOrder:
    """Which pair comes next, whatever a port is made of: a random order, and a rest between two calls.

    Raises:
        ConfigurationError: the range holds no pair.
    """

    def __init__(self, low: int, high: int, drain_s: float, clock: Clock, entropy: Entropy) -> None:
        if not 1 <= low <= 65535 or not 1 <= high <= 65535 or (low + 1 & ~1) + 1 > high:
            raise ConfigurationError(
                f"media ports {low}-{high}: a range from 1 to 65535 with at least an even port and the next one is right"
            )
        self.evens = range(low + 1 & ~1, high, 2)
        self.in_use = 0  #: pairs that are taken now
        self._range = f"{low}-{high}"
        self._drain_s = drain_s
        self._clock = clock
        self._entropy = entropy
        self._pools: dict[str, _Pool] = {}

    def take(self, host: str, bind: Callable[[str, int], T | None]) -> tuple[Address, T]:
        """The first even port for which ``bind`` makes something, and what it made.

        Raises:
            ResourceError: every pair of the range is in use or rests.
        """
        pool = self._pools.get(host)
        if pool is None:
            pool = self._pools[host] = _Pool(self._shuffled())
        now = self._clock.monotonic()
        while pool.resting and pool.resting[0][0] <= now:
            pool.fresh.append(pool.resting.popleft()[1])
        for _ in range(len(pool.fresh)):
            port = pool.fresh.popleft()
            try:
                made = bind(host, port)
            except BaseException:
                pool.fresh.append(port)
                raise
            if made is None:  # somebody else's; it may be free later
                pool.fresh.append(port)
                continue
            self.in_use += 1
            return (host, port), made
        raise ResourceError(
            f"no free pair of media ports in {self._range} on {host}: {self.in_use} open, {len(pool.resting)} resting"
        )

    def give_back(self, address: Address) -> None:
        """A pair that was taken is closed; it rests."""
        host, port = address
        self.in_use -= 1
        self._pools[host].resting.append((self._clock.monotonic() + self._drain_s, port))

    def _shuffled(self) -> list[int]:
        evens = list(self.evens)
        for last in range(len(evens) - 1, 0, -1):
            other = self._entropy.bits(32) * (last + 1) >> 32
            evens[last], evens[other] = evens[other], evens[last]
        return evens


class UdpMediaPorts:
    """Port pairs for a media engine; implements ``voipgw.media.plane.MediaPorts``.

    Args:
        low: lowest port; an odd one is rounded up.
        high: highest port, itself usable.
        dscp: value for the packets' traffic class, 0 to 63; None leaves the system's.
        drain_s: rest of a pair between two calls.
        clock: for the drain time.
        entropy: for the order of ports.

    Raises:
        ConfigurationError: the range holds no pair, or ``dscp`` is out of range.
    """

    def __init__(
        self,
        low: int = 16384,
        high: int = 32767,
        *,
        dscp: int | None = EXPEDITED_FORWARDING,
        drain_s: float = 2.0,
        clock: Clock | None = None,
        entropy: Entropy | None = None,
    ) -> None:
        if dscp is not None and not 0 <= dscp <= 63:
            raise ConfigurationError(f"DSCP {dscp}: 0 to 63 is right")
        self._order = PairOrder(low, high, drain_s, clock or SystemClock(), entropy or SystemEntropy())
        self._dscp = dscp
        self._open: set[UdpPortPair] = set()

    @property
    def capacity(self) -> int:
        """Pairs in the range, for each local address."""
        return len(self._order.evens)

    @property
    def in_use(self) -> int:
        """Pairs that are open now."""
        return len(self._open)

    def open_pair(self, host: str) -> UdpPortPair:
        """A free even port and the next one on the numeric address ``host``, bound and non-blocking.

        Raises:
            ResourceError: every pair of the range is in use or rests, or the process has no descriptor left.
            TransportError: ``host`` is not an address of this machine, or its ports may not be bound.
        """
        family_of(host)
        address, fds = self._order.take(host, self._bind)
        pair = UdpPortPair(self, address, *fds)
        self._open.add(pair)
        return pair

    def close(self) -> None:
        """Close every pair that is still open."""
        for pair in list(self._open):
            pair.close()

    def _give_back(self, pair: UdpPortPair) -> None:
        self._open.discard(pair)
        self._order.give_back(pair.address)

    def _bind(self, host: str, port: int) -> tuple[int, int] | None:
        """Both descriptors, or None where one of the ports is in use."""
        rtp = self._socket(host, port)
        if rtp is None:
            return None
        try:
            rtcp = self._socket(host, port + 1)
        except BaseException:
            rtp.close()
            raise
        if rtcp is None:
            rtp.close()
            return None
        return rtp.detach(), rtcp.detach()

    def _socket(self, host: str, port: int) -> socket.socket | None:
        family = family_of(host)
        try:
            made = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        except OSError as error:
            raise self._explained(error, host, port) from None
        try:
            if family == socket.AF_INET6:
                made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            if self._dscp is not None:
                if family == socket.AF_INET6:
                    made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, self._dscp << 2)
                else:
                    made.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, self._dscp << 2)
            made.bind((host, port))
        except OSError as error:
            made.close()
            if error.errno == errno.EADDRINUSE:
                return None
            raise self._explained(error, host, port) from None
        return made

    @staticmethod
    def _explained(error: OSError, host: str, port: int) -> ResourceError | TransportError:
        if error.errno in _EXHAUSTED:
            return ResourceError(f"no socket for media: {error.strerror} (ulimit -n is the limit of open files)")
        if error.errno == errno.EADDRNOTAVAIL:
            return TransportError(f"{host} is not an address of this machine")
        return TransportError(f"media port {port} on {host}: {error.strerror}")


def port_range(text: str) -> tuple[int, int]:
    """The lowest and the highest port that ``LOW-HIGH`` names.

    Raises:
        ConfigurationError: ``text`` is not of that form.
    """
    low, dash, high = text.partition("-")
    if not (dash and all(part.isascii() and part.isdigit() and len(part) <= 5 for part in (low, high))):
        raise ConfigurationError(f"media ports {text!r}: LOW-HIGH is right, e.g. 16384-32767")
    return int(low), int(high)


def family_of(host: str) -> socket.AddressFamily:
    """AF_INET or AF_INET6 of a numeric address.

    Raises:
        TransportError: it is a name or nothing like an address.
    """
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host.partition("%")[0])
        except (OSError, ValueError):
            continue
        return family
    raise TransportError(f"{host!r} is not an IPv4 or IPv6 address")
