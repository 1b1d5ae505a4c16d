"""An explanation as text, as JSON, and as one HTML page that needs nothing else."""

from __future__ import annotations

import html
import json
from collections.abc import Iterator, Sequence

import attrs

from voipgw.clock import rfc3339
from voipgw.routing.explanation import (
    AssumedStep,
    AttemptTrace,
    ConditionTrace,
    Explanation,
    LookupTrace,
    RuleTrace,
    Verdict,
)
from voipgw.routing.failover import Action

_ORDER = {Verdict.CHOSEN: 0, Verdict.SHADOWED: 1, Verdict.EXCLUDED: 2, Verdict.FAILED: 3}


def text_report(explanation: Explanation, assumed: Sequence[AssumedStep] = ()) -> str:
    """The explanation for people at a terminal, lines without a last newline."""
    return "\n".join(_lines(explanation, assumed))


def _lines(explanation: Explanation, assumed: Sequence[AssumedStep]) -> Iterator[str]:
    request = explanation.request
    yield f"{request.source} calls {request.called}, {explanation.at.isoformat()}, plan {explanation.fingerprint}"
    yield f"  called   {_understood(request.called, explanation.called.text, explanation.called.how)}"
    yield f"  calling  {_understood(request.calling.number, explanation.calling.text, explanation.calling.how)}"
    for lookup in explanation.lookups:
        yield from _lookup_lines(lookup)
    yield from (f"  left out: {each.target}, {each.why}" for each in explanation.skipped)
    for index, attempt in enumerate(explanation.attempts, 1):
        yield from _attempt_lines(index, attempt)
    if assumed:
        yield "what happens when trunks fail as assumed"
        yield from (f"  {_assumed_line(step)}" for step in assumed)
    yield f"verdict: {verdict(explanation)}"


def _understood(raw: str, text: str, how: str) -> str:
    return f"{raw or 'nothing'}: {how}" if text in ("", raw) else f"{raw} is {text}: {how}"


def _lookup_lines(lookup: LookupTrace) -> Iterator[str]:
    yield f"rules for {lookup.number} ({lookup.kind})"
    for trace in lookup.forbids:
        yield f"  {'forbids' if trace.verdict is Verdict.CHOSEN else 'allows':9} {trace.name}  {trace.place}: {trace.why}"
    for trace in sorted(lookup.rules, key=lambda found: _ORDER[found.verdict]):
        yield f"  {trace.verdict.value:9} {trace.name}  {trace.place}: {trace.why}"
        if trace.verdict is not Verdict.FAILED:
            yield f"            -> {trace.target}"
            yield from (f"            {line}" for line in _condition_lines(trace.condition, 0))


def _condition_lines(condition: ConditionTrace, depth: int) -> Iterator[str]:
    found = f"  [{condition.found}]" if condition.found else ""
    yield f"{'  ' * depth}{'yes' if condition.holds else 'no '} {condition.text}{found}"
    for part in condition.parts:
        yield from _condition_lines(part, depth + 1)


def _attempt_lines(index: int, attempt: AttemptTrace) -> Iterator[str]:
    route = attempt.route
    destination = f" at {attempt.destination}" if attempt.destination else ""
    calling = route.calling.number or "nobody"
    name = f" {route.calling.display_name!r}" if route.calling.display_name else ""
    hidden = ", not to be shown" if route.calling.restricted else ""
    yield f"attempt {index}: {route.target}{destination}"
    yield f"  called {route.called}, calling {calling}{name}{hidden}"
    yield f"  first response within {route.response_timeout_s:g} s, answer within {route.ring_timeout_s:g} s of ringing"
    if route.codecs:
        yield f"  codecs {' '.join(route.codecs)}"
    for field, value in route.headers:
        yield f"  {field}: {value}"
    for leads_to in dict.fromkeys(row.leads_to for row in attempt.on_cause):
        causes = " ".join(row.cause for row in attempt.on_cause if row.leads_to == leads_to)
        yield f"  {causes} -> {leads_to}"


