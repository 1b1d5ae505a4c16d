"""Phone scripts: what the people at simulated telephones do, one step a line.

A script is read and checked whole before its first step runs; its mistakes are ``ConfigurationError`` with file and line. A
run ends at the first step that does not hold and says which and why.

====================================================  ================================================================
step                                                  meaning
====================================================  ================================================================
``PORT off-hook`` ``PORT on-hook`` ``PORT flash``     the hook of telephone PORT, 1 to the number of lines
``PORT dial DIGITS`` ``PORT pulse DIGITS``            keys as sound; the dial, by pulses
``PORT play FILE.wav``                                speak; the next step comes when all is said
``PORT record FILE.wav SECONDS``                      record the earpiece for so long
``PORT expect KIND [within SECONDS]``                 hear dial-tone, ringback, busy, congestion, stutter, ring, answer,
                                                      silence, voice, howler, sit or call-waiting; 10 s unless told
``PORT expect caller-id NUMBER [within SECONDS]``     see this number
``wait SECONDS``                                      nothing
``together`` ... ``end``                              the steps between at the same time, each port in its own order;
                                                      a ``wait`` there delays the steps below it
====================================================  ================================================================

``#`` begins a comment. A file to be played is looked for in the current directory, then beside the script; one to be recorded
is written to the current directory. Both are WAV of 8000 Hz, one channel, 16 bits.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Coroutine, Iterator, Sequence
from pathlib import Path
from typing import NoReturn, Protocol

import attrs

from voipgw.drivers.telephone import KINDS, SimTelephone
from voipgw.drivers.wav import read_wav, write_wav
from voipgw.errors import ConfigurationError, VoipGwError

WITHIN_S = 10.0  #: of ``expect``, unless told
_EXPECTED = (*KINDS, "ring")
_VERBS = ("off-hook", "on-hook", "flash", "dial", "pulse", "play", "record", "expect")
_KEYS = frozenset("0123456789*#ABCDabcd")


@attrs.frozen
class Step:
    """One line of a script."""

    line: int  #: from 1
    text: str
    port: int  #: 0 for ``wait``
    verb: str
    argument: str = ""  #: digits, path, kind of sound
    number: str = ""  #: of ``expect caller-id``
    seconds: float = 0.0  #: of ``wait`` and ``record``; ``within`` of ``expect``


@attrs.frozen
class Together:
    """Steps that run at the same time."""

    line: int  #: of the word itself
    steps: tuple[Step, ...]


@attrs.frozen
class Script:
    """A script that has been checked."""

    name: str
    steps: tuple[Step | Together, ...]
    folder: Path  #: where files to be played are looked for, besides the current directory


@attrs.frozen
class Outcome:
    """How a run ended."""

    failed: Step | None = None  #: the first step that did not hold; None when all did
    why: str = ""

    @property
    def held(self) -> bool:
        """Whether every step held."""
        return self.failed is None


class Telephones(Protocol):
    """Where the telephones are: a simulated card."""

    def telephone(self, number: int) -> SimTelephone:
        """The telephone on a port, from 1."""
        ...


def load_script(path: Path, ports: int) -> Script:
    """Read the script in ``path`` for ``ports`` telephones.

    Raises:
        ConfigurationError: it cannot be read, or has a mistake.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"script {path}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"script {path} is not UTF-8 text") from None
    return parse_script(text, ports, name=str(path), folder=path.parent)


def parse_script(text: str, ports: int, *, name: str = "script", folder: Path = Path()) -> Script:
    """Check a script's text for ``ports`` telephones; sound files are opened and checked too.

    Raises:
        ConfigurationError: a mistake; the message has name, line, step, what was found and what would be right.
    """
    steps: list[Step | Together] = []
    block: list[Step] | None = None
    began = 0
    for number, raw in enumerate(text.splitlines(), 1):
        line = " ".join(_words(raw))
        if not line:
            continue
        reader = _Reader(name, number, line, ports, folder)
        if line == "together":
            if block is not None:
                reader.refuse(f"together inside the together of line {began}", "an end before it")
            block, began = [], number
        elif line == "end":
            if block is None:
                reader.refuse("an end without a together", "a together before it")
            steps.append(Together(began, tuple(block)))
            block = None
        else:
            (steps if block is None else block).append(reader.step())
    if block is not None:
        raise ConfigurationError(f"{name}:{began}: `together` has no `end`")
    if not steps:
        raise ConfigurationError(f"{name}: the script has no step")
    return Script(name, tuple(steps), folder)


