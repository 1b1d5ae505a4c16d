"""Sends callers elsewhere: 302 with the addresses that a table has for the number called, 404 for any other.

    python examples/redirect.py --trust 192.0.2.0/24 --table numbers.txt

A line of the table is a number or name, then one URI or more, the preferred one first; # begins a comment. SIGHUP reads it again.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from voipgw.errors import ConfigurationError
from voipgw.gateway import Program
from voipgw.routing import Plan, called, redirect


def setup(options: argparse.Namespace) -> Plan:
    """One rule a line."""
    plan, table = Plan(), options.table
    try:
        lines = table.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"--table: cannot read {table}: {error}") from error
    for at, line in enumerate(lines, 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        if len(words) == 1:
            raise ConfigurationError(f"{table}:{at}: {words[0]!r} without a URI to send it to")
        try:
            plan.route(words[0], when=called.exact(words[0]), to=redirect(*words[1:]))
        except ConfigurationError as error:
            raise ConfigurationError(f"{table}:{at}: {error}") from error
    return plan


program = Program("redirect", __doc__ or "", setup)
program.option("--table", type=Path, required=True, metavar="FILE", help="lines NUMBER URI [URI...]")

if __name__ == "__main__":
    raise SystemExit(program.run())
