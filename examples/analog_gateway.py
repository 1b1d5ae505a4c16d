"""Telephones on FXS ports and a SIP trunk.

    python examples/analog_gateway.py --lines 2 --to sip:carrier.example --trust 192.0.2.0/24 --script day.txt

Line 1 has extension 101, line 2 102, and so on. Extensions ring each other and are reached from the trunk; any other number goes
out as it was dialled, to the first --to, and to the next one when that fails with a cause that another carrier may cure. A number
is complete after --inter-digit seconds without a digit, or at once with #. With --script, the people at the simulated telephones
do what the script says; the program exits 0 when all its steps held, and 1 at the first that did not, naming it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from voipgw.drivers.script import Script, load_script, run_script
from voipgw.drivers.sim import SimCard
from voipgw.entropy import SystemEntropy
from voipgw.errors import ConfigurationError
from voipgw.gateway import Gateway, Program
from voipgw.pstn import Driver
from voipgw.routing import Plan, anything, first


def setup(options: argparse.Namespace) -> Plan:
    """Lines with their extensions; everything else to the trunks of --to, in their order."""
    if not 1 <= options.lines <= 900:
        raise ConfigurationError(f"--lines: {options.lines} is not a number of lines from 1 to 900")
    try:
        plan = Plan()
    except ConfigurationError as error:
        raise ConfigurationError(f"--country: {str(error).partition(': ')[2]}") from None
    for number in range(1, options.lines + 1):
        plan.line(number, extension=str(100 + number))
    try:
        trunks = [plan.trunk(f"to-{number}", uri) for number, uri in enumerate(options.to, 1)]
    except ConfigurationError as error:
        raise ConfigurationError(f"--to: {str(error).partition(': ')[2]}") from None
    if trunks:
        plan.route("outside", when=anything, to=first(*trunks))
    return plan


def cards(options: argparse.Namespace) -> Sequence[Driver]:
    """One simulated card; what the script says is checked before it is opened."""
    if options.driver != "sim":
        raise ConfigurationError(f"--driver: {options.driver!r} is not in this version yet; sim would be right")
    script_of(options)
    law = "PCMU" if options.country.lower() in ("us", "ca", "jp") else "PCMA"
    return [SimCard(options.lines, entropy=SystemEntropy(), country=options.country, law=law)]


def script_of(options: argparse.Namespace) -> Script | None:
    """The script of --script, checked."""
    return load_script(options.script, options.lines) if options.script is not None else None


async def session(gateway: Gateway, options: argparse.Namespace) -> int:
    """Play the script; without one, run until stopped."""
    script = script_of(options)
    if script is None:
        return await gateway.run()
    [card] = gateway.cards
    assert isinstance(card, SimCard)
    outcome = await run_script(script, card, lambda line: print(line, file=sys.stderr, flush=True))
    if outcome.failed is not None:
        place = f"{script.name}:{outcome.failed.line}"
        print(f"analog_gateway: {place}: `{outcome.failed.text}` did not hold: {outcome.why}", file=sys.stderr)
        return 1
    return 0


program = Program("analog_gateway", __doc__ or "", setup, cards=cards, session=session)
program.option(
    "--to", action="append", default=[], metavar="URI", help="where other numbers go; repeatable, in this order"
)
program.option(
    "--lines", type=int, default=2, metavar="N", help="simulated FXS ports, extensions 101 to 100+N (default 2)"
)
program.option(
    "--country", default="us", metavar="CODE", help="whose tones, ringing, caller ID and numbers (default us)"
)
program.option("--driver", default="sim", metavar="sim", help="the card (default sim)")
program.later("--fxo", "N")
program.option(
    "--inter-digit",
    type=float,
    default=3.0,
    metavar="SECONDS",
    help="after a digit, until the number is complete (default 3)",
)
program.option("--script", type=Path, metavar="FILE", help="what the people at the telephones do, one step a line")

if __name__ == "__main__":
    raise SystemExit(program.run())