def _words(line: str) -> list[str]:
    """The words before a comment. A # within a word, or where the keys to be dialled stand, is a key."""
    words = line.split()
    for index, word in enumerate(words):
        if word.startswith("#") and not (index == 2 and words[1] == "dial"):
            return words[:index]
    return words


class _Reader:
    """One line, to be turned into a step or refused."""

    def __init__(self, name: str, number: int, line: str, ports: int, folder: Path) -> None:
        self._name = name
        self._number = number
        self._line = line
        self._words = line.split()
        self._ports = ports
        self._folder = folder

    def refuse(self, found: str, right: str) -> NoReturn:
        raise ConfigurationError(f"{self._name}:{self._number}: `{self._line}`: {found}; {right} would be right")

    def step(self) -> Step:
        words = self._words
        if words[0] == "wait":
            self._want(2, "wait SECONDS")
            return Step(self._number, self._line, 0, "wait", seconds=self._seconds(words[1]))
        if words[0].startswith("fxo"):
            raise ConfigurationError(
                f"{self._name}:{self._number}: `{self._line}`: FXO ports are not in this version yet; "
                f"a script can use telephones 1 to {self._ports}"
            )
        port = self._port(words[0])
        if len(words) < 2 or words[1] not in _VERBS:
            self.refuse(f"step {' '.join(words[1:2]) or 'missing'}", f"one of {', '.join(_VERBS)}")
        step = Step(self._number, self._line, port, words[1])
        if step.verb in ("off-hook", "on-hook", "flash"):
            self._want(2, f"{port} {step.verb}")
            return step
        return self._expect(step) if step.verb == "expect" else self._act(step)

    def _act(self, step: Step) -> Step:
        words = self._words
        if step.verb == "record":
            self._want(4, f"{step.port} record FILE.wav SECONDS")
            return attrs.evolve(step, argument=words[2], seconds=self._seconds(words[3]))
        self._want(3, f"{step.port} {step.verb} {'FILE.wav' if step.verb == 'play' else 'DIGITS'}")
        if step.verb == "dial" and not set(words[2]) <= _KEYS:
            self.refuse(f"digits {words[2]}", "some of 0-9 * # A-D")
        if step.verb == "pulse" and not (words[2].isascii() and words[2].isdigit()):
            self.refuse(f"digits {words[2]}, which a dial does not have,", "some of 0-9")
        if step.verb == "play":
            try:
                read_wav(find(words[2], self._folder))
            except ConfigurationError as error:
                raise ConfigurationError(f"{self._name}:{self._number}: `{self._line}`: {error}") from None
        return attrs.evolve(step, argument=words[2])

    def _expect(self, step: Step) -> Step:
        words = self._words
        if words[2:3] == ["caller-id"]:
            if len(words) < 4 or words[3] == "within":
                self.refuse("caller-id without a number", f"{step.port} expect caller-id NUMBER")
            return attrs.evolve(step, argument="caller-id", number=words[3], seconds=self._within(words[4:]))
        if len(words) < 3 or words[2] not in _EXPECTED:
            self.refuse(f"expect {' '.join(words[2:3]) or 'of nothing'}", f"one of {', '.join(_EXPECTED)}, caller-id")
        return attrs.evolve(step, argument=words[2], seconds=self._within(words[3:]))

    def _within(self, words: Sequence[str]) -> float:
        if not words:
            return WITHIN_S
        if len(words) != 2 or words[0] != "within":
            self.refuse(f"{' '.join(words)!r} at its end", "within SECONDS, or nothing,")
        return self._seconds(words[1])

    def _want(self, count: int, form: str) -> None:
        if len(self._words) != count:
            self.refuse(f"{len(self._words)} words", form)

    def _port(self, word: str) -> int:
        if not (word.isascii() and word.isdigit() and 1 <= int(word) <= self._ports):
            self.refuse(f"port {word}", f"a telephone from 1 to {self._ports}, wait, together or end")
        return int(word)

    def _seconds(self, word: str) -> float:
        try:
            seconds = float(word)
        except ValueError:
            seconds = math.nan
        if not 0 < seconds <= 86400:
            self.refuse(f"{word} seconds", "a number above 0")
        return seconds


