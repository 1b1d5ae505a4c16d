"""The media engine through ``vg_core`` and ``vg_io``: the core stepped by its owner, or driven by a thread of its own.

Both classes take the same commands and give the same events and counters; times are microseconds.
"""

from __future__ import annotations

import functools
import ipaddress
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from voipgw._native._vg import ffi, lib

Address = tuple[str, int]

RTP: int = lib.VG_CHANNEL_RTP
RTCP: int = lib.VG_CHANNEL_RTCP
LAWS: dict[str, int] = {"PCMU": lib.VG_CODEC_ULAW, "PCMA": lib.VG_CODEC_ALAW}
CODECS: dict[tuple[str, int], int] = {
    ("PCMU", 8000): lib.VG_CODEC_ULAW,
    ("PCMA", 8000): lib.VG_CODEC_ALAW,
    ("G722", 8000): lib.VG_CODEC_G722,
    ("G726-16", 8000): lib.VG_CODEC_G726_16,
    ("G726-24", 8000): lib.VG_CODEC_G726_24,
    ("G726-32", 8000): lib.VG_CODEC_G726_32,
    ("G726-40", 8000): lib.VG_CODEC_G726_40,
    ("AAL2-G726-16", 8000): lib.VG_CODEC_AAL2_G726_16,
    ("AAL2-G726-24", 8000): lib.VG_CODEC_AAL2_G726_24,
    ("AAL2-G726-32", 8000): lib.VG_CODEC_AAL2_G726_32,
    ("AAL2-G726-40", 8000): lib.VG_CODEC_AAL2_G726_40,
    ("GSM", 8000): lib.VG_CODEC_GSM,
    ("L16", 8000): lib.VG_CODEC_L16_8000,
    ("L16", 16000): lib.VG_CODEC_L16_16000,
}  #: by encoding name and RTP clock rate, of one channel: what can be converted, played and recorded
OPAQUE: int = lib.VG_CODEC_OPAQUE
SEND: int = lib.VG_DIRECTION_SEND
RECEIVE: int = lib.VG_DIRECTION_RECEIVE
LATCHES: dict[str, int] = {
    "auto": lib.VG_LATCH_AUTO,
    "sdp": lib.VG_LATCH_SDP,
    "signalling": lib.VG_LATCH_SIGNALLING,
    "any": lib.VG_LATCH_ANY,
}
DTMF_PROFILES: dict[str, int] = {
    "q24": lib.VG_DTMF_Q24,
    "etsi": lib.VG_DTMF_ETSI,
    "ntt": lib.VG_DTMF_NTT,
    "bellcore": lib.VG_DTMF_BELLCORE,
}
REJECTIONS: dict[str, int] = {
    name[len("VG_REJECT_") :].lower().replace("_", " "): getattr(lib, name)
    for name in dir(lib)
    if name.startswith("VG_REJECT_") and name != "VG_REJECT_REASONS"
}
FULL: int = lib.VG_EFULL

OPEN_RTP: int = lib.VG_CMD_OPEN_RTP
OPEN_LINE: int = lib.VG_CMD_OPEN_LINE
START: int = lib.VG_CMD_START
CLOSE: int = lib.VG_CMD_CLOSE
BRIDGE: int = lib.VG_CMD_BRIDGE
UNBRIDGE: int = lib.VG_CMD_UNBRIDGE
PLAY_PCM: int = lib.VG_CMD_PLAY_PCM
PLAY_TONES: int = lib.VG_CMD_PLAY_TONES
STOP_PLAYING: int = lib.VG_CMD_STOP_PLAYING
DETECT: int = lib.VG_CMD_DETECT
SEND_DIGIT: int = lib.VG_CMD_SEND_DIGIT
RECORD: int = lib.VG_CMD_RECORD
RECORD_OFF: int = lib.VG_CMD_RECORD_OFF
CAPTURE: int = lib.VG_CMD_CAPTURE

CLOSED: int = lib.VG_EVENT_CLOSED
DIGIT_BEGAN: int = lib.VG_EVENT_DIGIT_BEGAN
DIGIT_ENDED: int = lib.VG_EVENT_DIGIT_ENDED
PLAYED: int = lib.VG_EVENT_PLAYED
STARTED: int = lib.VG_EVENT_STARTED
STOPPED: int = lib.VG_EVENT_STOPPED
RECORDED: int = lib.VG_EVENT_RECORDED
RECORD_ENDED: int = lib.VG_EVENT_RECORD_ENDED
CAPTURE_ENDED: int = lib.VG_EVENT_CAPTURE_ENDED
IN_BAND: int = lib.VG_DIGIT_IN_BAND
PASSED_ON: int = lib.VG_DIGIT_PASSED_ON

