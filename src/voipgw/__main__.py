"""The command ``voipgw``."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

import voipgw
from voipgw.errors import VoipGwError
from voipgw.gateway import commands, echo
from voipgw.gateway.options import Parser, one_line
from voipgw.lab import command as lab
from voipgw.trace import command as ladder

LATER = {"tones": "what every detector hears", "audit": "what a program exposes"}


def parser() -> Parser:
    """The command's options."""
    top = Parser("voipgw", description="Building blocks for VoIP gateways; this command runs and examines them.")
    top.add_argument("--version", action="version", version=f"voipgw {voipgw.__version__}")
    verbs = top.add_subparsers(dest="verb", metavar="COMMAND", required=True, parser_class=Parser)
    verbs.add_parser("echo", help="answer every call, say a greeting, then echo its sound", add_help=False)
    commands.add_explain(
        verbs.add_parser("explain", help="say what a route plan would do with a call, and why, and why not")
    )
    commands.add_check(
        verbs.add_parser("check", help="find the mistakes in a route plan; exit status 1 if there are any")
    )
    commands.add_diff(verbs.add_parser("diff", help="replay call records through two route plans"))
    drawing = verbs.add_parser("ladder", help="draw the calls of a capture as ladder diagrams")
    drawing.add_argument("file", type=Path, metavar="FILE.pcap")
    drawing.add_argument("--svg", type=Path, metavar="OUT.svg", help="also write a picture")
    drawing.add_argument("--call", metavar="ID", help="only the call with this Call-ID")
    drawing.set_defaults(run=lambda options: ladder.run(options.file, options.svg, options.call))
    script = verbs.add_parser(
        "lab", help="run a gateway with its peers and lines on a virtual clock; prints the trace hash"
    )
    script.add_argument("file", type=Path, metavar="SCRIPT.py", help="defines async def main(lab)")
    script.add_argument("--seed", type=int, default=1, metavar="N", help="seed of every random value (default 1)")
    script.add_argument("--trace", type=Path, metavar="FILE", help="write every line of the trace there")
    script.set_defaults(run=lambda options: lab.run(options.file, options.seed, trace=options.trace))
    for verb, what in LATER.items():
        later = verbs.add_parser(verb, help=f"{what} (not in this version yet)", add_help=False)
        later.add_argument("rest", nargs=argparse.REMAINDER)
        later.set_defaults(run=None)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; its exit status: 0 done, 1 the thing asked about is not so, 2 usage or environment."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    if words[:1] == ["echo"]:
        return echo.program().run(words[1:])
    options = parser().parse_args(words)
    if options.run is None:
        print(f"voipgw {options.verb}: not in this version yet", file=sys.stderr)
        return 2
    try:
        return int(options.run(options))
    except VoipGwError as error:
        one_line(error, f"voipgw {options.verb}")
        return 2
    except (KeyboardInterrupt, asyncio.CancelledError):
        return 130


if __name__ == "__main__":
    sys.exit(main())
