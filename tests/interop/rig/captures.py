"""What tshark finds in a capture."""

from __future__ import annotations

import subprocess
from pathlib import Path

from rig.processes import need

WARNING = 0x600000  #: of tshark's expert information: warning, above it error


def tshark(capture: Path, *options: str) -> str:
    """The output of tshark, with RTP and RTCP recognised on any port."""
    command = [
        need("tshark"),
        "-n",
        "-r",
        str(capture),
        "--enable-heuristic",
        "rtp_udp",
        "--enable-heuristic",
        "rtcp_udp",
        *options,
    ]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=90).stdout


def complaints(capture: Path) -> str:
    """Every packet that is malformed, or that tshark warns of."""
    return tshark(capture, "-Y", f"_ws.malformed || _ws.expert.severity >= {WARNING}", "-T", "fields",
                  "-e", "frame.number", "-e", "_ws.col.Protocol", "-e", "_ws.col.Info", "-e", "_ws.expert.message")  # fmt: skip


def streams(capture: Path) -> list[tuple[int, int]]:
    """Packets and lost packets of each RTP stream."""
    found = []
    for line in tshark(capture, "-q", "-z", "rtp,streams").splitlines():
        if "0x" in line and "%" in line:
            words = line.split()
            lost = next(index for index, word in enumerate(words) if word.startswith("("))
            found.append((int(words[lost - 2]), int(words[lost - 1])))
    return found