MAX_FRAME_SAMPLES: int = lib.VG_MAX_FRAME_SAMPLES
MAX_SEGMENTS: int = lib.VG_TONES_SEGMENTS
LEG_OCTETS: int = lib.vg_core_leg_octets()


class Event(NamedTuple):
    """``vg_event``."""

    kind: int
    leg: int
    a: int
    b: int
    c: int
    at_us: int


class Output(NamedTuple):
    """``vg_output``: a packet to be sent."""

    leg: int
    channel: int
    destination: Address
    data: bytes


class Captured(NamedTuple):
    """``vg_captured``: a copy of a packet."""

    at_us: int
    leg: int
    channel: int
    outgoing: bool
    local: Address
    remote: Address
    data: bytes


class Counters(NamedTuple):
    """``vg_leg_statistics``."""

    packets_sent: int
    octets_sent: int
    packets_received: int
    octets_received: int
    packets_lost: int
    rtcp_sent: int
    rtcp_received: int
    comfort_noise: int
    ssrc_changes: int
    latched: int
    unbridgeable: int
    line_frames: int
    unprotected: int
    rejected: tuple[int, ...]
    jitter_us: int
    round_trip_us: int
    remote_jitter_us: int
    remote_lost: int
    late: int
    concealed: int
    dropped: int
    inserted: int
    resets: int
    source: Address | None
    ssrc: int


def pack_address(address: Address | None) -> Any:
    """A ``vg_address`` of a numeric host and a port; of nothing for None.

    Raises:
        ValueError: the host is not a numeric address.
    """
    out: Any = ffi.new("vg_address *")
    if address is not None:
        out.family, octets = _octets(address[0])
        out.port = address[1]
        ffi.memmove(out.ip, octets, len(octets))
    return out


def unpack_address(address: Any) -> Address | None:
    """Host and port of a ``vg_address``; None where it is none."""
    if address.family == 0:
        return None
    return _host(bytes(ffi.buffer(address.ip, 4 if address.family == 4 else 16))), address.port


