"""From the name in a URI to addresses, without blocking: RFC 3263 with a cache over ``dnspython``.

``DnsResolver`` runs the plan of ``voipgw.sip.location`` over whoever asks DNS (``net.dns_client``), and remembers answers as
long as they hold. ``SystemResolver`` asks the system for addresses alone, for those who want what
``getaddrinfo`` knows besides DNS.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import socket
from collections.abc import Callable
from typing import Protocol

from voipgw.errors import TransportError
from voipgw.net.hosts import Hosts
from voipgw.sip.effects import Destination
from voipgw.sip.location import Answer, Draw, Plan, Question, Reach, Target, is_literal, locate

__all__ = ["Asker", "DnsResolver", "Resolver", "SystemResolver", "Target", "is_literal"]

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


_STALE_AGAIN_S = 30.0  #: how long what holds no more is used before DNS is asked again


class Asker(Protocol):
    """Asks DNS."""

    def ask(self, question: Question, answered: Callable[[Answer], None]) -> None:
        """Ask; ``answered`` is called exactly once, at once or later in the loop's thread, never after ``close``."""
        ...

    def close(self) -> None:
        """Give up what is under way."""
        ...


class DnsResolver:
    """NAPTR, SRV, A and AAAA as RFC 3263 says; names of the hosts file come from there and DNS is not asked for them.

    Answers are kept as long as their records say, those that there is no record too; the draw among SRV weights is made anew for
    each request. When DNS does not answer, what it said last holds for another day (RFC 8767).
    """

    def __init__(
        self,
        clock: Callable[[], float],
        asker: Asker,
        reach: Reach,
        draw: Draw,
        *,
        hosts: Hosts | None = None,
        keep: int = 10_000,
        stale_s: float = 86400.0,
        most_open: int = 1000,
    ) -> None:
        """``clock`` gives monotonic seconds. ``keep`` answers are remembered; ``most_open`` questions are under way at a time."""
        self._clock = clock
        self._asker = asker
        self._reach = reach
        self._draw = draw
        self._hosts = hosts or Hosts()
        self._keep = keep
        self._stale_s = stale_s
        self._most_open = most_open
        self._kept: dict[Question, tuple[float, float, Answer]] = {}  #: until when, when its record ran out, what
        self._open: dict[Question, list[Callable[[Answer], None]]] = {}
        self._closed = False

    def resolve(self, destination: Destination, port: int, found: Found) -> None:
        """The targets of ``destination``, best first; ``port`` is the default that the plan knows as well."""
        self._advance(locate(destination, self._reach, self._draw), None, found)

    def close(self) -> None:
        """Forget who waits."""
        self._closed = True
        self._open.clear()
        self._asker.close()

    def _advance(self, plan: Plan, answers: tuple[Answer, ...] | None, found: Found) -> None:
        """One step of a plan after the other, as long as nothing has to be waited for."""
        while not self._closed:
            try:
                questions = next(plan) if answers is None else plan.send(answers)
            except StopIteration as done:
                found(done.value)
                return
            except TransportError as error:
                found(error)
                return
            known: dict[Question, Answer] = {}
            missing = [question for question in questions if not self._known(question, known)]
            if missing:
                self._wait(plan, questions, known, missing, found)
                return
            answers = tuple(known[question] for question in questions)

    def _known(self, question: Question, known: dict[Question, Answer]) -> bool:
        kept = self._kept.get(question)
        if kept is not None and kept[0] > self._clock():
            known[question] = kept[2]
            return True
        listed = self._hosts.answer(question)
        if listed is None:
            return False
        known[question] = listed
        return True

    def _wait(
        self,
        plan: Plan,
        questions: tuple[Question, ...],
        known: dict[Question, Answer],
        missing: list[Question],
        found: Found,
    ) -> None:
        """Ask for what is missing; go on with the plan when the last answer is there."""
        left = len(missing)

        def answered(question: Question, answer: Answer) -> None:
            nonlocal left
            known[question] = answer
            left -= 1
            if not left:
                self._advance(plan, tuple(known[one] for one in questions), found)

        for question in missing:
            self._ask(question, lambda answer, question=question: answered(question, answer))  # type: ignore[misc]

    def _ask(self, question: Question, answered: Callable[[Answer], None]) -> None:
        waiting = self._open.get(question)
        if waiting is not None:
            waiting.append(answered)
            return
        if len(self._open) >= self._most_open:
            answered(Answer(failed="too many names are being looked up"))
            return
        self._open[question] = [answered]
        self._asker.ask(question, lambda answer: self._answered(question, answer))

    def _answered(self, question: Question, answer: Answer) -> None:
        waiting = self._open.pop(question, [])
        if self._closed:
            return
        now = self._clock()
        expires = now + answer.ttl_s
        until, kept = expires, self._kept.pop(question, None)
        if answer.failed and kept is not None and kept[2].records and now < kept[1] + self._stale_s:
            until, expires, answer = now + _STALE_AGAIN_S, kept[1], kept[2]
        if len(self._kept) >= self._keep:
            del self._kept[next(iter(self._kept))]
        self._kept[question] = (until, expires, answer)
        for one in waiting:
            one(answer)


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
