"""Writes ``src/voipgw/csrc/vg_tone_tables.h``: the windowed bins of the DTMF detector, as int16 dot-product rows.

Run it from the repository's root after changing a figure here; a unit test compares the header with what this prints.

A row is half of a symmetric window of 192 samples (24 ms at 8000 Hz): the detector folds its samples about the window's
centre into sums and differences, so that a cosine row meets 96 sums and a sine row 96 differences.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

RATE_HZ = 8000
HALF = 96  # samples of half a window
PEAK = 1900  # of a coefficient; keeps every dot product of 96 full-scale sums inside 32 bits
HOP = 40  # samples from one window to the next
LOW_HZ = (697, 770, 852, 941)
HIGH_HZ = (1209, 1336, 1477, 1633)
GRID_FIRST_HZ = 562.5
GRID_STEP_HZ = 62.5
GRID_BINS = 47


def rows(frequency_hz: float) -> np.ndarray:
    """Cosine and sine row of one bin, int16[2, HALF]."""
    m = np.arange(HALF) + 0.5
    window = PEAK * 0.5 * (1 + np.cos(np.pi * m / HALF))
    phase = 2 * np.pi * frequency_hz * m / RATE_HZ
    table = np.rint(np.stack([window * np.cos(phase), window * np.sin(phase)])).astype(np.int16)
    assert np.abs(table.astype(np.int64)).sum(axis=1).max() * 32768 < 2**31
    return table


def block(name: str, frequencies_hz: list[float]) -> str:
    """One C table of all bins."""
    out = [f"static const int16_t {name}[{len(frequencies_hz)}][2][{HALF}] = {{"]
    for frequency_hz in frequencies_hz:
        out.append(f"    {{ /* {frequency_hz:g} Hz */")
        for row in rows(frequency_hz):
            text = ", ".join(str(value) for value in row)
            lines, line = [], ""
            for word in text.split(" "):
                if len(line) + len(word) > 110:
                    lines.append(line.rstrip())
                    line = ""
                line += word + " "
            out.append("      { " + ("\n        ".join([*lines, line.rstrip()])) + " },")
        out.append("    },")
    return "\n".join([*out, "};"])


def rotations() -> str:
    """What the phase of each bin turns by in one hop at its nominal frequency, as cosine and sine."""
    turns = [2 * np.pi * f * HOP / RATE_HZ for f in (*LOW_HZ, *HIGH_HZ)]
    body = "\n".join(f"    {{ {np.cos(t):.9f}f, {np.sin(t):.9f}f }}," for t in turns)
    return f"static const float VG_DTMF_TURN[8][2] = {{\n{body}\n}};"


def sine() -> str:
    """A quarter of a sine wave, in 2^-30, 513 points; linear interpolation stays within -118 dB."""
    values = np.rint(np.sin(np.pi / 2 * np.arange(513) / 512) * 2**30).astype(np.int64)
    lines = [", ".join(str(v) for v in values[i : i + 9]) for i in range(0, 513, 9)]
    return "static const int32_t VG_QUARTER_SINE[513] = {\n    " + ",\n    ".join(lines) + "\n};"


def sine_header() -> str:
    """The sine table's file."""
    return "\n".join(
        [
            "/* Made by tools/tone_tables.py: do not edit. */",
            "#ifndef VG_SINE_TABLES_H",
            "#define VG_SINE_TABLES_H",
            "#include <stdint.h>",
            sine(),
            "#endif",
            "",
        ]
    )


def header() -> str:
    """The bins' file."""
    grid = [GRID_FIRST_HZ + GRID_STEP_HZ * k for k in range(GRID_BINS)]
    return "\n".join(
        [
            "/* Made by tools/tone_tables.py: do not edit. */",
            "#ifndef VG_TONE_TABLES_H",
            "#define VG_TONE_TABLES_H",
            "#include <stdint.h>",
            f"#define VG_BIN_HALF {HALF}",
            f"#define VG_BIN_HOP {HOP}",
            f"#define VG_BIN_PEAK {PEAK}",
            f"#define VG_GRID_BINS {GRID_BINS}",
            f"#define VG_GRID_FIRST_HZ {GRID_FIRST_HZ}f",
            f"#define VG_GRID_STEP_HZ {GRID_STEP_HZ}f",
            rotations(),
            block("VG_DTMF_BINS", [*LOW_HZ, *HIGH_HZ]),
            block("VG_GRID", grid),
            "#endif",
            "",
        ]
    )


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path("src/voipgw/csrc")
    (folder / "vg_tone_tables.h").write_text(header(), encoding="utf-8")
    (folder / "vg_sine_tables.h").write_text(sine_header(), encoding="utf-8")
