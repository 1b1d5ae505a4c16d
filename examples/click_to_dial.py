"""Calls two numbers and joins them: the first is called, and when it answers, the second.

    python examples/click_to_dial.py --to sip:carrier.example 2125551000 2125552000

It exits when the two have finished: 0 when they talked, 1 when one of them could not be reached.
"""

from __future__ import annotations

import argparse
import sys

from voipgw.errors import CallFailed
from voipgw.gateway import Gateway, Program
from voipgw.routing import Plan, first, source


def setup(options: argparse.Namespace) -> Plan:
    """Both calls go to the trunks of --to; nobody else may call."""
    plan = Plan()
    trunks = [plan.trunk(f"to-{number}", uri) for number, uri in enumerate(options.to, 1)]
    plan.route("onward", when=source.app(), to=first(*trunks))
    return plan


async def session(gateway: Gateway, options: argparse.Namespace) -> int:
    """Place the calls, and wait for their end."""
    connection = gateway.connect(options.first, options.second, name="click-to-dial")
    try:
        await connection.talking()
    except CallFailed as error:
        print(f"click_to_dial: {error}", file=sys.stderr)
        return 1
    await connection.over()
    return 0


program = Program("click_to_dial", __doc__ or "", setup, session=session)
program.option("--to", action="append", required=True, metavar="URI", help="where the calls go; repeatable")
program.option("first", metavar="FIRST", help="number that is called first")
program.option("second", metavar="SECOND", help="number that is called when the first has answered")

if __name__ == "__main__":
    raise SystemExit(program.run())
