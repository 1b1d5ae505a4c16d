"""``examples/pri_gateway.py`` between libpri on a span and sipp on a SIP trunk, with sound on the B-channels."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rig import sounds
from rig.gateway import Gateway
from rig.processes import Process
from rig.sipp import Sipp

pytestmark = pytest.mark.peer
ROOT = Path(__file__).parents[2]
SOURCE = Path(os.environ.get("VOIPGW_PEERS", ROOT.parent / "shared/peers")) / "pstn/libpri_peer.c"
ALAW = {"PT": "8", "CODEC": "PCMA"}
IDLE = 0xD5


class Span:
    """libpri on the D-channel at PATH, and a 1000 Hz tone on every B-channel at PATH.b; what comes there is kept."""

    def __init__(self, path: Path, program: Path, log: Path) -> None:
        self.path, self._program, self._log = path, program, log
        self.heard: dict[int, bytearray] = {}
        self._server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._server.bind(f"{path}.b")
        self._server.listen(1)
        self._thread = threading.Thread(target=self._talk, daemon=True)
        self._over = threading.Event()

    def start(self, *options: str) -> None:
        self.process = subprocess.Popen(
            [str(self._program), "--listen", str(self.path), "--node", "net", "--switch", "euroisdn", *options],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
        )  # fmt: skip
        deadline = time.monotonic() + 5
        while not self.path.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        self._thread.start()

    def say(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")

    def want(self, event: str) -> dict[str, object]:
        """The next event of that name; what comes before it is left out."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            found: dict[str, object] = json.loads(line)
            if found["ev"] == event:
                return found
        raise AssertionError(f"no {event}")

    def stop(self) -> None:
        self._over.set()
        self.process.kill()
        self.process.communicate()
        self._server.close()
        self._thread.join(5)

    def _talk(self) -> None:
        tone = sounds.ulaw(sounds.tone(1000, 1))[:8000]
        alaw = bytes(ULAW_TO_ALAW[octet] for octet in tone)
        self._server.settimeout(10)
        try:
            end, _ = self._server.accept()
        except OSError:
            return
        with end:
            end.setblocking(False)
            due = time.monotonic()
            for n in range(100_000):
                if self._over.is_set():
                    return
                frame = alaw[n * 160 % 8000 : n * 160 % 8000 + 160]
                try:
                    for channel in (1, 31):
                        end.send(bytes((channel,)) + frame)
                    while True:
                        packet = end.recv(400)
                        if not packet:
                            return
                        self.heard.setdefault(packet[0], bytearray()).extend(packet[1:])
                except BlockingIOError:
                    pass
                except OSError:
                    return
                due += 0.02
                time.sleep(max(0.0, due - time.monotonic()))


def _laws() -> list[int]:
    import numpy as np

    from voipgw._native import g711

    pcm = g711.decode(g711.ULAW, bytes(range(256)))
    return list(g711.encode(g711.ALAW, np.asarray(pcm)))


ULAW_TO_ALAW = _laws()


@pytest.fixture
def span(tmp_path: Path) -> Iterator[Span]:
    compiler = shutil.which("cc")
    if compiler is None or not SOURCE.exists() or not Path("/usr/include/libpri.h").exists():
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(
            "no libpri-dev, no peer program or no compiler"
        )
    program = tmp_path / "libpri_peer"
    subprocess.run([compiler, "-O2", "-o", str(program), str(SOURCE), "-lpri"], check=True, timeout=120)
    made = Span(tmp_path / "span", program, tmp_path)
    yield made
    made.stop()


def sounds_like_a_tone(octets: bytes) -> bool:
    import numpy as np

    from voipgw._native import g711

    pcm = np.asarray(g711.decode(g711.ALAW, octets[-4000:]), float)
    power = np.abs(np.fft.rfft(pcm * np.hanning(len(pcm)))) ** 2
    peak = int(np.argmax(power))
    return abs(peak * 8000 / len(pcm) - 1000) < 20 and power[peak - 3 : peak + 4].sum() > 0.9 * power.sum()


def test_a_call_from_the_span_reaches_sip_and_both_hear_each_other(
    span: Span, keep: Callable[[Process], Process], sipp: Callable[..., Sipp], tmp_path: Path
) -> None:
    span.start()
    callee = sipp("callee_talks", "-rtp_echo", RING_MS="200", **ALAW)
    options = ("--span", f"unix:{span.path}", "--side", "user", "--switch", "euroisdn", "--to", callee.uri)
    gateway = keep(Gateway("pri_gateway.py", *options, cwd=tmp_path))
    assert isinstance(gateway, Gateway)
    span.want("DCHAN_UP")
    span.say("call channel=1 called=5551234 calling=2125550100 complete=1")
    call = span.want("CALL")["call"]
    span.want("RINGING")
    span.want("ANSWER")
    time.sleep(1.5)
    span.say(f"hangup call={call} cause=16")
    span.want("HANGUP")
    callee.succeeded()
    gateway.stop()
    (record,) = gateway.records()
    assert (record["source"], record["called"], record["calling"], record["cause"]) == (
        "span:1",
        "5551234",
        "2125550100",
        16,
    )
    assert sounds_like_a_tone(bytes(span.heard[1]))
    assert set(span.heard) == {1}


def test_a_call_from_sip_reaches_the_span_with_number_and_cause(
    span: Span, keep: Callable[[Process], Process], sipp: Callable[..., Sipp], tmp_path: Path
) -> None:
    span.start("--auto")
    options = ("--span", f"unix:{span.path}", "--trust", "127.0.0.1/32")
    gateway = keep(Gateway("pri_gateway.py", *options, cwd=tmp_path))
    assert isinstance(gateway, Gateway)
    span.want("DCHAN_UP")
    (tmp_path / "tone.al").write_bytes(bytes(ULAW_TO_ALAW[octet] for octet in sounds.ulaw(sounds.tone(1000, 1))))
    caller = sipp("caller_talks", gateway.address(), SOUND="tone.al", TALK_MS="1500", **ALAW)
    assert span.want("RING")["channel"] == 1
    assert span.want("HANGUP_REQ")["cause"] == 16
    caller.succeeded()
    gateway.stop()
    (record,) = gateway.records()
    assert [attempt["target"] for attempt in record["attempts"]] == ["span:1"]
    assert record["cause"] == 16
    assert sounds_like_a_tone(bytes(span.heard[1]))
