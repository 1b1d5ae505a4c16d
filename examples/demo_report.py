"""What the demo shows of its two calls: ladder diagrams, the decisions and why, the records, and a picture."""

from __future__ import annotations

import wave
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from voipgw.gateway import Gateway
from voipgw.gateway.observation import Finished
from voipgw.media.plane import DigitHeard, MediaEvent
from voipgw.pstn.line import LineEvent, LineEventKind
from voipgw.routing.report import text_report
from voipgw.trace.ladder import LadderEvent, LadderRecorder, draw_text
from voipgw.trace.svg import draw_svg

TELEPHONE, GATEWAY = "telephone", "gateway"


class Ladder:
    """Collects signalling and what happens on the line."""

    def __init__(self, gateway: Gateway, names: Mapping[str, str]) -> None:
        addresses = {}
        for key, name in names.items():
            host, _, port = key.rpartition(":")
            addresses[host, int(port)] = name
        for listening in gateway.listening:
            _, host, port = listening.rsplit(":", 2)
            addresses[host, int(port)] = GATEWAY
        self.recorder = LadderRecorder(addresses)
        self._contacts: list[tuple[float, LineEventKind]] = []
        gateway.endpoint.observers.append(self.recorder)
        gateway.lines.watchers.append(self)

    def line_event(self, line: str, event: LineEvent, now: float) -> None:
        """A contact of the telephone moved."""
        self._contacts.append((event.at, event.kind))

    def media_event(self, line: str, event: MediaEvent, now: float) -> None:
        """A digit was heard on the line."""
        if isinstance(event, DigitHeard):
            self.recorder.add(
                LadderEvent(now, TELEPHONE, GATEWAY, f"digit {event.symbol}", f"{event.duration_ms} ms", kind="line")
            )

    def calls(self) -> list[list[LadderEvent]]:
        """The events of each call: what follows an on-hook belongs to the next."""
        events = sorted([*self.recorder.events, *self._hook_events()], key=lambda event: event.time)
        groups: list[list[LadderEvent]] = [[]]
        over = False
        for event in events:
            begins = event.label.startswith("INVITE") or event.label == "off-hook"
            if over and begins:
                groups.append([])
                over = False
            over = over or event.label == "on-hook"
            groups[-1].append(event)
        return [group for group in groups if group]

    def _hook_events(self) -> list[LadderEvent]:
        """The handset's moves: contacts bounce, and what follows within a tenth of a second is the same move."""
        events: list[LadderEvent] = []
        lifted, at = False, 0
        while at < len(self._contacts):
            began, kind = self._contacts[at]
            trip = kind is LineEventKind.RING_TRIP
            while at < len(self._contacts) and self._contacts[at][0] - began < 0.1:
                kind = self._contacts[at][1]
                trip = trip or kind is LineEventKind.RING_TRIP
                at += 1
            now_lifted = kind is not LineEventKind.LOOP_OPENED
            if now_lifted != lifted:
                label = ("off-hook (ring trip)" if trip else "off-hook") if now_lifted else "on-hook"
                events.append(LadderEvent(began, TELEPHONE, GATEWAY, label, kind="line"))
            lifted = now_lifted
        return events


def show(out: Path, finished: Sequence[Finished], ladder: Ladder) -> None:
    """Print everything that is text, and write everything that is a picture."""
    for number, events in enumerate(ladder.calls(), 1):
        print(f"\nCall {number}\n")
        print(draw_text(events, order=[TELEPHONE, GATEWAY]))
        (out / f"call-{number}.svg").write_text(
            draw_svg(events, order=[TELEPHONE, GATEWAY], title=f"Call {number}"), encoding="utf-8"
        )
    for number, call in enumerate(finished, 1):
        print(f"\nWhy call {number} went where it went\n")
        print(text_report(call.decision.explanation))
    print("\nCall records\n")
    for call in finished:
        print(call.record.to_json())
    picture = draw_picture(out, finished, ladder)
    print(
        f"\nIn {out}: demo.pcap, calls.jsonl, ladder diagrams, a stereo WAV of each call"
        + (f", {picture.name}" if picture else "")
    )


def draw_picture(out: Path, finished: Sequence[Finished], ladder: Ladder) -> Path | None:
    """Both directions of each call as spectrograms, with the signalling marked."""
    try:
        import matplotlib  # an extra: python -m pip install 'voipgw[plot]'
    except ModuleNotFoundError:
        return None
    matplotlib.use("Agg")
    from matplotlib import pyplot

    calls = ladder.calls()
    figure, axes = pyplot.subplots(
        2 * len(finished), 1, figsize=(14, 4.2 * len(finished)), squeeze=False, constrained_layout=True
    )
    for number, call in enumerate(finished):
        recording = out / f"{safe(call.record.call_id)}.wav"
        samples = read_stereo(recording) if recording.exists() else np.zeros((2, 8000), np.int16)
        marks = marks_of(calls[number], call) if number < len(calls) else []
        for channel, who in enumerate(("calling party", "called party")):
            draw_channel(
                axes[2 * number + channel][0], samples[channel], f"call {number + 1}: what the {who} says", marks
            )
    path = out / "calls.png"
    figure.savefig(path, dpi=90)
    pyplot.close(figure)
    return path


def draw_channel(axis: Any, samples: Any, title: str, marks: list[tuple[float, str]]) -> None:
    """One spectrogram."""
    axis.specgram(
        samples + np.random.default_rng(0).normal(0, 0.3, len(samples)),
        NFFT=256,
        Fs=8000,
        noverlap=128,
        cmap="magma",
        vmin=-40,
        vmax=50,
    )
    axis.set(title=title, ylabel="Hz", xlim=(0, len(samples) / 8000))
    for at, label in marks:
        if 0 <= at <= len(samples) / 8000:
            axis.axvline(at, color="cyan", linewidth=0.8)
            axis.text(at, 3900, f" {label}", color="cyan", fontsize=8, va="top", rotation=90)


def marks_of(events: Sequence[LadderEvent], call: Finished) -> list[tuple[float, str]]:
    """The events after the answer, in seconds of the recording."""
    answers = [event.time for event in events if event.label.startswith("200 OK (INVITE)")]
    return [(event.time - answers[0], event.label) for event in events if answers and event.time >= answers[0]]


def read_stereo(path: Path) -> Any:
    """int16[2, n] samples of a stereo WAV."""
    with wave.open(str(path), "rb") as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2).T


def safe(call_id: str) -> str:
    """The name that a recording has."""
    return "".join(letter if letter.isalnum() or letter in "_.-" else "_" for letter in call_id)[:120]
