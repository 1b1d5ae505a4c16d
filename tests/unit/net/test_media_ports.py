"""Pairs of RTP ports."""

from __future__ import annotations

import contextlib
import datetime as dt
import errno
import os
import resource
import socket

import pytest

from voipgw.entropy import SeededEntropy
from voipgw.errors import ConfigurationError, ResourceError, TransportError
from voipgw.net.media_ports import UdpMediaPorts, port_range

LOW = 42000


class HandClock:
    """A clock that is set by hand."""

    now = 100.0

    def monotonic(self) -> float:
        return self.now

    def utc(self) -> dt.datetime:
        return dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def ports(low: int = LOW, high: int = LOW + 7, seed: int = 1, **options: object) -> UdpMediaPorts:
    return UdpMediaPorts(low, high, entropy=SeededEntropy(seed), **options)  # type: ignore[arg-type]


def reborn(fd: int) -> socket.socket:
    return socket.socket(fileno=os.dup(fd))


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_pair_is_an_even_port_and_the_next_bound_and_non_blocking(host: str) -> None:
    try:
        pair = ports().open_pair(host)
    except TransportError:
        pytest.skip(f"no {host} here")
    with reborn(pair.rtp_fd) as rtp, reborn(pair.rtcp_fd) as rtcp:
        assert pair.address == (host, rtp.getsockname()[1])
        assert pair.address[1] % 2 == 0
        assert rtcp.getsockname()[1] == pair.address[1] + 1
        with pytest.raises(BlockingIOError):
            rtp.recv(10)
        if host == "::1":
            assert rtp.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS) == 46 << 2
        else:
            assert rtp.getsockopt(socket.IPPROTO_IP, socket.IP_TOS) == 46 << 2
    pair.close()
    pair.close()
    assert pair.rtp_fd == pair.rtcp_fd == -1


def test_marking_can_be_set_and_left_alone() -> None:
    for dscp, tos in ((34, 34 << 2), (None, 0)):
        pair = ports(dscp=dscp).open_pair("127.0.0.1")
        with reborn(pair.rtp_fd) as rtp:
            assert rtp.getsockopt(socket.IPPROTO_IP, socket.IP_TOS) == tos
        pair.close()


def test_the_order_of_ports_is_drawn_from_entropy() -> None:
    orders = []
    for seed in (1, 1, 2, 3):
        mine = ports(LOW, LOW + 63, seed)
        pairs = [mine.open_pair("127.0.0.1") for _ in range(8)]
        orders.append([pair.address[1] for pair in pairs])
        mine.close()
        assert mine.in_use == 0
    assert orders[0] == orders[1]
    assert len({tuple(order) for order in orders}) == 3
    assert all(order != sorted(order) for order in orders)


def test_a_full_range_is_said_and_a_pair_rests_before_it_is_used_again() -> None:
    clock = HandClock()
    mine = ports(LOW, LOW + 7, clock=clock, drain_s=2.0)
    pairs = [mine.open_pair("127.0.0.1") for _ in range(mine.capacity)]
    assert sorted(pair.address[1] for pair in pairs) == [LOW, LOW + 2, LOW + 4, LOW + 6]
    with pytest.raises(ResourceError, match=rf"{LOW}-{LOW + 7} on 127.0.0.1: 4 open"):
        mine.open_pair("127.0.0.1")
    pairs[0].close()
    with pytest.raises(ResourceError, match="3 open, 1 resting"):
        mine.open_pair("127.0.0.1")
    clock.now += 2.0
    again = mine.open_pair("127.0.0.1")
    assert again.address == pairs[0].address
    mine.close()


def test_ports_that_others_use_are_passed_over_and_taken_when_free() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", LOW + 1))
        mine = ports(LOW, LOW + 3, clock=HandClock(), drain_s=0.0)
        pair = mine.open_pair("127.0.0.1")
        assert pair.address[1] == LOW + 2
        with pytest.raises(ResourceError):
            mine.open_pair("127.0.0.1")
    other = mine.open_pair("127.0.0.1")
    assert other.address[1] == LOW
    mine.close()


def test_each_local_address_has_the_whole_range() -> None:
    mine = ports(LOW, LOW + 1)
    assert mine.open_pair("127.0.0.1").address[1] == mine.open_pair("127.0.0.2").address[1] == LOW
    mine.close()


@pytest.mark.parametrize(
    ("host", "message"),
    [("localhost", "not an IPv4"), ("", "not an IPv4"), ("203.0.113.7", "not an address of this machine")],
)
def test_a_host_that_is_not_ours_is_named(host: str, message: str) -> None:
    mine = ports()
    with pytest.raises(TransportError, match=message):
        mine.open_pair(host)
    assert mine.in_use == 0


def test_no_descriptor_left_is_a_resource_error_and_leaks_nothing() -> None:
    mine = ports(LOW, LOW + 1)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    held = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 512), hard))
    try:
        with contextlib.suppress(OSError):
            while True:
                held.append(os.dup(0))
        os.close(held.pop())  # enough for RTP, not for RTCP
        with pytest.raises(ResourceError, match=os.strerror(errno.EMFILE)):
            mine.open_pair("127.0.0.1")
    finally:
        for fd in held:
            os.close(fd)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert mine.in_use == 0
    assert mine.open_pair("127.0.0.1").address[1] == LOW
    mine.close()


@pytest.mark.parametrize(("low", "high"), [(0, 10), (10, 70000), (11, 12), (10, 10), (20, 10)])
def test_a_range_without_a_pair_is_refused(low: int, high: int) -> None:
    with pytest.raises(ConfigurationError, match=f"{low}-{high}"):
        UdpMediaPorts(low, high)


def test_a_range_is_read_from_text() -> None:
    assert port_range("42001-42005") == (42001, 42005)
    assert UdpMediaPorts(42001, 42005).capacity == 2
    for wrong in ("", "42000", "a-b", "42000-", "42000-123456"):
        with pytest.raises(ConfigurationError, match="LOW-HIGH"):
            port_range(wrong)
    with pytest.raises(ConfigurationError, match="DSCP"):
        UdpMediaPorts(42000, 42010, dscp=64)