def _assumed_line(step: AssumedStep) -> str:
    return (
        f"{step.target}: {step.leads_to}"
        if not step.failure
        else f"{step.target}: {step.failure}, {step.cause}; {step.leads_to}"
    )


def verdict(explanation: Explanation) -> str:
    """The outcome in one line."""
    refusal = explanation.refusal
    if refusal is None:
        return "try " + ", then ".join(str(attempt.route.target) for attempt in explanation.attempts)
    status = f", SIP {refusal.sip_status}" if refusal.sip_status is not None else ""
    return f"refused with {refusal.cause.name} (Q.850 {int(refusal.cause)}{status}): {refusal.rule}"


def json_report(explanation: Explanation, assumed: Sequence[AssumedStep] = ()) -> str:
    """The explanation as one JSON object, indented by two."""
    return json.dumps(as_data(explanation, assumed), indent=2, ensure_ascii=False)


def as_data(explanation: Explanation, assumed: Sequence[AssumedStep] = ()) -> dict[str, object]:
    """The explanation as what JSON can hold."""
    request = explanation.request
    return {
        "source": str(request.source),
        "called": request.called,
        "calling": request.calling.number,
        "at": rfc3339(explanation.at),
        "plan": explanation.fingerprint,
        "normalised": {
            word: {"text": number.text, "kind": number.kind.value, "how": number.how}
            for word, number in (("called", explanation.called), ("calling", explanation.calling))
        },
        "lookups": [
            {
                "number": lookup.number,
                "kind": lookup.kind,
                "how": lookup.how,
                "forbids": [_rule_data(trace) for trace in lookup.forbids],
                "rules": [_rule_data(trace) for trace in lookup.rules],
            }
            for lookup in explanation.lookups
        ],
        "left_out": [attrs.asdict(each) for each in explanation.skipped],
        "attempts": [_attempt_data(attempt) for attempt in explanation.attempts],
        "refusal": None if explanation.refusal is None else _refusal_data(explanation),
        "assumed": [attrs.asdict(step) for step in assumed],
        "verdict": verdict(explanation),
    }


def _rule_data(trace: RuleTrace) -> dict[str, object]:
    return {
        "name": trace.name, "place": trace.place, "verdict": trace.verdict.value, "why": trace.why, "target": trace.target,
        "condition": _condition_data(trace.condition),
    }  # fmt: skip


def _condition_data(condition: ConditionTrace) -> dict[str, object]:
    parts = [_condition_data(part) for part in condition.parts]
    return {"text": condition.text, "holds": condition.holds, "found": condition.found, "parts": parts}


def _attempt_data(attempt: AttemptTrace) -> dict[str, object]:
    route = attempt.route
    return {
        "target": str(route.target),
        "destination": attempt.destination,
        "called": route.called,
        "calling": attrs.asdict(route.calling),
        "rule": route.rule,
        "ring_timeout_s": route.ring_timeout_s,
        "response_timeout_s": route.response_timeout_s,
        "codecs": list(route.codecs),
        "headers": [list(field) for field in route.headers],
        "on_cause": {row.cause: {"action": row.action.value, "leads_to": row.leads_to} for row in attempt.on_cause},
    }


def _refusal_data(explanation: Explanation) -> dict[str, object]:
    refusal = explanation.refusal
    assert refusal is not None
    return {"cause": int(refusal.cause), "rule": refusal.rule, "sip_status": refusal.sip_status}


