"""A span of ours against libpri 1.6, an independent stack: as user and as network, for every switch type that it knows.

The peer program links a GPL-2 library; it is built when the test runs and runs as a process of its own.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import pytest

from voipgw.causes import Cause
from voipgw.drivers.span_runner import SpanRunner
from voipgw.drivers.unix_span import UnixSpan
from voipgw.pstn.isdn.call import IsdnCall
from voipgw.pstn.isdn.call_effects import CallEffect, CallEnded, Clearing, Received
from voipgw.pstn.isdn.elements import (
    BearerCapability,
    CauseInfo,
    NotificationIndicator,
    ProgressIndicator,
)
from voipgw.pstn.isdn.link import LinkFault, Side
from voipgw.pstn.isdn.numbers import CalledNumber
from voipgw.pstn.isdn.parties import CallDetails, details_of, elements_of
from voipgw.pstn.isdn.q931 import Message
from voipgw.pstn.isdn.q931_tables import CallState, MessageType
from voipgw.pstn.isdn.span import (
    CallArrived,
    CallReport,
    ChannelService,
    ChannelsRestarted,
    LinkChanged,
    Span,
    SpanEffect,
)
from voipgw.pstn.isdn.switch_tables import SWITCHES, SwitchProfile

pytestmark = pytest.mark.peer
ROOT = Path(__file__).parents[2]
SOURCE = Path(os.environ.get("VOIPGW_PEERS", ROOT.parent / "shared/peers")) / "pstn/libpri_peer.c"
M = MessageType
WAIT_S = 5.0


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("cc") or shutil.which("gcc")
    missing = [
        what
        for what, there in (
            ("libpri.h (Debian: libpri-dev)", Path("/usr/include/libpri.h").exists()),
            ("the peer program's source (VOIPGW_PEERS)", SOURCE.exists()),
            ("a C compiler", compiler is not None),
        )
        if not there
    ]
    if missing:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(f"not here: {', '.join(missing)}")
    out = tmp_path_factory.mktemp("libpri") / "libpri_peer"
    subprocess.run([str(compiler), "-O2", "-o", str(out), str(SOURCE), "-lpri"], check=True, timeout=120)
    version = subprocess.run([str(out), "--selftest"], capture_output=True, text=True, check=False, timeout=60)
    print(version.stdout.splitlines()[0])
    return out


class Peer:
    """The program: commands in, JSON events out."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.seen: list[dict[str, object]] = []

    def say(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line.encode() + b"\n")

    async def want(self, event: str, **values: object) -> dict[str, object]:
        """The next event of that name; others are kept."""
        async with asyncio.timeout(WAIT_S):
            while True:
                for index, seen in enumerate(self.seen):
                    if seen["ev"] == event and all(seen.get(key) == value for key, value in values.items()):
                        return self.seen.pop(index)
                assert self.process.stdout is not None
                line = await self.process.stdout.readline()
                assert line, f"the peer ended while {event} was waited for; seen {self.seen}"
                self.seen.append(json.loads(line))


