"""Datagrams: what the endpoint needs of a UDP socket, and the real one, which reads a whole burst for each wake-up."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Protocol

from voipgw.errors import TransportError
from voipgw.sip.effects import Address

Receive = Callable[[bytes, Address], None]

BURST = 64  #: datagrams read for one wake-up, so that timers and other sockets get their turn
BUFFER_OCTETS = 4 * 1024 * 1024  #: asked of the kernel for each direction, so that a burst is not lost
LARGEST = 65535
_SO_SNDBUFFORCE, _SO_RCVBUFFORCE = 32, 33  # asm-generic/socket.h: needs CAP_NET_ADMIN
_IP_RECVERR, _IPV6_RECVERR = 11, 25  # linux/in.h, linux/in6.h: keep ICMP errors of an unconnected socket for us


class DatagramWire(Protocol):
    """A bound datagram socket, or the lab's stand-in. Calls never block."""

    @property
    def local(self) -> Address:
        """Where it is bound: the address asked for, and the port that was given."""
        ...

    def send(self, data: bytes, to: Address) -> bool:
        """Send one datagram. False when the kernel had no room for it or refused it: it counts as lost on the way."""
        ...

    def close(self) -> None:
        """Stop reading and give the port back. A second call does nothing."""
        ...


def family_of(host: str) -> socket.AddressFamily:
    """AF_INET6 for an IPv6 literal, else AF_INET."""
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def named(transport: str, address: Address) -> str:
    """``transport:host:port``, with an IPv6 literal in brackets."""
    host, port = address
    return f"{transport}:[{host}]:{port}" if ":" in host else f"{transport}:{host}:{port}"


def mark(sock: socket.socket, dscp: int) -> None:
    """Mark what an IPv4 or IPv6 socket sends with ``dscp``, 0 to 63 (RFC 2474)."""
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, dscp << 2)
    else:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, dscp << 2)


class SocketWire:
    """A UDP socket on an asyncio loop, without asyncio's transport above it."""

    def __init__(
        self,
        host: str,
        port: int,
        receive: Receive,
        refused: Callable[[Address], None],
        loop: asyncio.AbstractEventLoop,
        *,
        dscp: int = 0,
    ) -> None:
        """Bind and begin to read; ``receive(data, source)`` gets each datagram, ``refused(to)`` each ICMP "unreachable".

        What is sent is marked with ``dscp`` (RFC 2474).

        Raises:
            TransportError: the port is in use or the host is not an address of this machine.
        """
        sock = socket.socket(family_of(host), socket.SOCK_DGRAM)
        try:
            sock.setblocking(False)
            if sock.family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            for option, beyond_limits in ((socket.SO_RCVBUF, _SO_RCVBUFFORCE), (socket.SO_SNDBUF, _SO_SNDBUFFORCE)):
                try:
                    sock.setsockopt(socket.SOL_SOCKET, beyond_limits, BUFFER_OCTETS)
                except PermissionError:  # what the system's limits allow, about a hundred messages as it comes
                    sock.setsockopt(socket.SOL_SOCKET, option, BUFFER_OCTETS)
            if sock.family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVERR, 1)
            else:
                sock.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)
            mark(sock, dscp)
            sock.bind((host, port))
        except OSError as error:
            sock.close()
            raise TransportError(f"{named('udp', (host, port))}: {error.strerror or error}") from error
        self._sock = sock
        self._loop = loop
        self._receive = receive
        self._refused = refused
        self._local: Address = (host, sock.getsockname()[1])
        self._closed = False
        loop.add_reader(sock.fileno(), self._readable)

    @property
    def local(self) -> Address:
        """Where it is bound."""
        return self._local

    def send(self, data: bytes, to: Address) -> bool:
        """Send one datagram; False when it was lost at once."""
        try:
            self._sock.sendto(data, to)
        except BlockingIOError:  # no room in the kernel: lost, as on any wire
            return False
        except OSError:  # as a rule the kernel tells of an earlier datagram, and did not send this one
            try:
                self._sock.sendto(data, to)
            except OSError:
                return False
        return True

    def close(self) -> None:
        """Give the port back."""
        if not self._closed:
            self._closed = True
            self._loop.remove_reader(self._sock.fileno())
            self._sock.close()

    def _readable(self) -> None:
        receive, recvfrom = self._receive, self._sock.recvfrom
        for turn in range(BURST):
            try:
                data, source = recvfrom(LARGEST)
            except BlockingIOError:
                if turn == 0:  # woken, and nothing to read: an error waits
                    self._read_errors()
                return
            except OSError:  # the kernel tells of an earlier datagram of ours
                self._read_errors()
                continue
            receive(data, source[:2])
            if self._closed:
                return

    def _read_errors(self) -> None:
        """Drain the queue of ICMP errors; each gives the address that our datagram was sent to."""
        for _ in range(BURST):
            try:
                _, _, _, to = self._sock.recvmsg(256, 512, socket.MSG_ERRQUEUE)
            except OSError:
                return
            if to and not self._closed:
                self._refused(to[:2])
