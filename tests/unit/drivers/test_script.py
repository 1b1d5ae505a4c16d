"""Phone scripts: what is refused before anything runs, and how a run ends."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from voipgw import dsp
from voipgw._native import g711
from voipgw.drivers.audio import MemoryAudio
from voipgw.drivers.script import Outcome, Together, load_script, parse_script, run_script
from voipgw.drivers.sim import LoopPhysics, SimCard
from voipgw.drivers.wav import read_wav, write_wav
from voipgw.entropy import SeededEntropy
from voipgw.errors import ConfigurationError
from voipgw.lab.clock import run_virtual

LINES = 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 off-hook\n9 on-hook", r"house:2: `9 on-hook`: port 9; a telephone from 1 to 3, wait, together or end would be right"),
        ("1 lift", "step lift; one of off-hook, on-hook, flash, dial, pulse, play, record, expect would be right"),
        ("1", "step missing"),
        ("1 off-hook now", "3 words; 1 off-hook would be right"),
        ("1 dial", "2 words; 1 dial DIGITS would be right"),
        ("1 dial 12E", r"digits 12E; some of 0-9 \* # A-D would be right"),
        ("1 pulse 12#", "digits 12#, which a dial does not have,; some of 0-9 would be right"),
        ("1 expect birdsong", "expect birdsong; one of dial-tone, .*caller-id would be right"),
        ("1 expect", "expect of nothing"),
        ("1 expect busy 5", r"'5' at its end; within SECONDS, or nothing, would be right"),
        ("1 expect busy within soon", "soon seconds; a number above 0 would be right"),
        ("1 expect caller-id", "caller-id without a number; 1 expect caller-id NUMBER would be right"),
        ("1 expect caller-id within 5", "caller-id without a number"),
        ("wait", "1 words; wait SECONDS would be right"),
        ("wait -1", "-1 seconds"),
        ("wait nan", "nan seconds"),
        ("1 record out.wav", r"3 words; 1 record FILE.wav SECONDS would be right"),
        ("1 play nothing-there.wav", r"`1 play nothing-there.wav`: .*nothing-there\.wav: No such file"),
        ("fxo1 ring from 123", "house:1: `fxo1 ring from 123`: FXO ports are not in this version yet"),
        ("fxo2 expect digits 12", "FXO ports are not in this version yet; a script can use telephones 1 to 3"),
        ("together\n1 off-hook", "house:1: `together` has no `end`"),
        ("end", "an end without a together; a together before it would be right"),
        ("together\ntogether\nend", "house:2: `together`: together inside the together of line 1"),
        ("# nothing\n\n", "house: the script has no step"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_line_and_remedy_before_anything_runs(text: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        parse_script(text, LINES, name="house")


def test_comments_and_keys() -> None:
    script = parse_script("# a day\n1 dial 101#  # the hash is a key\n2 dial #21#\n1 off-hook # lift\n", LINES)
    assert [step.text for step in script.steps if not isinstance(step, Together)] == [
        "1 dial 101#", "2 dial #21#", "1 off-hook"
    ]  # fmt: skip


def test_a_wav_of_the_wrong_rate_is_refused_with_what_would_be_right(tmp_path: Path) -> None:
    import wave

    with wave.open(str(tmp_path / "cd.wav"), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(44100)
        file.writeframes(bytes(400))
    (tmp_path / "day.txt").write_text("1 off-hook\n1 play cd.wav\n")
    with pytest.raises(
        ConfigurationError, match=r"day\.txt:2: `1 play cd\.wav`: .*44100 Hz, 16 bits, 2 channels; 8000 Hz"
    ):
        load_script(tmp_path / "day.txt", LINES)


def test_a_script_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"script .*none\.txt"):
        load_script(tmp_path / "none.txt", LINES)
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigurationError, match=r"script .*binary\.txt"):
        load_script(tmp_path / "binary.txt", LINES)


def run(text: str, folder: Path = Path(), acts: Callable[[SimCard], None] | None = None) -> tuple[Outcome, list[str]]:
    """Telephones that hear dial tone for ever, and themselves between its bursts: an engine that echoes what has sound."""
    told: list[str] = []
    silent = g711.encode(g711.ULAW, np.zeros(160, np.int16))

    async def main() -> Outcome:
        physics = LoopPhysics(return_loss_db=math.inf)
        card = SimCard(LINES, entropy=SeededEntropy(2), audio=MemoryAudio, physics=physics)
        for port in card.fxs_ports:
            tone = dsp.ToneGenerator(dsp.country("us").tone("dial"))

            def answer(frame: bytes, tone: dsp.ToneGenerator = tone) -> list[bytes]:
                return [frame if frame != silent else g711.encode(g711.ULAW, tone.make(160))]

            port.audio.connect(answer)  # type: ignore[attr-defined]
        await card.start(lambda port, event: None)
        if acts is not None:
            acts(card)
        outcome = await run_script(parse_script(text, LINES, folder=folder), card, told.append)
        await card.close()
        return outcome

    outcome, _, _ = run_virtual(main, limit_s=3600)
    return outcome, told


def test_a_script_whose_steps_hold_is_told_step_by_step() -> None:
    outcome, told = run("1 off-hook\n1 expect dial-tone within 2\n1 dial 5\n1 pulse 1\n1 flash\nwait 1.5\n1 on-hook")
    assert outcome.held, outcome
    assert len(told) == 7
    assert told[0] == "   0.00 s  line 1   1 off-hook  ok"
    assert all(line.endswith("ok") for line in told)


def test_the_first_step_that_does_not_hold_ends_the_run_and_is_named() -> None:
    outcome, told = run("1 off-hook\n1 expect busy within 2\n1 on-hook")
    assert outcome.failed is not None
    assert (outcome.failed.line, outcome.failed.text) == (2, "1 expect busy within 2")
    assert outcome.why == "telephone 1 did not hear busy within 2 s; it heard dial-tone"
    assert told[-1].endswith("FAILED: " + outcome.why) and len(told) == 2


def test_a_step_that_the_telephone_cannot_do_fails() -> None:
    outcome, _ = run("1 dial 123")
    assert outcome.failed is not None and "its handset is on the hook" in outcome.why


def test_steps_together_run_at_once_each_port_in_its_own_order() -> None:
    text = """