@attrs.define
class Rig:
    """A span of ours and the peer."""

    switch: str
    profile: SwitchProfile
    span: Span
    runner: SpanRunner
    peer: Peer
    effects: list[SpanEffect]
    arrived: asyncio.Event

    async def want(self, what: str, match: Callable[[SpanEffect], bool]) -> SpanEffect:
        async with asyncio.timeout(WAIT_S):
            while True:
                for index, effect in enumerate(self.effects):
                    if match(effect):
                        return self.effects.pop(index)
                self.arrived.clear()
                try:
                    await self.arrived.wait()
                except asyncio.CancelledError:
                    print(f"waited for {what}; there is {self.effects}; the peer said {self.peer.seen}")
                    raise

    async def received(self, call: IsdnCall, kind: MessageType) -> Message:
        def match(effect: SpanEffect) -> bool:
            if not isinstance(effect, CallReport) or effect.call is not call:
                return False
            return isinstance(effect.effect, Received) and effect.effect.message.kind == kind

        report = await self.want(kind.name, match)
        assert isinstance(report, CallReport)
        assert isinstance(report.effect, Received)
        return report.effect.message

    async def ended(self, call: IsdnCall) -> CallEnded:
        report = await self.want(
            "the end", lambda e: isinstance(e, CallReport) and e.call is call and isinstance(e.effect, CallEnded)
        )
        assert isinstance(report, CallReport)
        assert isinstance(report.effect, CallEnded)
        return report.effect

    async def arrival(self) -> CallArrived:
        effect = await self.want("a call", lambda e: isinstance(e, CallArrived))
        assert isinstance(effect, CallArrived)
        return effect

    def do(self, call: IsdnCall, effects: list[CallEffect]) -> None:
        self.runner.perform(self.span.perform(call, effects, self.now))

    @property
    def now(self) -> float:
        return self.runner.now()

    def place(self, details: CallDetails, channel: int | None = None) -> IsdnCall:
        call, effects = self.span.place(elements_of(details, self.profile), self.now, channel=channel)
        self.runner.perform(effects)
        return call

    async def peers_call(self, **options: object) -> tuple[CallArrived, int]:
        """The peer calls us."""
        words = {"channel": 3, "called": "5551234", "complete": 1, **options}
        self.peer.say("call " + " ".join(f"{key}={value}" for key, value in words.items()))
        reference = (await self.peer.want("CALL"))["call"]
        assert isinstance(reference, int)
        return await self.arrival(), reference

    async def our_call(
        self, details: CallDetails | None = None, channel: int = 3
    ) -> tuple[IsdnCall, dict[str, object]]:
        """We call the peer; what it says of the call."""
        call = self.place(details or CallDetails("5551234", "2125550100"), channel)
        return call, await self.peer.want("RING")

    async def up(self, channel: int = 3) -> tuple[IsdnCall, int]:
        """A call of ours, answered."""
        call, ring = await self.our_call(channel=channel)
        for verb, kind in (("proceeding", M.CALL_PROCEEDING), ("alert", M.ALERTING), ("answer", M.CONNECT)):
            self.peer.say(f"{verb} call={ring['call']}")
            await self.received(call, kind)
        assert call.state is CallState.ACTIVE
        assert isinstance(ring["call"], int)
        return call, ring["call"]

    async def we_clear(self, call: IsdnCall, reference: int, cause: int = 16) -> None:
        self.do(call, call.disconnect(cause, self.now))
        assert (await self.peer.want("HANGUP_REQ", call=reference))["cause"] == cause
        self.peer.say(f"hangup call={reference} cause={cause}")
        await self.peer.want("HANGUP_ACK", call=reference)
        assert (await self.ended(call)).clean

    async def peer_clears(self, call: IsdnCall, reference: int, cause: int) -> None:
        self.peer.say(f"hangup call={reference} cause={cause}")
        message = await self.received(call, M.DISCONNECT)
        info = message.find(CauseInfo)
        assert info is not None
        assert info.value == cause
        self.do(call, call.disconnect(cause, self.now))
        await self.peer.want("HANGUP", call=reference)
        assert await self.ended(call) == CallEnded(cause)


