"""The media engine on virtual wires."""

from __future__ import annotations

import asyncio
import math
import wave
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from voipgw import dsp
from voipgw.call.model import PCMU
from voipgw.drivers.sim import SimCard
from voipgw.entropy import SeededEntropy
from voipgw.errors import ConfigurationError, ResourceError, TransportError
from voipgw.gateway.config import MediaSettings
from voipgw.lab import Lab, Link, run
from voipgw.lab.host import Host
from voipgw.lab.platform import LabEngine, LabPlatform
from voipgw.media.plane import DigitHeard, MediaEvent, MediaStarted, ToneSegment
from voipgw.rtp import Packet
from voipgw.trace.capture import read_packets
from voipgw.trace.pcap import PcapWriter

HERE, THERE = "10.0.0.1", "10.0.0.2"
TONE = [ToneSegment((1000.0,), 0)]


class Rig:
    """Two machines with an engine each."""

    def __init__(self, lab: Lab, settings: MediaSettings) -> None:
        self.lab = lab
        self.events: list[tuple[float, MediaEvent]] = []
        self.wakes = 0
        self.platforms = [
            LabPlatform(Host(lab.network, host), lab.clock, lab.entropy_of(host), lab.loop) for host in (HERE, THERE)
        ]
        self.one, self.other = [self._open(platform, settings) for platform in self.platforms]

    def _open(self, platform: LabPlatform, settings: MediaSettings) -> LabEngine:
        def wake() -> None:
            self.wakes += 1
            self.events += [(self.lab.loop.time(), event) for event in engine.take_events()]

        engine = platform.open_media(settings, wake)
        assert isinstance(engine, LabEngine)
        return engine


def on_rig(act: Callable[[Rig], Coroutine[Any, Any, Any]], settings: MediaSettings | None = None) -> Any:
    async def main(lab: Lab) -> Any:
        rig = Rig(lab, settings or MediaSettings())
        result = await act(rig)
        for engine in (rig.one, rig.other):
            engine.close()
        await asyncio.sleep(1)
        return result

    return run(main).result


def rtp_of(rig: Rig) -> list[tuple[float, str, Packet]]:
    """Collects every RTP packet on the network from now on: time, source host, packet."""
    found: list[tuple[float, str, Packet]] = []

    def watch(frame: Any) -> None:
        if frame.destination[1] % 2 == 0:
            found.append((frame.time, frame.source[0], Packet.parse(frame.data)))

    rig.lab.network.watch(watch)
    return found


def test_a_stream_sends_every_20_ms_of_virtual_time_and_the_other_engine_hears_it() -> None:
    async def act(rig: Rig) -> None:
        packets = rtp_of(rig)
        here, there = rig.one.open_rtp(HERE), rig.other.open_rtp(THERE)
        here.start(there.local, PCMU)
        there.start(here.local, PCMU)
        here.play_tones(TONE)
        await asyncio.sleep(2)
        sent = [(time, packet) for time, source, packet in packets if source == HERE]
        assert len(sent) in (100, 101)
        gaps = np.diff([time for time, _ in sent])
        assert np.allclose(gaps, 0.02, atol=1e-6)
        assert there.statistics().packets_received in (99, 100, 101)
        assert [type(event) for _, event in rig.events] == [MediaStarted]
        assert 0 < rig.wakes <= 3

    on_rig(act)


def test_nothing_ticks_while_nothing_is_open() -> None:
    async def act(rig: Rig) -> None:
        assert rig.one.next_deadline() == math.inf
        stream = rig.one.open_rtp(HERE)
        stream.start((THERE, 4000), PCMU)
        assert rig.one.next_deadline() < math.inf
        stream.close()
        await asyncio.sleep(1)
        assert rig.one.next_deadline() == math.inf

    on_rig(act)