together
1 off-hook
1 expect dial-tone
1 pulse 1
2 off-hook
2 pulse 1234
wait 10
3 off-hook
end
1 on-hook
"""
    outcome, told = run(text)
    assert outcome.held
    order = [line.split("line ")[1].split(" ", 1)[1].strip() for line in told]
    assert order.index("2 off-hook  ok") < order.index("1 pulse 1  ok") < order.index("2 pulse 1234  ok")
    assert order[-1] == "1 on-hook  ok"
    [third] = [line for line in told if "3 off-hook" in line]
    assert third.startswith("  10.00 s")


def test_a_failure_among_steps_together_stops_the_others() -> None:
    text = "together\n1 off-hook\n1 pulse 9999999\n2 off-hook\n2 expect busy within 1\nend\n3 off-hook"
    outcome, told = run(text)
    assert outcome.failed is not None and outcome.failed.line == 5
    assert not any("3 off-hook" in line or "pulse" in line for line in told)


def test_play_and_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "sounds"
    folder.mkdir()
    pcm = np.rint(7000 * np.sin(np.arange(16000) / 4)).astype(np.int16)
    write_wav(folder / "a.wav", pcm)

    def start(card: SimCard) -> None:
        asyncio.get_running_loop().call_later(0.5, lambda: asyncio.ensure_future(card.telephone(1).play(pcm[:8000])))

    outcome, told = run("1 off-hook\n1 record out.wav 3\n1 play a.wav", folder, start)
    assert outcome.held, outcome
    heard = read_wav(tmp_path / "out.wav")
    assert len(heard) == 24000
    assert told[-1].startswith("   5.0")


def test_ring_and_caller_id_are_expected() -> None:
    def start(card: SimCard) -> None:
        loop, port = asyncio.get_running_loop(), card.fxs_ports[0]
        loop.call_later(3.0, port.ring, True)
        loop.call_later(5.0, port.ring, False)

    outcome, _ = run("1 expect ring within 4\n1 expect caller-id 555 within 3", acts=start)
    assert outcome.failed is not None and outcome.failed.verb == "expect" and outcome.failed.line == 2
    assert outcome.why == "telephone 1 was to show caller ID '555' within 3 s; it received none"


def test_a_recording_that_cannot_be_written_fails_its_step() -> None:
    outcome, _ = run("1 off-hook\n1 record no-such-folder/x.wav 1")
    assert outcome.failed is not None and "no-such-folder" in outcome.why
