"""SRTP: CPU microseconds to protect and to unprotect one RTP packet of 12 + 160 octets, in C and through Python.

    python benchmarks/bench_srtp.py                       # in C, as the media engine calls it; one JSON object a profile
    python -m pytest benchmarks/bench_srtp.py             # voipgw.srtp.Context; the column to read is the median

The program in C is ``srtp_cost.c`` with ``vg_srtp.c``, packets of one SSRC one after the other.
"""

from __future__ import annotations

import itertools
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from voipgw.srtp import PROFILES, Context

HERE = Path(__file__).resolve().parent
CSRC = HERE.parent / "src" / "voipgw" / "csrc"


def packet(number: int) -> bytes:
    header = bytes([0x80, 0]) + (number & 0xFFFF).to_bytes(2, "big") + (number * 160 & 0xFFFFFFFF).to_bytes(4, "big")
    return header + b"\0\0\x12\x34" + b"\xd5" * 160


def context(profile: str) -> Context:
    lengths = PROFILES[profile]
    return Context(profile, bytes(lengths.key_octets), bytes(lengths.salt_octets))


@pytest.mark.parametrize("profile", PROFILES)
def test_protect_one_packet(benchmark, profile: str) -> None:
    numbers, sender = itertools.count(), context(profile)
    assert len(benchmark(lambda: sender.protect(packet(next(numbers))))) > 172


def main() -> int:
    with tempfile.TemporaryDirectory() as directory:
        program = Path(directory) / "srtp_cost"
        sources = [str(HERE / "srtp_cost.c"), str(CSRC / "vg_srtp.c"), str(CSRC / "vg_rtp.c")]
        compiler = shutil.which("cc") or "gcc"
        flags = ["-O3", "-std=gnu11", "-fno-strict-aliasing", f"-I{CSRC}"]
        subprocess.run([compiler, *flags, *sources, "-lcrypto", "-o", str(program)], check=True)
        return subprocess.run([str(program), *sys.argv[1:]], check=False).returncode


if __name__ == "__main__":
    raise SystemExit(main())