def test_a_card_hears_the_engine_in_the_same_turn_and_is_parted_when_the_stream_closes() -> None:
    async def act(rig: Rig) -> None:
        card = rig.lab.card(1)
        await card.start(lambda port, event: None)
        port, phone = card.fxs_ports[0], card.telephone(1)
        phone.off_hook()
        stream = rig.one.open_line(port)
        stream.play_tones([ToneSegment((350.0, 440.0), 0)])
        stream.detect_digits(True)
        await phone.expect("dial-tone", within=2)
        stream.stop_playing()
        await phone.dial("5")
        await asyncio.sleep(0.2)
        digits = [event.symbol for _, event in rig.events if isinstance(event, DigitHeard)]
        assert digits == ["5"]
        assert port.audio.frames_lost == 0
        stream.close()
        lost = port.audio.frames_lost
        await asyncio.sleep(1)
        assert 49 <= port.audio.frames_lost - lost <= 51
        await card.close()

    on_rig(act)


def test_a_card_made_for_real_time_is_refused() -> None:
    async def act(rig: Rig) -> None:
        card = SimCard(1, entropy=SeededEntropy(1))
        try:
            with pytest.raises(ConfigurationError, match="Lab.card makes such cards"):
                rig.one.open_line(card.fxs_ports[0])
        finally:
            await card.close()

    on_rig(act)


def test_recordings_and_captures_are_made_in_virtual_time(tmp_path: Path) -> None:
    async def act(rig: Rig) -> None:
        here, also, there = rig.one.open_rtp(HERE), rig.one.open_rtp(HERE), rig.other.open_rtp(THERE)
        rig.one.start_capture()
        here.start(there.local, PCMU)
        there.start(here.local, PCMU)
        also.start((THERE, 4000), PCMU)
        rig.one.bridge(here, also)
        rig.one.record(here, also, tmp_path / "call.wav")
        there.play(np.tile(dsp.dtmf("1", on_ms=1000, off_ms=0), 4))
        await asyncio.sleep(3)
        here.close()
        await asyncio.sleep(0.1)
        writer = PcapWriter(tmp_path / "call.pcap", epoch=rig.lab.clock.utc().timestamp() - rig.lab.loop.time())
        for packet in rig.one.take_capture():
            ends = (packet.local, packet.remote) if packet.outgoing else (packet.remote, packet.local)
            writer.udp(packet.at_us * 1e-6, *ends, packet.data)
        writer.close()

    on_rig(act)
    with wave.open(str(tmp_path / "call.wav")) as file:
        frames = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)
    assert 2.8 < len(frames) / 8000 <= 3.1
    assert np.abs(frames[:, 0]).max() > 5000
    packets = list(read_packets(tmp_path / "call.pcap"))
    assert len(packets) > 200
    assert packets[0].time > 1.7e9


def test_ports_come_from_the_range_rest_after_use_and_run_out() -> None:
    async def act(rig: Rig) -> None:
        streams = [rig.one.open_rtp(HERE) for _ in range(2)]
        assert sorted(stream.local[1] for stream in streams) == [20000, 20002]
        with pytest.raises(ResourceError, match="no free pair of media ports in 20000-20003"):
            rig.one.open_rtp(HERE)
        streams[0].close()
        await asyncio.sleep(1)
        with pytest.raises(ResourceError, match="1 resting"):
            rig.one.open_rtp(HERE)
        await asyncio.sleep(1.5)
        assert rig.one.open_rtp(HERE).local == streams[0].local
        with pytest.raises(TransportError, match="not an address of this machine"):
            rig.one.open_rtp("192.0.2.1")

    on_rig(act, MediaSettings(ports=(20000, 20003)))


def test_a_port_of_somebody_else_is_left_out() -> None:
    async def act(rig: Rig) -> None:
        rig.lab.network.bind((HERE, 20001), lambda data, source: None)
        assert rig.one.open_rtp(HERE).local == (HERE, 20002)

    on_rig(act, MediaSettings(ports=(20000, 20003)))


def test_lost_packets_are_counted_as_the_link_loses_them() -> None:
    async def act(rig: Rig) -> None:
        packets: list[bool] = []
        rig.lab.network.watch(lambda frame: packets.append(frame.lost))
        rig.lab.network.set_link(HERE, THERE, Link(loss=0.1))
        here, there = rig.one.open_rtp(HERE), rig.other.open_rtp(THERE)
        here.start(there.local, PCMU)
        there.start(here.local, PCMU)
        here.play_tones(TONE)
        await asyncio.sleep(20)
        got = there.statistics()
        assert 50 < got.packets_lost < 150
        assert got.packets_received + got.packets_lost == pytest.approx(1000, abs=3)

    on_rig(act)
