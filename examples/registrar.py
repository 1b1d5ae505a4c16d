"""A registrar for telephones and adapters, which then call each other by name or extension.

    python examples/registrar.py --listen udp:0.0.0.0:5060 --users users.txt --db registrations.sqlite

Who registers proves by digest to be one of --users, and changes no registration but its own. A call to a user rings wherever
that user has registered, one place after the other.
"""

from __future__ import annotations

import argparse

from voipgw.gateway import Program
from voipgw.routing import Plan, source, user


def setup(options: argparse.Namespace) -> Plan:
    """One rule: a user who calls reaches the user who is called."""
    plan = Plan()
    plan.route("telephones", when=source.user(), to=user())
    return plan


program = Program("registrar", __doc__ or "", setup, registrar=True)

if __name__ == "__main__":
    raise SystemExit(program.run())
