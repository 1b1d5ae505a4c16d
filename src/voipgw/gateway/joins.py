"""Calls that user code places: two parties are called one after the other, and joined (RFC 3725, with our media between them)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import attrs

from voipgw.b2bua.analog_country import CountryLine
from voipgw.b2bua.call import Call, CallAnswered, CallOver, Report
from voipgw.b2bua.joint_leg import JointLeg, Passed
from voipgw.b2bua.leg import Effect, Leg
from voipgw.call.events import Offered, Progress, Released
from voipgw.call.model import CallRequest, Media, Party, Source, SourceKind
from voipgw.causes import Cause, reason_phrase
from voipgw.entropy import Entropy
from voipgw.errors import CallFailed, ConfigurationError
from voipgw.gateway.config import GatewayConfig
from voipgw.gateway.exchange import Exchange
from voipgw.gateway.observation import Observation
from voipgw.media.plane import MediaEvent, MediaPlane, Stream
from voipgw.pstn.effects import Tone
from voipgw.routing.decision import Decision


@attrs.define(eq=False)
class _Side:
    """One party: the joint that calls it and the call that reaches it."""

    number: str
    joint: JointLeg
    call: Call | None = None
    answered: bool = False
    released: Released | None = None

    @property
    def stream(self) -> Stream | None:
        return self.call.called.stream if self.call is not None and self.call.called is not None else None


class Connection:
    """Two parties that are being joined, or are. Made by ``Gateway.connect``."""

    def __init__(self, first: _Side, second: _Side, end: Callable[[Connection, Released], None]) -> None:
        self.sides = (first, second)
        self._end = end
        self._talking: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._over: asyncio.Future[Released] = asyncio.get_running_loop().create_future()

    async def talking(self) -> None:
        """Until both have answered and hear each other.

        Raises:
            CallFailed: one of them did not answer, or hung up before; the message names it and its cause.
        """
        await asyncio.shield(self._talking)

    async def over(self) -> Released:
        """Until both are released; how it ended."""
        return await asyncio.shield(self._over)

    def hang_up(self) -> None:
        """End both calls."""
        self._end(self, Released(Cause.NORMAL_CALL_CLEARING))

    def is_talking(self) -> None:
        """Both have answered."""
        if not self._talking.done():
            self._talking.set_result(None)

    def is_over(self, side: _Side, released: Released) -> None:
        """The first of the two calls that ended."""
        if not self._talking.done():
            why = f"{released.status} {reason_phrase(released.status)}, Q.850 cause {int(released.cause)}"
            self._talking.set_exception(CallFailed(f"{side.number}: {why}"))
            self._talking.exception()  # whoever waits for the end only need not ask
        if not self._over.done():
            self._over.set_result(released)


class Joins:
    """Every connection in progress: the edge of its joints, and a listener to its calls."""

    def __init__(
        self, plane: MediaPlane | None, config: GatewayConfig, entropy: Entropy, observation: Observation
    ) -> None:
        self.exchange: Exchange | None = None  #: set once it is there
        self._plane = plane
        self._config = config
        self._entropy = entropy
        self._observation = observation
        self._loop = asyncio.get_running_loop()
        self._joints: dict[Leg, tuple[Connection, int]] = {}

    def connect(self, first: str, second: str, name: str) -> Connection:
        """See ``Gateway.connect``."""
        if self._config.media.mode == "none" or self._plane is None:
            raise ConfigurationError("--media: none leaves no sound here to join two calls by; relay would be right")
        sides = [_Side(number, JointLeg(f"app:{name}")) for number in (first, second)]
        connection = Connection(sides[0], sides[1], self._end)
        for index, side in enumerate(sides):
            self._joints[side.joint] = (connection, index)
        self._loop.call_soon(self._call, connection, 0, None)
        return connection

    # As the edge of joints.

    def perform(self, user: Leg, effects: list[Effect]) -> None:
        """What the party of one call did reaches the other."""
        found = self._joints.get(user)
        if found is None:
            return
        connection, index = found
        for effect in effects:
            if not isinstance(effect, Passed):
                continue
            if isinstance(effect.event, Progress):
                self._bridge(connection)  # the second party's early media, for the first to hear
            elif self.exchange is not None:
                self.exchange.receive(connection.sides[1 - index].joint, effect.event, self._loop.time())

    # As a listener to calls.

    def offered(self, call: Call, decision: Decision, now: float) -> None:
        """A joint's call has begun."""
        found = self._joints.get(call.caller)
        if found is not None:
            found[0].sides[found[1]].call = call

    def reported(self, call: Call, report: Report, now: float) -> None:
        """An answer leads on, an end ends the other call too."""
        found = self._joints.get(call.caller)
        if found is None:
            return
        connection, index = found
        if isinstance(report, CallAnswered):
            connection.sides[index].answered = True
            if index == 0:
                self._loop.call_soon(self._call, connection, 1, report.answered.media)
            else:
                self._bridge(connection)
                self._record(connection)
                connection.is_talking()
        elif isinstance(report, CallOver):
            connection.sides[index].released = report.released
            self._ended(connection, index, report.released)

    def heard(self, call: Call, event: MediaEvent, now: float) -> None:
        """Nothing to do."""

    # Steps.

    def _call(self, connection: Connection, index: int, media: Media | None) -> None:
        """Call one party: the first with all our codecs, the second with that of the first in front."""
        side, other = connection.sides[index], connection.sides[1 - index]
        if self.exchange is None or side.released is not None or other.released is not None:
            return
        name = side.joint.name.removeprefix("app:")
        request = CallRequest(
            self._entropy.token(), Source(SourceKind.APP, name, trusted=True), side.number, Party(other.number),
            None if media is None else Media(media.codecs, media.telephone_event),
        )  # fmt: skip
        if index == 1 and other.stream is not None:
            other.stream.play_tones(CountryLine(self._config.country).tone(Tone.RINGBACK))
        self.exchange.receive(side.joint, Offered(request), self._loop.time())
        if side.call is None:  # the gateway takes no more calls
            self._ended(connection, index, Released(Cause.SWITCHING_EQUIPMENT_CONGESTION, 503))

    def _bridge(self, connection: Connection) -> None:
        one, two = (side.stream for side in connection.sides)
        if one is not None and two is not None and self._plane is not None:
            one.stop_playing()
            self._plane.bridge(one, two)

    def _record(self, connection: Connection) -> None:
        one, two = (side.stream for side in connection.sides)
        recordings, call = self._observation.recordings, connection.sides[1].call
        if recordings is not None and call is not None and one is not None and two is not None:
            recordings.record(call, one, two)

    def _ended(self, connection: Connection, index: int, released: Released) -> None:
        side, other = connection.sides[index], connection.sides[1 - index]
        side.released = released
        self._joints.pop(side.joint, None)
        if other.released is None:
            if other.call is not None and self.exchange is not None:
                self._loop.call_soon(self._release, other.call, Released(released.cause))
            else:
                other.released = released
                self._joints.pop(other.joint, None)
            connection.is_over(side, released)

    def _release(self, call: Call, released: Released) -> None:
        if self.exchange is not None:
            self.exchange.release(call, released, self._loop.time())

    def _end(self, connection: Connection, released: Released) -> None:
        for index, side in enumerate(connection.sides):
            if side.released is None and side.call is not None:
                self._release(side.call, released)
            elif side.released is None:
                self._ended(connection, index, released)