@asynccontextmanager
async def rig(program: Path, folder: Path, switch: str, side: Side, *options: str) -> AsyncIterator[Rig]:
    """The peer listens, we connect; both links are up."""
    path = folder / "span"
    node = "net" if side is Side.USER else "cpe"
    process = await asyncio.create_subprocess_exec(
        str(program), "--listen", str(path), "--node", node, "--switch", switch, "--hold", "--service", *options,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        async with asyncio.timeout(WAIT_S):
            while not path.exists():
                await asyncio.sleep(0.01)
        profile = SWITCHES[switch]
        span = Span(side, profile)
        effects: list[SpanEffect] = []
        arrived = asyncio.Event()

        def deliver(effect: SpanEffect) -> None:
            assert not isinstance(effect, LinkFault), f"layer 2: {effect}"
            effects.append(effect)
            arrived.set()

        driver = UnixSpan(str(path), law=profile.law)
        runner = SpanRunner(span, driver, deliver)
        peer = Peer(process)
        made = Rig(switch, profile, span, runner, peer, effects, arrived)
        async with asyncio.timeout(WAIT_S):
            while True:
                try:
                    await runner.start()
                    break
                except Exception:
                    await asyncio.sleep(0.01)
        await made.want("the link", lambda effect: effect == LinkChanged(True))
        await peer.want("DCHAN_UP")
        yield made
        await runner.close()
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


# -- scenarios


async def en_bloc(r: Rig) -> None:
    call, ring = await r.our_call()
    assert (ring["called"], ring["calling"], ring["channel"], ring["bearer"]) == ("5551234", "2125550100", 3, 0)
    for verb, kind in (("proceeding", M.CALL_PROCEEDING), ("alert", M.ALERTING), ("answer", M.CONNECT)):
        r.peer.say(f"{verb} call={ring['call']}")
        await r.received(call, kind)
    await r.we_clear(call, int(str(ring["call"])))


async def en_bloc_from_the_peer(r: Rig) -> None:
    arrival, reference = await r.peers_call(calling="2125550100")
    details = details_of(arrival.message, r.profile)
    whole = r.switch != "qsig"  # there libpri leaves it to the called side to know
    assert (details.called, details.calling, details.complete) == ("5551234", "2125550100", whole)
    call = arrival.call
    assert call.channel == 3
    for command, event in ((call.proceeding, "PROCEEDING"), (call.alerting, "RINGING"), (call.connect, "ANSWER")):
        r.do(call, command(r.now))
        await r.peer.want(event, call=reference)
    if call.state is CallState.CONNECT_REQUEST:
        await r.received(call, M.CONNECT_ACKNOWLEDGE)
    assert call.state is CallState.ACTIVE
    await r.we_clear(call, reference)


async def the_called_side_clears(r: Rig) -> None:
    call, reference = await r.up()
    await r.peer_clears(call, reference, 31)


async def the_peer_clears_its_own_call(r: Rig) -> None:
    arrival, reference = await r.peers_call()
    r.do(arrival.call, arrival.call.connect(r.now))
    await r.peer.want("ANSWER")
    await r.peer_clears(arrival.call, reference, 16)


async def busy(r: Rig) -> None:
    call, ring = await r.our_call()
    r.peer.say(f"proceeding call={ring['call']}")
    await r.received(call, M.CALL_PROCEEDING)
    await r.peer_clears(call, int(str(ring["call"])), 17)


async def unallocated(r: Rig) -> None:
    call, ring = await r.our_call()
    r.peer.say(f"hangup call={ring['call']} cause=1")
    assert (await r.ended(call)).cause == 1


async def we_refuse(r: Rig) -> None:
    for cause in (1, 17, 21, 34):
        arrival, reference = await r.peers_call()
        r.do(arrival.call, arrival.call.disconnect(cause, r.now))
        assert (await r.peer.want("HANGUP", call=reference))["cause"] == cause
        await r.ended(arrival.call)


async def we_refuse_after_proceeding(r: Rig) -> None:
    arrival, reference = await r.peers_call()
    r.do(arrival.call, arrival.call.proceeding(r.now))
    await r.peer.want("PROCEEDING")
    await r.we_clear(arrival.call, reference, 17)


async def in_band(r: Rig) -> None:
    call, ring = await r.our_call()
    r.peer.say(f"proceeding call={ring['call']}")
    await r.received(call, M.CALL_PROCEEDING)
    r.peer.say(f"progress call={ring['call']} inband=1")
    message = await r.received(call, M.PROGRESS)
    assert any(info.description == ProgressIndicator.INBAND for info in message.find_all(ProgressIndicator))
    await r.we_clear(call, int(str(ring["call"])))
    arrival, reference = await r.peers_call()
    r.do(arrival.call, arrival.call.proceeding(r.now))
    r.do(arrival.call, arrival.call.progress([ProgressIndicator(ProgressIndicator.INBAND, 1)], r.now))
    assert int(str((await r.peer.want("PROGRESS"))["progressmask"])) != 0
    await r.we_clear(arrival.call, reference)


async def abandoned(r: Rig) -> None:
    call, ring = await r.our_call()
    r.peer.say(f"alert call={ring['call']}")
    await r.received(call, M.ALERTING)
    await r.we_clear(call, int(str(ring["call"])))


async def restart(r: Rig) -> None:
    r.runner.perform(r.span.restart((5,), r.now))
    assert (await r.peer.want("RESTART"))["channel"] == 5
    await r.want("the restart", lambda e: e == ChannelsRestarted((5,), True))
    r.peer.say("restart channel=6")
    await r.want("the restart", lambda e: e == ChannelsRestarted((6,), False))
    assert (await r.peer.want("RESTART_ACK"))["channel"] == 6


async def a_restart_clears_a_call(r: Rig) -> None:
    call, _ = await r.up(7)
    r.peer.say("restart channel=7")
    await r.ended(call)
    await r.peer.want("RESTART_ACK")


async def notify(r: Rig) -> None:
    call, reference = await r.up()
    info = 121 if r.switch.startswith("euroisdn") else 1
    r.do(call, call.send(M.NOTIFY, [NotificationIndicator(info)], r.now))
    assert int(str((await r.peer.want("NOTIFY"))["info"])) & 0x7F == info
    r.peer.say(f"notify call={reference} info={info}")
    message = await r.received(call, M.NOTIFY)
    assert message.find(NotificationIndicator) == NotificationIndicator(info)
    await r.we_clear(call, reference)


async def redirecting(r: Rig) -> None:
    call, ring = await r.our_call(CallDetails("5551234", "100", redirecting="3035550199", redirecting_reason=1))
    assert ring["rdnis"] == "3035550199"
    r.peer.say(f"alert call={ring['call']}")
    await r.received(call, M.ALERTING)
    await r.we_clear(call, int(str(ring["call"])))
    arrival, reference = await r.peers_call(rdnis="3035550199", calling="100")
    if r.switch not in ("qsig", "euroisdn", "euroisdn_t1"):  # there libpri puts it into a facility
        assert details_of(arrival.message, r.profile).redirecting == "3035550199"
    r.do(arrival.call, arrival.call.alerting(r.now))
    await r.we_clear(arrival.call, reference)


async def user_user(r: Rig) -> None:
    call, ring = await r.our_call(CallDetails("5551234", "100", user_user=b"hello-uu"))
    assert ring.get("uu") == ("hello-uu" if r.profile.user_user else None)
    r.peer.say(f"alert call={ring['call']}")
    await r.we_clear(call, int(str(ring["call"])))
    arrival, reference = await r.peers_call(uu="hello-uu")
    if r.profile.user_user:
        assert details_of(arrival.message, r.profile).user_user == b"hello-uu"
    r.do(arrival.call, arrival.call.alerting(r.now))
    await r.we_clear(arrival.call, reference)


async def digital(r: Rig) -> None:
    call, ring = await r.our_call(CallDetails("5551234", bearer=BearerCapability.UNRESTRICTED_DIGITAL))
    assert ring["bearer"] == 8
    r.peer.say(f"alert call={ring['call']}")
    await r.we_clear(call, int(str(ring["call"])))
    arrival, reference = await r.peers_call(bearer="64k")
    assert details_of(arrival.message, r.profile).bearer == 8
    r.do(arrival.call, arrival.call.alerting(r.now))
    await r.we_clear(arrival.call, reference)


async def keypad(r: Rig) -> None:
    call, ring = await r.our_call(CallDetails("5551234", keypad="*72"))
    assert ring["keypad"] == "*72"
    r.peer.say(f"alert call={ring['call']}")
    await r.we_clear(call, int(str(ring["call"])))
    arrival, reference = await r.peers_call(keypad="*72")
    assert details_of(arrival.message, r.profile).keypad == "*72"
    r.do(arrival.call, arrival.call.alerting(r.now))
    await r.we_clear(arrival.call, reference)


async def names(r: Rig) -> None:
    if not r.profile.calling_name:
        return
    call, ring = await r.our_call(CallDetails("5551234", "100", "ADA LOVELACE"))
    assert ring["name"] == "ADA LOVELACE"
    r.peer.say(f"alert call={ring['call']}")
    await r.we_clear(call, int(str(ring["call"])))


async def every_channel(r: Rig) -> None:
    calls = [await r.up(channel) for channel in r.profile.channels]
    assert r.span.pool.idle == set()
    for call, reference in calls:
        await r.we_clear(call, reference)


async def many_calls_each_way(r: Rig) -> None:
    """Numbers and causes are those that were sent, call after call."""
    causes = [16, 17, 18, 19, 21, 27, 28, 31, 34, 41]
    for n in range(100):
        called, calling, cause = f"555{n:04}", f"212{n:07}", causes[n % len(causes)]
        channel = r.profile.channels[n % len(r.profile.channels)]
        call, ring = await r.our_call(CallDetails(called, calling), channel)
        assert (ring["called"], ring["calling"], ring["channel"]) == (called, calling, channel)
        r.peer.say(f"proceeding call={ring['call']}")
        r.peer.say(f"answer call={ring['call']}")
        await r.received(call, M.CONNECT)
        await r.we_clear(call, int(str(ring["call"])), cause)
        arrival, reference = await r.peers_call(called=called, calling=calling, channel=channel)
        details = details_of(arrival.message, r.profile)
        assert (details.called, details.calling, arrival.call.channel) == (called, calling, channel)
        r.do(arrival.call, arrival.call.connect(r.now))
        await r.peer.want("ANSWER", call=reference)
        await r.peer_clears(arrival.call, reference, cause)
        r.effects.clear()
        r.peer.seen.clear()


async def another_channel(r: Rig) -> None:
    """The peer prefers a channel that is in use; we answer with another."""
    held, first = await r.up(4)
    arrival, reference = await r.peers_call(channel=4, excl=0)
    assert arrival.call.channel != 4
    r.do(arrival.call, arrival.call.proceeding(r.now))
    assert (await r.peer.want("PROCEEDING", call=reference))["channel"] == arrival.call.channel
    await r.we_clear(arrival.call, reference)
    r.peer.say("call channel=4 called=1 excl=1 complete=1")
    reference = int(str((await r.peer.want("CALL"))["call"]))
    assert (await r.peer.want("HANGUP", call=reference))["cause"] == 44
    await r.we_clear(held, first)


async def glare(r: Rig) -> None:
    call = r.place(CallDetails("222"), 9)
    r.peer.say("call channel=9 called=111 complete=1")
    reference = int(str((await r.peer.want("CALL"))["call"]))
    theirs = int(str((await r.peer.want("RING"))["call"]))
    if r.span.side is Side.USER:  # the network's call has priority
        arrival = await r.arrival()
        assert arrival.call.channel == 9
        r.peer.say(f"hangup call={theirs} cause=44")
        assert (await r.ended(call)).cause == 44
        r.do(arrival.call, arrival.call.alerting(r.now))
        await r.we_clear(arrival.call, reference)
    else:
        assert (await r.peer.want("HANGUP", call=reference))["cause"] == 44
        r.peer.say(f"alert call={theirs}")
        await r.received(call, M.ALERTING)
        await r.we_clear(call, theirs)


async def status_enquiry(r: Rig) -> None:
    call, reference = await r.up()
    r.do(call, call.enquire(r.now))
    async with asyncio.timeout(WAIT_S):
        while call.running():
            await asyncio.sleep(0.01)
    assert call.state is CallState.ACTIVE
    await r.we_clear(call, reference)


async def service(r: Rig) -> None:
    if r.profile.maintenance is None:
        return
    r.peer.say("service channel=7 status=2")
    await r.want("SERVICE", lambda e: e == ChannelService(7, False))
    await r.peer.want("SERVICE_ACK")
    r.peer.say("service channel=7 status=0")
    await r.want("SERVICE", lambda e: e == ChannelService(7, True))
    await r.peer.want("SERVICE_ACK")


async def t303(r: Rig) -> None:
    """A peer that is given no command answers nothing: SETUP goes twice and the call is lost."""
    call, _ = await r.our_call()
    loop_deadline = call.next_deadline()
    assert loop_deadline - r.now < 4.1
    r.do(call, call.handle_deadline(loop_deadline))
    r.do(call, call.handle_deadline(loop_deadline + 4.0))
    ended = await r.ended(call)
    assert ended.cause == 18
    assert any(isinstance(e, CallReport) and isinstance(e.effect, Clearing) for e in r.effects)


SCENARIOS: list[Callable[[Rig], Awaitable[None]]] = [
    en_bloc, en_bloc_from_the_peer, the_called_side_clears, the_peer_clears_its_own_call, busy, unallocated, we_refuse,
    we_refuse_after_proceeding, in_band, abandoned, restart, a_restart_clears_a_call, notify, redirecting, user_user, digital,
    keypad, names, every_channel, many_calls_each_way, another_channel, glare, status_enquiry, service, t303,
]  # fmt: skip


async def run_all(program: Path, folder: Path, switch: str, side: Side) -> list[str]:
    failed: list[str] = []
    async with rig(program, folder, switch, side) as made:
        for scenario in SCENARIOS:
            try:
                await scenario(made)
                assert made.span.calls == (), "no call is left"
                assert made.span.pool.idle == set(made.profile.channels), "no channel is left"
            except (AssertionError, TimeoutError) as error:
                failed.append(f"{scenario.__name__}: {type(error).__name__} {error}".splitlines()[0])
                for call in made.span.calls:
                    made.runner.perform(
                        made.span.perform(call, call.clear_internally(Cause.TEMPORARY_FAILURE), made.now)
                    )
            made.effects.clear()
            made.peer.seen.clear()
    return failed


@pytest.mark.parametrize("side", list(Side), ids=lambda side: f"we are the {side.value}")
@pytest.mark.parametrize("switch", SWITCHES)
def test_every_scenario_works_with_libpri(program: Path, tmp_path: Path, switch: str, side: Side) -> None:
    assert asyncio.run(run_all(program, tmp_path, switch, side)) == []


async def overlap(program: Path, folder: Path, switch: str, side: Side) -> None:
    async with rig(program, folder, switch, side, "--overlap") as r:
        call, ring = await r.our_call(CallDetails("55", complete=False))
        assert not ring["complete"]
        r.peer.say(f"more call={ring['call']}")
        await r.received(call, M.SETUP_ACKNOWLEDGE)
        for digit in "1234":
            r.do(call, call.information([CalledNumber(digit, r.profile.number_type, r.profile.number_plan)], r.now))
            assert (await r.peer.want("INFO"))["digits"] == digit
        r.peer.say(f"proceeding call={ring['call']}")
        await r.received(call, M.CALL_PROCEEDING)
        r.peer.say(f"answer call={ring['call']}")
        await r.received(call, M.CONNECT)
        await r.we_clear(call, int(str(ring["call"])))
        arrival, reference = await r.peers_call(called="55", complete=0)
        assert not details_of(arrival.message, r.profile).complete
        r.do(arrival.call, arrival.call.setup_acknowledge(r.now))
        await r.peer.want("SETUP_ACK")
        r.peer.say(f"digits call={reference} d=1234")
        digits = ""
        while len(digits) < 4:
            number = (await r.received(arrival.call, M.INFORMATION)).find(CalledNumber)
            assert number is not None
            digits += number.digits
        assert digits == "1234"
        r.do(arrival.call, arrival.call.connect(r.now))
        await r.peer.want("ANSWER")
        await r.we_clear(arrival.call, reference)


@pytest.mark.parametrize("side", list(Side), ids=lambda side: f"we are the {side.value}")
@pytest.mark.parametrize("switch", [name for name, profile in SWITCHES.items() if profile.overlap])
def test_overlap_sending_and_receiving_with_libpri(program: Path, tmp_path: Path, switch: str, side: Side) -> None:
    asyncio.run(overlap(program, tmp_path, switch, side))