@functools.lru_cache(maxsize=4096)
def _octets(host: str) -> tuple[int, bytes]:
    ip = ipaddress.ip_address(host.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    return ip.version, ip.packed


@functools.lru_cache(maxsize=4096)
def _host(octets: bytes) -> str:
    return str(ipaddress.ip_address(octets))


def command(
    kind: int,
    leg: int = -1,
    *,
    local: Address | None = None,
    remote: Address | None = None,
    signalling: Address | None = None,
    cname: bytes = b"",
    data: Any = None,
    **fields: int,
) -> Any:
    """A ``vg_command``; ``fields`` are its other members.

    Raises:
        ValueError: an address is not numeric.
    """
    out: Any = ffi.new("vg_command *")
    out.kind, out.leg, out.rtp_fd, out.rtcp_fd = kind, leg, -1, -1
    for name, address in (("local", local), ("remote", remote), ("signalling", signalling)):
        if address is not None:
            setattr(out, name, pack_address(address)[0])
    ffi.memmove(out.cname, cname[:24], min(len(cname), 24))
    out.cname_length = min(len(cname), 24)
    if data is not None:
        out.data = data
    for name, value in fields.items():
        setattr(out, name, value)
    return out


def secure(command: Any, send: Any, receive: Any) -> None:
    """Let a START command be one of SRTP; keys (``_native.srtp.new``) are handed over with it, None leaves those that are."""
    command.secure = 1
    if send is not None:
        command.srtp_send = send
    if receive is not None:
        command.srtp_receive = receive


def copy_pcm(pcm: npt.NDArray[np.int16]) -> Any:
    """A copy of contiguous int16[n] that a command may hand over."""
    return lib.vg_core_copy(ffi.from_buffer(pcm), pcm.nbytes)


def copy_tones(segments: list[tuple[tuple[float, ...], float, int]], repeat: bool) -> Any:
    """A generator of (frequencies in Hz, level in dBm0 each, milliseconds) that a command may hand over.

    Raises:
        ValueError: a value is out of its range, or there are too many.
    """
    parts: Any = ffi.new("vg_tone_segment[]", len(segments))
    for part, (frequencies, level, duration_ms) in zip(parts, segments, strict=True):
        part.hz = frequencies
        part.level_dbm0 = level
        part.duration_ms = duration_ms
    tones: Any = ffi.new("vg_tones *")
    if lib.vg_tones_init(tones, parts, len(segments), int(repeat), 8000) != lib.VG_OK:
        raise ValueError("cadence")
    return lib.vg_core_copy(tones, ffi.sizeof("vg_tones"))


def drop(copy: object) -> None:
    """Free a copy that no command has taken over."""
    lib.vg_core_drop(copy)


class Record:
    """A ``vg_record``: the sound of two legs, read here while the core writes."""

    def __init__(self, frames: int) -> None:
        self.handle: Any = ffi.gc(lib.vg_record_new(frames), lib.vg_record_free)
        if self.handle == ffi.NULL:
            raise MemoryError

    def read(self) -> npt.NDArray[np.int16]:
        """int16[n, 2] that has become complete."""
        out = np.empty((8192, 2), np.int16)
        n = lib.vg_record_read(self.handle, ffi.from_buffer("int16_t[]", out), len(out))
        return out[:n]

    @property
    def lost(self) -> int:
        """Frames for which there was no room, or that came too late."""
        return int(lib.vg_record_lost(self.handle))


class Capture:
    """A ``vg_capture``: copies of packets, read here while the core writes."""

    def __init__(self, octets: int) -> None:
        self.handle: Any = ffi.gc(lib.vg_capture_new(octets), lib.vg_capture_free)
        if self.handle == ffi.NULL:
            raise MemoryError
        self._about: Any = ffi.new("vg_captured *")
        self._data: Any = ffi.new("uint8_t[]", lib.VG_MAX_PACKET_OCTETS)
        self._out: Any = ffi.new("uint8_t[]", 1 << 17)

    def read(self) -> list[Captured]:
        """Every packet since the last call."""
        packets = []
        about = self._about
        while lib.vg_capture_next(self.handle, about, self._data):
            local, remote = unpack_address(about.local), unpack_address(about.remote)
            data = bytes(ffi.buffer(self._data, about.length))
            none = ("", 0)
            packets.append(
                Captured(
                    about.at_us, about.leg, about.channel, bool(about.outgoing), local or none, remote or none, data
                )
            )
        return packets

    def records(self, until_us: int, epoch_us: int) -> bytes:
        """The packets up to ``until_us`` as records of a pcap file; ``epoch_us`` is added to their times."""
        parts = []
        while octets := lib.vg_pcap_take(self.handle, until_us, epoch_us, self._out, len(self._out)):
            parts.append(bytes(ffi.buffer(self._out, octets)))
        return b"".join(parts)

    @property
    def lost(self) -> int:
        """Packets for which there was no room."""
        return int(lib.vg_capture_lost(self.handle))


def pcap_record(time_us: int, source: Address, destination: Address, data: bytes) -> bytes:
    """One datagram as a record of a pcap file of raw IP packets; ``time_us`` counts from 1970."""
    out: Any = ffi.new("uint8_t[]", len(data) + lib.VG_PCAP_OVERHEAD)
    octets = lib.vg_pcap_udp(time_us, pack_address(source), pack_address(destination), data, len(data), out)
    return bytes(ffi.buffer(out, octets))


def _settings(fields: dict[str, int]) -> Any:
    return ffi.new("vg_core_settings *", fields)


def _events(core: Any) -> list[Event]:
    event: Any = ffi.new("vg_event *")
    events = []
    while lib.vg_core_next_event(core, event):
        events.append(Event(event.kind, event.leg, event.a, event.b, event.c, event.at_us))
    return events


def _counters(core: Any, leg: int) -> Counters | None:
    s: Any = ffi.new("vg_leg_statistics *")
    if lib.vg_core_statistics(core, leg, s) != lib.VG_OK:
        return None
    own = {name: getattr(s, name) for name in Counters._fields if name not in _ELSEWHERE}
    jitter = {name: getattr(s.jitter, name) for name in ("late", "concealed", "dropped", "inserted", "resets")}
    return Counters(**own, **jitter, rejected=tuple(s.rejected), source=unpack_address(s.source))


_ELSEWHERE = {"late", "concealed", "dropped", "inserted", "resets", "rejected", "source"}


class SteppedCore:
    """A core whose owner brings it packets, frames and the time, and takes what is to be sent.

    Raises:
        ValueError: a setting is out of range.
    """

    wake_fd = -1

    def __init__(self, **settings: int) -> None:
        self._core: Any = ffi.gc(lib.vg_core_new(_settings(settings)), lib.vg_core_free)
        if self._core == ffi.NULL:
            raise ValueError(f"settings of the media core: {settings}")
        self._outputs: list[Output] = []
        self._pointer: Any = ffi.new("const vg_output **")
        self.now_us = 0

    def apply(self, command: object) -> int:
        """Carry out a command now; its status."""
        status = int(lib.vg_core_apply(self._core, command, self.now_us))
        self._collect()
        return status

    def packet(self, leg: int, channel: int, data: bytes, source: Address) -> None:
        """A packet arrived."""
        buffer: Any = ffi.new("uint8_t[]", len(data) + lib.VG_SRTP_TRAILER_OCTETS)
        ffi.memmove(buffer, data, len(data))
        lib.vg_core_packet(self._core, leg, channel, buffer, len(data), pack_address(source), self.now_us)
        self._collect()

    def line_frame(self, leg: int, octets: bytes) -> bytes | None:
        """A frame came from a line; what goes back to it, None where there is no such line or the size is wrong."""
        out = bytearray(len(octets))
        status = lib.vg_core_line_frame(
            self._core, leg, ffi.from_buffer(octets), len(octets), ffi.from_buffer("uint8_t[]", out), self.now_us
        )
        self._collect()
        return bytes(out) if status == lib.VG_OK else None

    def tick(self) -> None:
        """Do what is due."""
        while lib.vg_core_tick(self._core, self.now_us):
            self._collect()
        self._collect()

    @property
    def deadline_us(self) -> int | None:
        """When ``tick`` is wanted next."""
        at = int(lib.vg_core_deadline(self._core))
        return None if at == 0x7FFFFFFFFFFFFFFF else at

    def outputs(self) -> list[Output]:
        """What is to be sent since the last call."""
        outputs, self._outputs = self._outputs, []
        return outputs

    def events(self) -> list[Event]:
        """What happened since the last call."""
        return _events(self._core)

    def counters(self, leg: int) -> Counters | None:
        """Counters of a leg, None where it is not open."""
        return _counters(self._core, leg)

    @property
    def events_lost(self) -> int:
        """Events for which the ring had no room."""
        return int(lib.vg_core_events_lost(self._core))

    def thread_counters(self) -> dict[str, int]:
        """Nothing: there is no thread."""
        return {}

    def stop(self) -> None:
        """Nothing: there is no thread."""

    def _collect(self) -> None:
        count = lib.vg_core_outputs(self._core, self._pointer)
        for at in range(count):
            output = self._pointer[0][at]
            to = unpack_address(output.to)
            if to is not None:
                data = bytes(ffi.buffer(output.data, output.length))
                self._outputs.append(Output(output.leg, output.channel, to, data))


class ThreadedCore:
    """A core driven by a thread of its own; the thread runs from the start until ``stop``.

    Raises:
        OSError: the system refused a descriptor or the thread.
    """

    def __init__(self, *, realtime: bool = True, **settings: int) -> None:
        self._io: Any = lib.vg_io_start(_settings(settings), int(realtime))
        if self._io == ffi.NULL:
            raise OSError(ffi.errno, f"the media engine's thread did not start with {settings}")
        self._core: Any = lib.vg_io_core(self._io)
        self.wake_fd = int(lib.vg_io_wake_fd(self._io))

    def apply(self, command: object) -> int:
        """Hand a command to the thread; VG_OK, or VG_EFULL when it does not take any."""
        if self._io is None:
            return int(lib.VG_EINVAL)
        return int(lib.vg_io_submit(self._io, command))

    def events(self) -> list[Event]:
        """What happened since the last call."""
        if self._io is None:
            return []
        lib.vg_io_clear_wake(self._io)
        return _events(self._core)

    def counters(self, leg: int) -> Counters | None:
        """Counters of a leg, None where it is not open."""
        return _counters(self._core, leg) if self._io is not None else None

    @property
    def events_lost(self) -> int:
        """Events for which the ring had no room."""
        return int(lib.vg_core_events_lost(self._core)) if self._io is not None else 0

    def thread_counters(self) -> dict[str, int]:
        """``vg_io_counters``: wakeups, packets_in, packets_out, send_errors, receive_errors, line_errors, cpu_us ..."""
        out: Any = ffi.new("vg_io_counters *")
        if self._io is not None:
            lib.vg_io_get_counters(self._io, out)
        return {name: getattr(out, name) for name, _ in ffi.typeof("vg_io_counters").fields}

    def stop(self) -> None:
        """End the thread and free the core; commands handed over before are still carried out."""
        if self._io is not None:
            io, self._io, self._core = self._io, None, None
            self.wake_fd = -1
            lib.vg_io_stop(io)
