"""Ladder diagrams as one self-contained SVG: no script, no font, nothing fetched; whole messages show when pointed at."""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.sax.saxutils import escape

from voipgw.trace.ladder import LadderEvent, participants_of

_COLOURS = {
    "request": "#1f5fbf", "provisional": "#6b7280", "success": "#18794e", "failure": "#c0392b", "media": "#8250df",
    "line": "#9a6700", "": "#1f2328",
}  # fmt: skip
_ROW, _GAP, _LEFT, _TOP = 30, 230, 90, 64
_UNFIT = re.compile("[^\n\t -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_CHARACTER = 7.2  #: width of a monospaced character at 12 px
_STYLE = (
    "text{font-family:ui-monospace,'DejaVu Sans Mono',Menlo,Consolas,monospace;font-size:12px;fill:#1f2328}"
    ".name{font-weight:600;text-anchor:middle}.time{fill:#6b7280;text-anchor:end}.label{text-anchor:middle}"
    ".title{font-size:14px;font-weight:600}.life{stroke:#d0d7de;stroke-width:1}"
)


def draw_svg(events: Sequence[LadderEvent], *, order: Sequence[str] = (), title: str = "") -> str:
    """The diagram as an SVG document; times are seconds from the first event."""
    events = sorted(events, key=lambda event: event.time)
    names = participants_of(events, order)
    longest = max([len(e.label) for e in events] + [len(name) for name in names] + [0])
    gap = max(_GAP, int(longest * _CHARACTER) + 40)
    x = {name: _LEFT + gap // 2 + at * gap for at, name in enumerate(names)}
    width, height = _LEFT + max(len(names), 1) * gap, _TOP + _ROW * (len(events) + 1)
    start = events[0].time if events else 0.0
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">',
        f"<style>{_STYLE}</style>",
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        f'<text class="title" x="12" y="22">{_text(title)}</text>',
    ]
    for name in names:
        parts.append(f'<text class="name" x="{x[name]}" y="{_TOP - 16}">{_text(name)}</text>')
        parts.append(f'<line class="life" x1="{x[name]}" y1="{_TOP - 8}" x2="{x[name]}" y2="{height - 12}"/>')
    for number, event in enumerate(events):
        parts.append(_row(event, x, _TOP + _ROW * (number + 1) - 8, event.time - start))
    return "\n".join([*parts, "</svg>", ""])


def _row(event: LadderEvent, x: dict[str, int], y: int, seconds: float) -> str:
    colour = _COLOURS.get(event.kind, _COLOURS[""])
    here, label = x[event.source], _text(event.label)
    time = f'<text class="time" x="{_LEFT - 14}" y="{y + 4}">{seconds:.3f}</text>'
    title = f"<title>{_text(event.detail or event.label)}</title>"
    if event.alone:
        mark = f'<circle cx="{here}" cy="{y}" r="4" fill="{colour}"/>'
        return f'<g>{title}{time}{mark}<text x="{here + 10}" y="{y + 4}" style="fill:{colour}">{label}</text></g>'
    there = x[event.destination]
    tip = there - 8 if there > here else there + 8
    dash = ' stroke-dasharray="5 4"' if event.again else ""
    arrow = (
        f'<line x1="{here}" y1="{y}" x2="{tip}" y2="{y}" stroke="{colour}" stroke-width="1.5"{dash}/>'
        f'<polygon points="{there},{y} {tip},{y - 4} {tip},{y + 4}" fill="{colour}"/>'
    )
    middle = (here + there) // 2
    return (
        f'<g>{title}{time}{arrow}<text class="label" x="{middle}" y="{y - 6}" style="fill:{colour}">{label}</text></g>'
    )


def _text(text: str) -> str:
    """Text that XML can carry (XML 1.0 section 2.2), escaped."""
    return escape(_UNFIT.sub("\ufffd", text.replace("\r\n", "\n")))
