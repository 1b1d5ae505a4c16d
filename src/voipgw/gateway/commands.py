"""What ``voipgw explain``, ``check`` and ``diff`` do with a plan file."""

from __future__ import annotations

import argparse
import datetime as dt
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from voipgw.errors import ConfigurationError
from voipgw.gateway.loading import load_attribute
from voipgw.gateway.options import read_text
from voipgw.routing import Plan
from voipgw.routing.check import check
from voipgw.routing.diff import differences
from voipgw.routing.explain import explain
from voipgw.routing.report import html_report, json_report, text_report


def load_plan(path: Path) -> Plan:
    """The route plan that the file ``path`` defines as ``plan``.

    Raises:
        ConfigurationError: it defines none, or raised; the message names file and line.
    """
    found = load_attribute(path, "plan", "a voipgw.routing.Plan of the name 'plan'")
    if not isinstance(found, Plan):
        raise ConfigurationError(f"{path}: 'plan' is a {type(found).__name__}; it must be a voipgw.routing.Plan")
    return found


def add_explain(parser: argparse.ArgumentParser) -> None:
    """Options of ``voipgw explain``."""
    parser.description = "Say what the plan would do with a call, and why, and why not."
    parser.add_argument("plan", type=Path, metavar="PLAN.py", help="defines 'plan'")
    parser.add_argument(
        "call", metavar="CALL", help="'source called [from calling]', e.g. 'line:1 02079460000 from 101'"
    )
    parser.add_argument(
        "--at", metavar="ISO-TIME", help="the moment of the call, e.g. 2026-12-24T18:00+01:00 (default now)"
    )
    parser.add_argument(
        "--fail", action="append", default=[], metavar="TRUNK=CAUSE", help="suppose that a trunk fails so; repeatable"
    )
    parser.add_argument("--json", action="store_true", help="JSON instead of text")
    parser.add_argument("--html", type=Path, metavar="OUT", help="also write a page that needs nothing else")
    parser.set_defaults(run=run_explain)


def run_explain(options: argparse.Namespace) -> int:
    """``voipgw explain``: prints the explanation."""
    plan = load_plan(options.plan).compile()
    explanation, assumed = explain(plan, options.call, _moment(options.at), options.fail)
    print(json_report(explanation, assumed) if options.json else text_report(explanation, assumed))
    if options.html is not None:
        try:
            options.html.write_text(html_report(explanation, assumed), encoding="utf-8")
        except OSError as error:
            raise ConfigurationError(f"--html: cannot write {options.html}: {error.strerror}") from error
    return 0


def _moment(text: str | None) -> dt.datetime:
    if text is None:
        return dt.datetime.now(dt.UTC).astimezone()
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigurationError(f"--at: {text!r} is not a time such as 2026-12-24T18:00+01:00") from error
    return moment if moment.tzinfo is not None else moment.astimezone()


def add_check(parser: argparse.ArgumentParser) -> None:
    """Options of ``voipgw check``."""
    parser.description = "Find shadowed and ambiguous rules, loops, unreachable trunks, a missing emergency route ..."
    parser.add_argument("plan", type=Path, metavar="PLAN.py", help="defines 'plan'")
    parser.set_defaults(run=run_check)


def run_check(options: argparse.Namespace) -> int:
    """``voipgw check``: 0 when nothing is found, 1 when something is."""
    findings = check(load_plan(options.plan))
    for finding in findings:
        print(finding)
    print(f"{options.plan}: {len(findings)} finding{'' if len(findings) == 1 else 's'}")
    return 1 if findings else 0


def add_diff(parser: argparse.ArgumentParser) -> None:
    """Options of ``voipgw diff``."""
    parser.description = "Replay call records through two plans and print every decision that differs."
    parser.add_argument("before", type=Path, metavar="PLAN_A.py")
    parser.add_argument("after", type=Path, metavar="PLAN_B.py")
    parser.add_argument("records", type=Path, metavar="CDRS", help="call records, one JSON object a line")
    parser.set_defaults(run=run_diff)


def run_diff(options: argparse.Namespace) -> int:
    """``voipgw diff``: prints what differs, and on standard error how much that is."""
    before, after = load_plan(options.before).compile(), load_plan(options.after).compile()
    count = different = 0

    def records() -> Iterator[dict[str, object]]:
        nonlocal count
        for number, line in enumerate(read_text(options.records, "CDRS").splitlines(), 1):
            if line.strip():
                try:
                    yield json.loads(line)
                except ValueError as error:
                    raise ConfigurationError(f"{options.records}:{number}: not a JSON object: {error}") from error
                count += 1

    for difference in differences(before, after, records()):
        print(difference)
        different += 1
    print(f"{different} of {count} calls are decided differently", file=sys.stderr)
    return 0
