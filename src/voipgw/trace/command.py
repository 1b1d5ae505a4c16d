"""``voipgw ladder``: the calls of a capture, drawn."""

from __future__ import annotations

import sys
from pathlib import Path

from voipgw.errors import ParseError
from voipgw.trace.calls import CapturedCall, events_of, merge_legs, read_calls
from voipgw.trace.ladder import ASCII, UNICODE, draw_text
from voipgw.trace.svg import draw_svg


def run(file: Path, svg: Path | None = None, call_id: str | None = None, *, merge: bool = True) -> int:
    """Print every call of ``file``, or the one of ``call_id``, as a ladder; with ``svg``, draw the same there.

    ``merge``: legs of one call through a gateway stand in one ladder. The exit status: 0 done, 1 the capture holds no such
    call, 2 the file cannot be read or written, with one line on standard error.
    """
    try:
        calls = read_calls(file)
    except OSError as error:
        return _failed(f"{file}: {error.strerror or error}")
    except ParseError as error:
        return _failed(f"{file}: {error}; a pcap or pcapng file is needed")
    groups = merge_legs(calls) if merge else [[call] for call in calls]
    if call_id is not None:
        groups = [group for group in groups if any(call.call_id == call_id for call in group)]
    if not groups:
        what = f"no call {call_id}" if call_id is not None else "no SIP message"
        known = f"; it holds {', '.join(call.call_id for call in calls[:5])}" if call_id is not None and calls else ""
        print(f"{file}: {what} in this capture{known}", file=sys.stderr)
        return 1
    style = UNICODE if "utf" in (sys.stdout.encoding or "").lower() else ASCII
    print("\n".join(draw_text(events_of(group), title=_title(group), style=style) for group in groups), end="")
    if svg is not None:
        try:
            everything = events_of(call for group in groups for call in group)
            title = _title(groups[0]) if len(groups) == 1 else f"{file.name}: {len(groups)} calls"
            svg.write_text(draw_svg(everything, title=title), encoding="utf-8")
        except OSError as error:
            return _failed(f"--svg {svg}: {error.strerror or error}")
    return 0


def _title(group: list[CapturedCall]) -> str:
    return " + ".join(call.call_id for call in group)


def _failed(why: str) -> int:
    print(f"voipgw ladder: {why}", file=sys.stderr)
    return 2