_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;margin:2em auto;max-width:62em;padding:0 1em;color:#222;background:#fff}
h1{font-size:1.3em}h2{font-size:1.05em;margin-top:1.6em}code,.n{font-family:ui-monospace,monospace}
table{border-collapse:collapse;width:100%}td,th{text-align:left;vertical-align:top;padding:.25em .6em;border-top:1px solid #ddd}
.chosen{background:#e5f6e8}.shadowed{background:#fff6db}.excluded{background:#fdebe3}.failed{color:#666}
.verdict{padding:.6em 1em;border-left:4px solid #2a7;background:#f3f9f5}.refused{border-color:#c43;background:#fdf3f1}
li.no{color:#a33}li.yes{color:#175}ul{margin:.2em 0;padding-left:1.2em}
@media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}.chosen{background:#143d1d}.shadowed{background:#41380f}
.excluded{background:#4a2415}.failed{color:#999}td,th{border-color:#444}.verdict{background:#1c2a22}.refused{background:#331d1a}
li.no{color:#f99}li.yes{color:#8e9}}
"""


def html_report(explanation: Explanation, assumed: Sequence[AssumedStep] = ()) -> str:
    """The explanation as one page without any other file, script or address."""
    request = explanation.request
    title = _e(f"{request.source} calls {request.called}")
    refused = " refused" if explanation.refusal is not None else ""
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>",
        f"<title>{title}</title><style>{_STYLE}</style><h1>{title}</h1>",
        f"<p class='verdict{refused}'>{_e(verdict(explanation))}</p>",
        f"<p>{_e(explanation.at.isoformat())}, plan <code>{_e(explanation.fingerprint)}</code></p><table>",
        f"<tr><th>called<td>{_e(_understood(request.called, explanation.called.text, explanation.called.how))}",
        "<tr><th>calling<td>"
        + _e(_understood(request.calling.number, explanation.calling.text, explanation.calling.how)),
        "</table>",
    ]
    for index, attempt in enumerate(explanation.attempts, 1):
        parts.append(_attempt_html(index, attempt))
    parts += [f"<p>left out: {_e(each.target)}, {_e(each.why)}</p>" for each in explanation.skipped]
    if assumed:
        steps = "".join(f"<li>{_e(_assumed_line(step))}" for step in assumed)
        parts.append(f"<h2>What happens when trunks fail as assumed</h2><ol>{steps}</ol>")
    parts += [_lookup_html(lookup) for lookup in explanation.lookups]
    return "\n".join(parts) + "\n</html>\n"


def _attempt_html(index: int, attempt: AttemptTrace) -> str:
    lines = list(_attempt_lines(index, attempt))
    shown = [line for line in lines[1:] if " -> " not in line]
    rows = "".join(
        f"<tr class={'chosen' if row.action is Action.NEXT else 'failed'}><td>{_e(row.cause)}<td>{_e(row.leads_to)}"
        for row in attempt.on_cause
    )
    details = f"<details><summary>after a failure</summary><table>{rows}</table></details>"
    return f"<h2>{_e(lines[0])}</h2>" + "".join(f"<div class=n>{_e(line)}</div>" for line in shown) + details


def _lookup_html(lookup: LookupTrace) -> str:
    ordered = (*lookup.forbids, *sorted(lookup.rules, key=lambda found: _ORDER[found.verdict]))
    rows = [
        f"<tr class={trace.verdict.value}><td>{_e(trace.verdict.value)}<td><b>{_e(trace.name)}</b><br>"
        f"<code>{_e(trace.place)}</code><td><code>{_e(trace.target)}</code><td>{_e(trace.why)}"
        f"<details><summary>condition</summary><ul>{_condition_html(trace.condition)}</ul></details>"
        for trace in ordered
    ]
    head = f"<h2>Rules for {_e(lookup.number)} ({_e(lookup.kind)})</h2>"
    return f"{head}<table><tr><th><th>rule<th>target<th>why{''.join(rows)}</table>"


def _condition_html(condition: ConditionTrace) -> str:
    found = f" <small>[{_e(condition.found)}]</small>" if condition.found else ""
    inner = "".join(_condition_html(part) for part in condition.parts)
    parts = f"<ul>{inner}</ul>" if inner else ""
    return f"<li class={'yes' if condition.holds else 'no'}><code>{_e(condition.text)}</code>{found}{parts}"


def _e(text: str) -> str:
    return html.escape(text)
