"""A PRI span and a SIP trunk.

    python examples/pri_gateway.py --span unix:/run/span --side user --switch euroisdn --to sip:carrier.example --trust 192.0.2.0/24

Calls from the span go to the first --to, and to the next one when that fails with a cause that another carrier may cure; calls from
SIP go to a free channel of the span. Numbers go out as they came. Where the switch sends numbers digit by digit, a number is
complete with "sending complete", or when no digit has come for 15 seconds.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from voipgw.b2bua.isdn_leg import SpanSettings
from voipgw.drivers.unix_span import UnixSpan
from voipgw.errors import ConfigurationError
from voipgw.gateway import Program
from voipgw.gateway.spans import SpanCard
from voipgw.pstn.isdn.link import Side
from voipgw.pstn.isdn.span import Span
from voipgw.pstn.isdn.switch_tables import SWITCHES
from voipgw.routing import Plan, anything, first, source, span

NAME = "1"


def setup(options: argparse.Namespace) -> Plan:
    """From the span to the trunks of --to, in their order; everything else to the span."""
    plan = Plan()
    try:
        trunks = [plan.trunk(f"to-{number}", uri) for number, uri in enumerate(options.to, 1)]
    except ConfigurationError as error:
        raise ConfigurationError(f"--to: {str(error).partition(': ')[2]}") from None
    if trunks:
        plan.route("outside", when=source.span(NAME), to=first(*trunks))
    plan.route("inside", when=anything & ~source.span(), to=span(NAME))
    return plan


def spans(options: argparse.Namespace) -> Sequence[SpanCard]:
    """The one span."""
    kind, _, path = options.span.partition(":")
    if kind != "unix" or not path:
        raise ConfigurationError(f"--span: {options.span!r} is not in this version yet; unix:PATH would be right")
    profile = SWITCHES[options.switch]
    channels = profile.channels if options.channels is None else channel_list(options.channels, profile.channels)
    machine = Span(Side(options.side), profile, channels=channels)
    return [SpanCard(SpanSettings(NAME), machine, UnixSpan(path, law=profile.law))]


def channel_list(text: str, there: tuple[int, ...]) -> list[int]:
    """Channels written as ``1-15,17-31``."""
    found: list[int] = []
    for part in text.split(","):
        low, _, high = part.partition("-")
        if not low.isdigit() or (high and not high.isdigit()):
            raise ConfigurationError(f"--channels: {part!r} is no channel; a list such as 1-15,17-31 would be right")
        found += range(int(low), int(high or low) + 1)
    for channel in found:
        if channel not in there:
            raise ConfigurationError(f"--channels: the span has no channel {channel} for calls")
    return found


program = Program("pri_gateway", __doc__ or "", setup, spans=spans)
program.option(
    "--to", action="append", default=[], metavar="URI", help="where calls of the span go; repeatable, in this order"
)
program.option(
    "--span", required=True, metavar="unix:PATH", help="the span: a SOCK_SEQPACKET socket, one LAPD frame a packet"
)
program.option(
    "--side", choices=[side.value for side in Side], default="user", help="our end of the interface (default user)"
)
program.option("--switch", choices=list(SWITCHES), default="euroisdn", help="the kind of switch (default euroisdn)")
program.option("--channels", metavar="LIST", help="channels that may be used, e.g. 1-15,17-31 (default: all)")
program.option("--signalling", choices=["pri"], default="pri", help="default pri")
program.later("--script", "FILE")

if __name__ == "__main__":
    raise SystemExit(program.run())
