"""From the name in a URI to addresses, without blocking: the place where RFC 3263 is answered.

``SystemResolver`` asks the system for A and AAAA records (RFC 3263 section 4.2, last step). A resolver that follows NAPTR and
SRV implements the same protocol and returns targets of other transports and ports.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import functools
import ipaddress
import socket
from collections.abc import Callable
from typing import Protocol

import attrs

from voipgw.errors import TransportError
from voipgw.sip.effects import Destination


@attrs.frozen
class Target:
    """One address to try."""

    transport: str
    host: str  #: an IP literal without brackets
    port: int
    name: str = ""  #: whom a TLS certificate has to prove there: the host before any look-up (RFC 5922 section 7.3)


Found = Callable[[list[Target] | TransportError], None]


class Resolver(Protocol):
    """Finds what to try, in order, for a destination whose host is a name."""

    def resolve(self, destination: Destination, port: int, found: Found) -> None:
        """Look up ``destination.host``; ``port`` is the one to use where DNS gives none.

        ``found`` is called exactly once, at once when the answer is known already, else later in the loop's thread, with one
        target or more, or with the error; never after ``close``.
        """
        ...

    def close(self) -> None:
        """Give up what is under way."""
        ...


@functools.lru_cache(4096)
def is_literal(host: str) -> bool:
    """Whether ``host`` is an IPv4 or IPv6 address (without brackets)."""
    if not host or not (host[-1].isdigit() or ":" in host):
        return False
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


class SystemResolver:
    """``getaddrinfo`` in a few threads of its own, with answers kept for a while, since it does not tell a record's lifetime."""

    def __init__(self, loop: asyncio.AbstractEventLoop, *, keep_s: float = 30.0, keep_names: int = 1000) -> None:
        self._loop = loop
        self._keep_s = keep_s
        self._keep_names = keep_names
        self._kept: dict[tuple[str, int, str], tuple[float, list[Target]]] = {}
        self._waiting: dict[tuple[str, int, str], list[Found]] = {}
        self._threads: concurrent.futures.ThreadPoolExecutor | None = None
        self._closed = False

    def resolve(self, destination: Destination, port: int, found: Found) -> None:
        """A and AAAA records of the host, as the system orders them."""
        key = (destination.host, port, destination.transport)
        kept = self._kept.get(key)
        if kept is not None and kept[0] > self._loop.time():
            found(kept[1])
            return
        if key in self._waiting:
            self._waiting[key].append(found)
            return
        self._waiting[key] = [found]
        if self._threads is None:
            self._threads = concurrent.futures.ThreadPoolExecutor(4, thread_name_prefix="voipgw-dns")
        future = self._loop.run_in_executor(self._threads, _addresses, destination.host, port)
        future.add_done_callback(lambda done: self._answer(key, done))

    def close(self) -> None:
        """Forget who waits; a thread that still asks ends by itself."""
        self._closed = True
        self._waiting.clear()
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)

    def _answer(self, key: tuple[str, int, str], done: asyncio.Future[list[tuple[str, int]]]) -> None:
        waiting = self._waiting.pop(key, [])
        if self._closed or done.cancelled():
            return
        host, _, transport = key
        error = done.exception()
        answer: list[Target] | TransportError
        if error is None:
            answer = [Target(transport, address, port, host) for address, port in done.result()]
            if len(self._kept) >= self._keep_names:
                self._kept.clear()
            self._kept[key] = (self._loop.time() + self._keep_s, answer)
        else:
            answer = TransportError(f"{host}: {getattr(error, 'strerror', None) or error}")
        for found in waiting:
            found(answer)


def _addresses(host: str, port: int) -> list[tuple[str, int]]:
    answers = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
    return [(str(answer[4][0]), int(answer[4][1])) for answer in answers]
