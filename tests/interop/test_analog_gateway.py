"""``examples/analog_gateway.py`` as a program: its refusals, its exit status, and calls with sipp and baresip."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

import voipgw
from voipgw.drivers.wav import read_wav, write_wav

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / "examples" / "analog_gateway.py"


def program(*options: str) -> list[str]:
    return [sys.executable, str(PROGRAM), *options]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(voipgw.__file__).parents[1])}


def run(*options: str, cwd: Path | None = None, within: float = 60) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        program("--listen", "udp:127.0.0.1:0", *options),
        env=environment(), cwd=cwd, capture_output=True, text=True, timeout=within, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--fxo", "1"], "--fxo: not in this version yet"),
        (["--driver", "dahdi:1-4"], "--driver: 'dahdi:1-4' is not in this version yet; sim would be right"),
        (["--country", "xx"], "--country: found the country 'xx'; right would be one of"),
        (["--lines", "0"], "--lines: 0 is not a number of lines"),
        (["--to", "nonsense"], "--to: found the destination 'nonsense'"),
        (["--script", "none.txt"], "script none.txt: No such file"),
    ],
)
def test_a_wrong_option_is_one_line_and_exit_2(options: list[str], message: str, tmp_path: Path) -> None:
    done = run(*options, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr and done.stderr.count("\n") == 1


def test_a_script_with_a_wav_of_the_wrong_rate_is_refused_before_anything_opens(tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "cd.wav"), "wb") as file:
        file.setparams((1, 2, 44100, 0, "NONE", ""))
        file.writeframes(bytes(200))
    (tmp_path / "day.txt").write_text("1 off-hook\n1 play cd.wav\n")
    done = run("--script", "day.txt", cwd=tmp_path)
    assert done.returncode == 2 and "READY" not in done.stdout
    assert "day.txt:2: `1 play cd.wav`: cd.wav has 44100 Hz, 16 bits, 1 channel; 8000 Hz" in done.stderr


def test_a_step_that_does_not_hold_is_named_and_exit_1(tmp_path: Path) -> None:
    (tmp_path / "day.txt").write_text("1 off-hook\n1 expect busy within 1\n")
    done = run("--script", "day.txt", cwd=tmp_path)
    assert done.returncode == 1
    assert "day.txt:2: `1 expect busy within 1` did not hold: telephone 1 did not hear busy" in done.stderr


def test_a_phone_hung_up_while_it_rings_at_the_far_end_and_the_next_call(tmp_path: Path) -> None:
    (tmp_path / "day.txt").write_text("""
1 off-hook
1 expect dial-tone
1 dial 102
2 expect ring
1 on-hook
wait 2
2 off-hook
2 expect dial-tone
2 dial 101
1 expect ring
1 off-hook
2 expect answer
""")
    cdr = tmp_path / "cdr.json"
    done = run("--lines", "2", "--script", "day.txt", "--cdr", str(cdr), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    first, second = [json.loads(line) for line in cdr.read_text().splitlines()]
    assert first["answer"] is None and second["answer"] is not None
    assert (first["source"], first["called"]) == ("line:1", "102")


def need(name: str, package: str) -> str:
    found = shutil.which(name)
    if found is None:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{name} is not installed (Debian: {package})")
        pytest.skip(f"{name} is not installed (Debian: {package})")
    return found


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def started(command: list[str], cwd: Path, log: str) -> Iterator[subprocess.Popen[bytes]]:
    with (cwd / log).open("wb") as output:
        process = subprocess.Popen(command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(5)


def wait_until_bound(port: int, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return
        time.sleep(0.05)
    raise AssertionError(f"nothing listens on port {port}")


def syllables(seconds: float) -> np.ndarray:
    t = np.arange(int(8000 * seconds)) / 8000
    pitch = 2 * np.pi * np.cumsum(120 + 40 * np.sin(2 * np.pi * 1.3 * t)) / 8000
    return np.rint(2500 * sum(np.cos(n * pitch) / n for n in range(1, 15))).astype(np.int16)


@pytest.mark.peer
def test_a_telephone_calls_sipp_and_hears_its_own_voice_come_back(tmp_path: Path) -> None:
    sipp, port, media = need("sipp", "sip-tester"), free_port(), free_port() & ~1
    write_wav(tmp_path / "said.wav", syllables(2.0))
    (tmp_path / "day.txt").write_text("""
