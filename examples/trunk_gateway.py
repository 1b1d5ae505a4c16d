"""SIP trunk to SIP trunk, back to back, with the media anchored here.

    python examples/trunk_gateway.py --trust 192.0.2.0/24 --to sip:carrier-a.example --to sip:carrier-b.example

Calls from trusted networks, or from users who know a password, go to the first --to; when that one fails with a cause that another
carrier may cure (congestion, out of order, silence), to the next.
"""

from __future__ import annotations

import argparse

import attrs

from voipgw.errors import ConfigurationError, ParseError
from voipgw.gateway import Program
from voipgw.routing import Plan, anything, called, first
from voipgw.sip.uri import Uri


def setup(options: argparse.Namespace) -> Plan:
    """One rule: every call goes to the trunks of --to, in their order; numbers and names pass as they came."""
    plan = Plan()
    try:
        trunks = [plan.trunk(f"to-{number}", uri) for number, uri in enumerate(options.to, 1)]
    except ConfigurationError as error:
        raise ConfigurationError(f"--to: {str(error).partition(': ')[2]}") from None
    plan.route("onward", when=anything, to=first(*trunks))
    plan.route("codes", when=called.prefix("#", "*"), to=first(*trunks))
    if options.register is not None:
        registration(plan, options)
    return plan


def registration(plan: Plan, options: argparse.Namespace) -> None:
    """A trunk that is there for its registration, so that calls come here."""
    if options.username is None or options.password_env is None:
        raise ConfigurationError("--register: --username and --password-env go with it, and one of them is missing")
    try:
        uri = Uri.parse(options.register)
    except ParseError as error:
        raise ConfigurationError(f"--register: {error}; sip:carrier.example would be right") from error
    plan.trunk(
        "register", str(attrs.evolve(uri, user="", password=None)), register=True, account=uri.user,
        username=options.username, password_env=options.password_env, trust_registrar=options.trust_registrar,
    )  # fmt: skip


program = Program("trunk_gateway", __doc__ or "", setup)
program.option(
    "--to", action="append", required=True, metavar="URI", help="where calls go; repeatable, tried in this order"
)
program.option("--register", metavar="URI", help="keep a registration there, as the user in the URI or as --username")
program.option(
    "--trust-registrar", action="store_true", help="take calls from the address of --register without credentials"
)

if __name__ == "__main__":
    raise SystemExit(program.run())
