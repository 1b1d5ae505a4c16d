"""The public runner: what every gateway program needs around the plan that makes it what it is.

A program declares its options and a function that turns them into a route plan; ``Program.run`` does the rest: options of all
programs, READY on standard output, signals, draining, reloading, exit status.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import attrs

from voipgw.errors import ConfigurationError, VoipGwError
from voipgw.gateway.apps import App
from voipgw.gateway.gateway import Gateway
from voipgw.gateway.options import (
    LATER,
    Parser,
    Refuse,
    add_access,
    add_common,
    add_credentials,
    add_later,
    add_media,
    add_registrar,
    add_sessions,
    add_tls,
    config_of,
    one_line,
)
from voipgw.gateway.spans import SpanCard
from voipgw.pstn.driver import Driver
from voipgw.routing import Plan

log = logging.getLogger(__name__)

HANGING_UP_S = 2.0  #: after a session: a line that is opened has hung up only when it was open for longer than a flash

Setup = Callable[[argparse.Namespace], Plan]
Cards = Callable[[argparse.Namespace], Sequence[Driver]]
Spans = Callable[[argparse.Namespace], Sequence[SpanCard]]
Apps = Callable[[argparse.Namespace], Mapping[str, App]]
Session = Callable[[Gateway, argparse.Namespace], Awaitable[int]]


@attrs.define
class Program:
    """A gateway program: its name and description, its options, and what makes its plan."""

    name: str
    description: str
    setup: Setup  #: options to route plan; called again at SIGHUP
    cards: Cards | None = None  #: options to line cards; called once
    spans: Spans | None = None  #: options to spans; called once
    apps: Apps | None = None  #: options to the applications that the plan may name; called once
    session: Session | None = None  #: runs beside the gateway and ends the program with its exit status, e.g. a script
    listen: str = "udp:127.0.0.1:5060"  #: default of --listen
    sip_options: bool = True  #: options of who may call, media and credentials
    registrar: bool = False  #: be a registrar for the users of ``--users``, with its options
    parser: Parser = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.parser = Parser(
            self.name, description=self.description, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        add_common(self.parser, self.listen)
        if self.sip_options:
            add_access(self.parser)
            add_tls(self.parser)
            add_media(self.parser)
            add_credentials(self.parser)
            add_sessions(self.parser)
            add_later(self.parser, tuple(LATER))
        if self.registrar:
            add_registrar(self.parser)

    def option(self, *names: str, **settings: Any) -> None:
        """An option of this program's own, with the arguments of argparse's ``add_argument``."""
        self.parser.add_argument(*names, **settings)

    def later(self, name: str, metavar: str = "") -> None:
        """An option that a later version brings: known, and refused by name."""
        self.parser.add_argument(
            name, action=Refuse, nargs=None if metavar else 0, metavar=metavar or None, help=argparse.SUPPRESS
        )

    def run(self, arguments: Sequence[str] | None = None) -> int:
        """Run until told to stop; the exit status of the program."""
        words = sys.argv[1:] if arguments is None else list(arguments)
        options = self.parser.parse_args(words)
        logging.basicConfig(
            level=options.log_level.upper(), stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
        )
        try:
            config, plan = config_of(options), self.setup(options)
            cards = tuple(self.cards(options)) if self.cards is not None else ()
            spans = tuple(self.spans(options)) if self.spans is not None else ()
            apps = self.apps(options) if self.apps is not None else {}
            return asyncio.run(self._serve(words, options, Gateway(config, plan, cards=cards, spans=spans, apps=apps)))
        except VoipGwError as error:
            one_line(error, self.name)
            return 2
        except KeyboardInterrupt:
            return 130

    async def _serve(self, words: list[str], options: argparse.Namespace, opening: Gateway) -> int:
        stop, at_once = asyncio.Event(), asyncio.Event()

        def terminate() -> None:
            (at_once if stop.is_set() else stop).set()

        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, terminate)
        async with opening as gateway:
            loop.add_signal_handler(signal.SIGHUP, self._reload, gateway, words)
            print(f"READY {json.dumps(_facts(gateway))}", flush=True)
            status = await self._until_stopped(gateway, options, stop)
            await gateway.drain(gateway.config.drain_s if stop.is_set() else HANGING_UP_S, at_once)
        return status

    async def _until_stopped(self, gateway: Gateway, options: argparse.Namespace, stop: asyncio.Event) -> int:
        stopping = asyncio.ensure_future(stop.wait())
        if self.session is None:
            await stopping
            return 0
        running = asyncio.ensure_future(self.session(gateway, options))
        await asyncio.wait({stopping, running}, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            stopping.cancel()
            return running.result()
        running.cancel()
        await asyncio.wait({running})
        return 0

    def _reload(self, gateway: Gateway, words: list[str]) -> None:
        """Read plan, users and certificates again; what is wrong is named and changes nothing."""
        try:
            options = self.parser.parse_args(words)
            gateway.reload(config_of(options), self.setup(options))
        except ConfigurationError as error:
            log.error("reload refused, the old plan, users and certificates stay: %s", " ".join(str(error).split()))
            return
        log.info("reloaded plan, users and certificates")


def _facts(gateway: Gateway) -> dict[str, object]:
    """What the READY line tells: where SIP is listened for, and where metrics are served."""
    facts: dict[str, object] = {"listen": gateway.listening}
    address = gateway.observation.metrics_address
    if address is not None:
        host = f"[{address[0]}]" if ":" in address[0] else address[0]
        facts["metrics"] = f"{host}:{address[1]}"
    return facts
