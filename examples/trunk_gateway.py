"""SIP trunk to SIP trunk, back to back, with the media anchored here.

    python examples/trunk_gateway.py --trust 192.0.2.0/24 --to sip:carrier-a.example --to sip:carrier-b.example

Calls from trusted networks, or from users who know a password, go to the first --to; when that one fails with a cause that another
carrier may cure (congestion, out of order, silence), to the next.
"""

from __future__ import annotations

import argparse

from voipgw.errors import ConfigurationError
from voipgw.gateway import Program
from voipgw.routing import Plan, anything, first


def setup(options: argparse.Namespace) -> Plan:
    """One rule: every call goes to the trunks of --to, in their order; numbers and names pass as they came."""
    plan = Plan()
    try:
        trunks = [plan.trunk(f"to-{number}", uri) for number, uri in enumerate(options.to, 1)]
    except ConfigurationError as error:
        raise ConfigurationError(f"--to: {str(error).partition(': ')[2]}") from None
    plan.route("onward", when=anything, to=first(*trunks))
    return plan


program = Program("trunk_gateway", __doc__ or "", setup)
program.option(
    "--to", action="append", required=True, metavar="URI", help="where calls go; repeatable, tried in this order"
)

if __name__ == "__main__":
    raise SystemExit(program.run())
