from __future__ import annotations

import io
import random
import struct
from pathlib import Path

import pytest

from voipgw.errors import ParseError
from voipgw.trace.capture import read_packets
from voipgw.trace.pcap import PcapWriter, internet_checksum

A4, B4 = ("192.0.2.1", 5060), ("198.51.100.7", 5062)
A6, B6 = ("2001:db8::1", 5060), ("2001:db8::2", 5062)


def records(data: bytes) -> list[bytes]:
    found, at = [], 24
    while at < len(data):
        length = struct.unpack_from("<I", data, at + 8)[0]
        found.append(data[at + 16 : at + 16 + length])
        at += 16 + length
    return found


@pytest.mark.parametrize(("source", "destination"), [(A4, B4), (A6, B6)])
def test_what_is_written_is_read_again(source: tuple[str, int], destination: tuple[str, int], tmp_path: Path) -> None:
    path = tmp_path / "x.pcap"
    with PcapWriter(path, epoch=1_700_000_000.0) as pcap:
        pcap.udp(0.25, source, destination, b"one")
        pcap.tcp(0.5, source, destination, b"two")
        pcap.tcp(0.75, destination, source, b"three")
        pcap.tcp(1.0, source, destination, b"x" * 70000)
    packets = list(read_packets(path))
    assert [(p.protocol, p.payload) for p in packets[:3]] == [("udp", b"one"), ("tcp", b"two"), ("tcp", b"three")]
    assert b"".join(p.payload for p in packets[3:]) == b"x" * 70000
    assert packets[0].source == source and packets[0].destination == destination
    assert packets[2].source == destination
    assert packets[0].time == pytest.approx(1_700_000_000.25)


@pytest.mark.parametrize("payload", [b"", b"a", b"ab", bytes(range(256)) * 5])
def test_checksums_add_up_to_zero(payload: bytes) -> None:
    file = io.BytesIO()
    pcap = PcapWriter(file)
    pcap.udp(0.0, A4, B4, payload)
    pcap.tcp(0.0, A4, B4, payload)
    for packet in records(file.getvalue()):
        assert internet_checksum(packet[:20]) == 0
        data = packet[20:]
        pseudo = packet[12:20] + struct.pack("!HH", packet[9], len(data))
        assert internet_checksum(pseudo + data) == 0


def ethernet(packet: bytes) -> bytes:
    return bytes(12) + b"\x08\x00" + packet


def ipv4(data: bytes, *, offset: int = 0, more: bool = False, protocol: int = 17, number: int = 7) -> bytes:
    fragment = (0x2000 if more else 0) | offset // 8
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(data), number, fragment, 64, protocol, 0)
    return head + bytes([192, 0, 2, 1, 192, 0, 2, 2]) + data


def capture(packets: list[bytes], link: int = 1) -> bytes:
    data = struct.pack(">IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 65535, link)
    for number, packet in enumerate(packets):
        data += struct.pack(">IIII", number, 500_000_000, len(packet), len(packet)) + packet
    return data


def test_fragments_are_put_together_in_any_order(tmp_path: Path) -> None:
    body = bytes(random.Random(1).randbytes(3000))
    datagram = struct.pack("!HHHH", 5060, 5061, 8 + len(body), 0) + body
    parts = [ipv4(datagram[at : at + 1480], offset=at, more=at + 1480 < len(datagram)) for at in range(0, 3008, 1480)]
    assert len(parts) == 3
    path = tmp_path / "x.pcap"
    path.write_bytes(capture([ethernet(parts[2]), ethernet(parts[0]), ethernet(parts[1])]))
    (packet,) = read_packets(path)
    assert packet.payload == body and packet.time == pytest.approx(2.5)


def tcp(sequence: int, payload: bytes, flags: int = 0x18) -> bytes:
    return ipv4(struct.pack("!HHIIBBHHH", 5060, 5061, sequence, 0, 5 << 4, flags, 100, 0, 0) + payload, protocol=6)


def test_a_stream_is_put_in_order_and_said_once(tmp_path: Path) -> None:
    near_wrap = 0xFFFFFFFE
    segments = [
        tcp(near_wrap - 1, b"", 0x02),
        tcp(near_wrap, b"abcd"),
        tcp(6, b"ij"),
        tcp(near_wrap, b"abcd"),
        tcp(0, b"cdefgh"),
    ]
    path = tmp_path / "x.pcap"
    path.write_bytes(capture([ethernet(s) for s in segments]))
    assert [p.payload for p in read_packets(path)] == [b"abcd", b"efghij"]


def test_pcapng_is_read(tmp_path: Path) -> None:
    def block(kind: int, body: bytes) -> bytes:
        body += bytes(-len(body) % 4)
        return struct.pack("<II", kind, 12 + len(body)) + body + struct.pack("<I", 12 + len(body))

    packet = ipv4(struct.pack("!HHHH", 1, 2, 10, 0) + b"hi")
    data = block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))
    data += block(1, struct.pack("<HHI", 101, 0, 0) + struct.pack("<HHBxxxHH", 9, 1, 9, 0, 0))
    data += block(6, struct.pack("<IIIII", 0, 0, 1_500_000_000, len(packet), len(packet)) + packet)
    path = tmp_path / "x.pcapng"
    path.write_bytes(data)
    (found,) = read_packets(path)
    assert found.payload == b"hi" and found.time == pytest.approx(1.5)


def test_another_file_is_refused_and_a_cut_one_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"not a capture")
    with pytest.raises(ParseError, match="neither a pcap nor a pcapng"):
        list(read_packets(path))
    whole = capture([ethernet(ipv4(struct.pack("!HHHH", 1, 2, 10, 0) + b"hi"))] * 2)
    for end in range(24, len(whole)):
        path.write_bytes(whole[:end])
        assert all(p.payload in (b"hi", b"h", b"") for p in read_packets(path))