def find(file: str, folder: Path) -> Path:
    """``file`` in the current directory, or else in ``folder``."""
    path = Path(file)
    return path if path.is_absolute() or path.exists() else folder / path


class _NotHeld(Exception):
    def __init__(self, step: Step, why: str) -> None:
        super().__init__(why)
        self.step = step


async def run_script(script: Script, telephones: Telephones, progress: Callable[[str], None]) -> Outcome:
    """Do every step of ``script``; ``progress`` gets a line of text for each, when it has held or failed."""
    loop = asyncio.get_running_loop()
    run = _Run(script, telephones, progress, loop.time())
    try:
        for part in script.steps:
            await (run.together(part) if isinstance(part, Together) else run.step(part))
    except _NotHeld as failure:
        return Outcome(failure.step, str(failure))
    return Outcome()


class _Run:
    def __init__(self, script: Script, telephones: Telephones, progress: Callable[[str], None], began: float) -> None:
        self._script = script
        self._telephones = telephones
        self._progress = progress
        self._began = began

    async def step(self, step: Step) -> None:
        try:
            await self._do(step)
        except (VoipGwError, ValueError, OSError) as error:
            self._tell(step, f"FAILED: {error}")
            raise _NotHeld(step, str(error)) from None
        self._tell(step, "ok")

    async def together(self, block: Together) -> None:
        """One chain of steps for each port; the first failure ends them all."""
        tasks = [asyncio.ensure_future(chain) for chain in self._chains(block)]
        try:
            for finished in asyncio.as_completed(tasks):
                await finished
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _chains(self, block: Together) -> Iterator[Coroutine[None, None, None]]:
        chains: dict[int, list[tuple[float, Step]]] = {}
        delay_s = 0.0
        for step in block.steps:
            if step.verb == "wait":
                delay_s += step.seconds
                chains.setdefault(0, []).append((0.0, step))
            else:
                chains.setdefault(step.port, []).append((delay_s, step))
        began = asyncio.get_running_loop().time()
        return (self._chain(began, chain) for chain in chains.values())

    async def _chain(self, began: float, chain: list[tuple[float, Step]]) -> None:
        loop = asyncio.get_running_loop()
        for delay_s, step in chain:
            early_s = began + delay_s - loop.time()
            if early_s > 0:
                await asyncio.sleep(early_s)
            await self.step(step)

    async def _do(self, step: Step) -> None:
        if step.verb == "wait":
            await asyncio.sleep(step.seconds)
            return
        telephone = self._telephones.telephone(step.port)
        match step.verb:
            case "off-hook":
                telephone.off_hook()
            case "on-hook":
                telephone.on_hook()
            case "flash":
                await telephone.flash()
            case "dial":
                await telephone.dial(step.argument)
            case "pulse":
                await telephone.pulse(step.argument)
            case "play":
                await telephone.play(read_wav(find(step.argument, self._script.folder)))
            case "record":
                write_wav(Path(step.argument), await telephone.listen(step.seconds))
            case _:
                await self._expect(step, telephone)

    async def _expect(self, step: Step, telephone: SimTelephone) -> None:
        if step.argument == "caller-id":
            await telephone.expect_caller_id(step.number, step.seconds)
        elif step.argument == "ring":
            await telephone.expect_ring(step.seconds)
        else:
            await telephone.expect(step.argument, step.seconds)

    def _tell(self, step: Step, what: str) -> None:
        elapsed_s = asyncio.get_running_loop().time() - self._began
        self._progress(f"{elapsed_s:7.2f} s  line {step.line:<3} {step.text}  {what}")