1 off-hook
1 expect dial-tone
1 dial 12125550147
1 expect answer within 5
together
wait 0.3
1 play said.wav
1 expect voice
end
1 on-hook
wait 1.5
""")
    uas = [sipp, "-sn", "uas", "-i", "127.0.0.1", "-mi", "127.0.0.1", "-p", str(port), "-mp", str(media)]
    with started([*uas, "-rtp_echo", "-nostdin", "-m", "1", "-timeout", "40"], tmp_path, "sipp.log") as peer:
        wait_until_bound(port)
        done = run("--to", f"sip:127.0.0.1:{port}", "--script", "day.txt", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert peer.wait(10) == 0, (tmp_path / "sipp.log").read_text(errors="replace")[-2000:]


BARESIP = """
poll_method epoll
sip_listen 127.0.0.1:{sip}
audio_source aufile,{folder}/baresip-says.wav
audio_player aufile,{folder}/unused.wav
audio_alert aufile,/dev/null
ausrc_srate 8000
ausrc_format s16
auplay_format s16
auenc_format s16
audec_format s16
net_interface 127.0.0.1
module_path {modules}
module_tmp uuid.so
module_tmp account.so
module g711.so
module aufile.so
module sndfile.so
module_app menu.so
snd_path {folder}
"""


@pytest.mark.peer
def test_baresip_calls_a_telephone_and_both_hear_speech(tmp_path: Path) -> None:
    baresip = need("baresip", "baresip-core")
    modules = next((str(path) for path in Path("/usr/lib").rglob("baresip/modules")), "/usr/lib/baresip/modules")
    gateway, sip = free_port(), free_port()
    folder = tmp_path / "baresip"
    folder.mkdir()
    write_wav(folder / "baresip-says.wav", syllables(12.0))
    write_wav(tmp_path / "said.wav", syllables(2.0))
    (folder / "config").write_text(BARESIP.format(sip=sip, folder=folder, modules=modules))
    (folder / "accounts").write_text("<sip:bob@127.0.0.1>;regint=0;audio_codecs=pcmu\n")
    (folder / "contacts").write_text("")
    (tmp_path / "day.txt").write_text("""
1 expect ring within 20
1 off-hook
1 expect voice within 5
1 play said.wav
1 record heard.wav 2
1 on-hook
wait 1.5
""")
    command = program(
        "--listen", f"udp:127.0.0.1:{gateway}", "--trust", "127.0.0.0/8", "--script", "day.txt", "--cdr", "cdr.json"
    )
    with subprocess.Popen(
        command, env=environment(), cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as ours:
        assert ours.stdout is not None and b"READY" in ours.stdout.readline()
        dial = ["-e", f"/dial sip:101@127.0.0.1:{gateway}"]
        with started([baresip, "-f", str(folder), "-t", "30", *dial], tmp_path, "baresip.log"):
            _, errors = ours.communicate(timeout=60)
    assert ours.returncode == 0, errors.decode() + (tmp_path / "baresip.log").read_text(errors="replace")[-2000:]
    assert np.abs(read_wav(tmp_path / "heard.wav")).mean() > 500, "the telephone heard nothing of baresip"
    [recorded] = folder.glob("*-dec.wav")
    octets = recorded.read_bytes()[44:]
    heard = np.frombuffer(octets[: len(octets) // 2 * 2], "<i2")
    assert np.abs(heard).max() > 5000, "baresip heard nothing of the telephone"
    [record] = [json.loads(line) for line in (tmp_path / "cdr.json").read_text().splitlines()]
    assert record["cause"] == 16 and record["media"][0]["packets_lost"] == 0
