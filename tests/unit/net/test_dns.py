"""The resolver of an endpoint: its cache, the hosts file, and what an endpoint does with several targets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from voipgw.errors import TransportError
from voipgw.net.dns import DnsResolver, Target
from voipgw.net.hosts import Hosts, parse_hosts
from voipgw.net.settings import EndpointSettings
from voipgw.sip import Response
from voipgw.sip.effects import Destination, Effect, Respond, SendRequest
from voipgw.sip.location import Answer, Question, Srv
from voipgw.sip.message import Request
from voipgw.sip.timers import Timers


class Zone:
    """DNS in the hands of the test."""

    def __init__(self, **addresses: str) -> None:
        self.answers: dict[Question, Answer] = {
            Question(f"{name}.test", "A"): Answer((address,), 30.0) for name, address in addresses.items()
        }
        self.asked: list[Question] = []
        self.held: list[Callable[[], None]] | None = None  #: answers that wait, when it is a list
        self.failed = ""

    def ask(self, question: Question, answered: Callable[[Answer], None]) -> None:
        self.asked.append(question)
        answer = self.answers.get(question, Answer((), 10.0))
        if self.failed:
            answer = Answer((), 2.0, self.failed)
        if self.held is None:
            answered(answer)
        else:
            self.held.append(lambda: answered(answer))

    def close(self) -> None:
        pass


class Now:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def resolver(zone: Zone, clock: Now, **options: Any) -> DnsResolver:
    options.setdefault("hosts", Hosts(None))
    return DnsResolver(clock, zone, lambda transport, six: not six, lambda: 0.0, **options)


def look_up(dns: DnsResolver, host: str, port: int | None = 5060) -> list[list[Target] | TransportError]:
    found: list[list[Target] | TransportError] = []
    dns.resolve(Destination(host, port), 5060, found.append)
    return found


def test_an_answer_is_kept_as_long_as_it_holds() -> None:
    zone, clock = Zone(a="192.0.2.1"), Now()
    dns = resolver(zone, clock)
    for _ in range(3):
        assert look_up(dns, "a.test") == [[Target("udp", "192.0.2.1", 5060, "a.test")]]
    assert len(zone.asked) == 1
    clock.now += 31
    look_up(dns, "a.test")
    assert len(zone.asked) == 2


def test_that_there_is_no_such_name_is_kept_too() -> None:
    zone, clock = Zone(), Now()
    dns = resolver(zone, clock)
    for _ in range(3):
        assert isinstance(look_up(dns, "nobody.test")[0], TransportError)
    assert len(zone.asked) == 1
    zone.answers[Question("nobody.test", "A")] = Answer(("192.0.2.5",), 30.0)
    clock.now += 11
    assert isinstance(look_up(dns, "nobody.test")[0], list)


def test_one_question_is_asked_once_however_many_wait() -> None:
    zone = Zone(a="192.0.2.1")
    zone.held = []
    dns = resolver(zone, Now())
    found: list[Any] = []
    for _ in range(5):
        dns.resolve(Destination("a.test", 5060), 5060, found.append)
    assert found == [] and len(zone.asked) == 1
    zone.held.pop()()
    assert len(found) == 5


def test_what_dns_said_last_holds_while_it_does_not_answer_but_not_for_ever() -> None:
    zone, clock = Zone(a="192.0.2.1"), Now()
    dns = resolver(zone, clock, stale_s=3600.0)
    look_up(dns, "a.test")
    zone.failed = "DNS does not answer"
    clock.now += 100
    assert isinstance(look_up(dns, "a.test")[0], list)
    asked = len(zone.asked)
    assert isinstance(look_up(dns, "a.test")[0], list)
    assert len(zone.asked) == asked  # for a while nobody waits for a server that is silent
    clock.now += 4000
    assert isinstance(look_up(dns, "a.test")[0], TransportError)


def test_the_cache_and_the_questions_under_way_are_bounded() -> None:
    zone = Zone(**{f"n{number}": "192.0.2.1" for number in range(20)})
    dns = resolver(zone, Now(), keep=10, most_open=3)
    for number in range(20):
        look_up(dns, f"n{number}.test")
    look_up(dns, "n19.test")
    assert len(zone.asked) == 20
    look_up(dns, "n0.test")
    assert len(zone.asked) == 21
    zone.held = []
    found: list[Any] = []
    for number in range(1, 5):
        dns.resolve(Destination(f"n{number}.test", 5060), 5060, found.append)
    assert "too many names" in str(found[0])
    assert len(zone.held) == 3


def test_nobody_hears_of_an_answer_after_the_end() -> None:
    zone = Zone(a="192.0.2.1")
    zone.held = []
    dns = resolver(zone, Now())
    found = look_up(dns, "a.test")
    dns.close()
    zone.held.pop()()
    assert found == []


def test_weights_are_drawn_anew_for_each_request() -> None:
    zone, draws = Zone(a="192.0.2.1", b="192.0.2.2"), iter([0.0, 0.0, 0.99, 0.0])
    zone.answers[Question("_sip._udp.x.test", "SRV")] = Answer(
        (Srv(1, 1, 5060, "a.test"), Srv(1, 1, 5060, "b.test")), 30.0
    )
    dns = DnsResolver(Now(), zone, lambda transport, six: not six, lambda: next(draws), hosts=Hosts(None))
    firsts = []
    for _ in range(2):
        (targets,) = look_up(dns, "x.test", None)
        assert isinstance(targets, list)
        firsts.append(targets[0].host)
    assert firsts == ["192.0.2.1", "192.0.2.2"]


def test_names_of_the_hosts_file_are_not_asked_of_dns(tmp_path: Path) -> None:
    path = tmp_path / "hosts"
    path.write_text("192.0.2.7 pbx PBX.test # the old one\n2001:db8::7 pbx\nnonsense pbx\n")
    zone = Zone()
    dns = resolver(zone, Now(), hosts=Hosts(path))
    assert look_up(dns, "Pbx.test", None) == [[Target("udp", "192.0.2.7", 5060, "Pbx.test")]]
    assert look_up(dns, "localhost") == [[Target("udp", "127.0.0.1", 5060, "localhost")]]
    assert isinstance(look_up(dns, "df7jal23ls0d.invalid")[0], TransportError)
    assert zone.asked == []
    path.write_text("192.0.2.70 pbx pbx.test\n")
    assert look_up(dns, "pbx") == [[Target("udp", "192.0.2.70", 5060, "pbx")]]


def test_a_hosts_file_is_read_as_far_as_it_makes_sense() -> None:
    assert parse_hosts("\n127.0.0.1\tlocalhost\n::1 localhost\n127.0.0.1 localhost\n1.2.3 x\n# 1.2.3.4 y\n") == {
        "localhost": ["127.0.0.1", "::1"]
    }


# Several targets of one name (RFC 3263 section 4.3).


class Table:
    """A resolver that gives the same targets each time."""

    def __init__(self, *targets: Target) -> None:
        self.targets = list(targets)

    def resolve(self, destination: Destination, port: int, found: Callable[[Any], None]) -> None:
        found(list(self.targets))

    def close(self) -> None:
        pass


def answering(status: int, *fields: tuple[str, str]) -> Callable[..., list[Effect]]:
    def accept(request: Request, arrival: Any, now: float) -> list[Effect]:
        if request.method == "ACK":
            return []
        return [Respond(request, Response.answer(request, status, to_tag="t", fields=list(fields)))]

    return accept


QUICK = EndpointSettings(timers=Timers(t1_s=0.002, t2_s=0.008, t4_s=0.01))


@pytest.mark.parametrize("method", ["INVITE", "OPTIONS"])
def test_a_server_that_answers_503_leaves_its_turn_to_the_next(play: Any, party: Any, method: str) -> None:
    async def main(stage: Any) -> None:
        busy = await stage.endpoint(accept=answering(503, ("Retry-After", "30")))
        good = await stage.endpoint(accept=answering(486))
        table = Table(*(Target("udp", "127.0.0.1", one.listeners[0].port, "x.test") for one in (busy, good)))
        client = await stage.endpoint(resolver=table)
        user = party("sip:x.test")
        client.perform(user, [SendRequest(user.request(method), user)])
        await user.wait()
        assert user.seen == [f"486 {method}"]
        again = party("sip:x.test")
        client.perform(again, [SendRequest(again.request(method, call_id="again"), again)])
        await again.wait()
        assert busy.counters.requests_received <= 2  # the request, and the ACK of an INVITE; not asked again for 30 s
        assert good.counters.refused == {} and again.seen == [f"486 {method}"]

    play(main)


def test_the_last_503_is_what_the_user_hears(play: Any, party: Any) -> None:
    async def main(stage: Any) -> None:
        servers = [await stage.endpoint(accept=answering(503)) for _ in range(2)]
        table = Table(*(Target("udp", "127.0.0.1", one.listeners[0].port, "x.test") for one in servers))
        client = await stage.endpoint(resolver=table)
        user = party("sip:x.test")
        client.perform(user, [SendRequest(user.request("INVITE"), user)])
        await user.wait()
        assert user.seen == ["503 INVITE"] and user.errors == []
        assert [server.counters.requests_received >= 1 for server in servers] == [True, True]

    play(main)


@pytest.mark.parametrize("method", ["INVITE", "OPTIONS"])
def test_a_server_that_is_silent_leaves_its_turn_to_the_next(play: Any, party: Any, method: str) -> None:
    async def main(stage: Any) -> None:
        good = await stage.endpoint(accept=answering(486))
        silent = stage.peer(good)
        table = Table(
            Target("udp", *silent.address, "x.test"), Target("udp", "127.0.0.1", good.listeners[0].port, "x.test")
        )
        client = await stage.endpoint(resolver=table, settings=QUICK)
        user = party("sip:x.test")
        client.perform(user, [SendRequest(user.request(method), user)])
        await user.wait()
        assert user.seen == [f"486 {method}"] and user.errors == []
        assert client.counters.timeouts == 1
        quick = party("sip:x.test")
        client.perform(quick, [SendRequest(quick.request(method, call_id="quick"), quick)])
        await quick.wait()
        assert client.counters.timeouts == 1  # the silent one comes last now

    play(main)


def test_a_call_that_was_cancelled_goes_nowhere_else(play: Any, party: Any) -> None:
    async def main(stage: Any) -> None:
        good = await stage.endpoint(accept=answering(486))
        silent = stage.peer(good)
        table = Table(
            Target("udp", *silent.address, "x.test"), Target("udp", "127.0.0.1", good.listeners[0].port, "x.test")
        )
        client = await stage.endpoint(resolver=table, settings=QUICK)
        user = party("sip:x.test")
        request = user.request("INVITE")
        from voipgw.sip.effects import CancelRequest

        client.perform(user, [SendRequest(request, user), CancelRequest(request)])
        await user.wait()
        assert len(user.errors) == 1
        assert good.counters.requests_received == 0

    play(main)


def test_nothing_of_a_request_that_went_on_is_left_behind(play: Any, party: Any) -> None:
    async def main(stage: Any) -> None:
        busy = await stage.endpoint(accept=answering(503))
        good = await stage.endpoint(accept=answering(200))
        table = Table(*(Target("udp", "127.0.0.1", one.listeners[0].port, "x.test") for one in (busy, good)))
        client = await stage.endpoint(resolver=table, settings=QUICK)
        user = party("sip:x.test")
        client.perform(user, [SendRequest(user.request("OPTIONS"), user)])
        await user.wait()
        async with asyncio.timeout(10):
            while client.transactions:
                await asyncio.sleep(0)

    play(main)
