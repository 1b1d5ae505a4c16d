"""Format parameters that decide whether two formats are one, and what an answer says about them."""

from __future__ import annotations

from functools import lru_cache

from voipgw.sdp.model import Format

# Parameters that must be equal on both sides, with the value that absence means.
_DECISIVE: dict[str, dict[str, str]] = {
    "amr": {"octet-align": "0", "crc": "0", "robust-sorting": "0", "interleaving": ""},  # RFC 4867 section 8.3.1
    "amr-wb": {"octet-align": "0", "crc": "0", "robust-sorting": "0", "interleaving": ""},
    "g7221": {"bitrate": ""},  # RFC 5577 section 4.2
}
_NARROWED = {"g729": "annexb", "g723": "annexa"}  # "no" from either side holds for both (RFC 7261)
_EVENTS_BY_DEFAULT = "0-15"  # RFC 4733 section 2.4.1


def compatible(one: Format, other: Format) -> bool:
    """Whether the formats are the same encoding with parameters that fit each other."""
    if not one.same_encoding(other):
        return False
    decisive = _DECISIVE.get(one.name.lower())
    if decisive is None:
        return True
    mine, theirs = one.parameters, other.parameters
    return all(mine.get(name, absent) == theirs.get(name, absent) for name, absent in decisive.items())


def answer(theirs: Format, ours: Format) -> str:
    """The fmtp of an answer: ours, narrowed where the standard of the codec makes both sides share a value."""
    name = theirs.name.lower()
    narrowed = _NARROWED.get(name)
    if narrowed is not None:
        both = (theirs.parameters.get(narrowed, "yes").lower(), ours.parameters.get(narrowed, "yes").lower())
        return f"{narrowed}=no" if "no" in both else ours.fmtp
    if name == "ilbc":  # 20 ms frames only when both want them (RFC 3952 section 5)
        both = (theirs.parameters.get("mode", "30"), ours.parameters.get("mode", "30"))
        if "20" in both:
            return "mode=20" if both == ("20", "20") else "mode=30"
    if name in _DECISIVE and not ours.fmtp:
        return theirs.fmtp
    return ours.fmtp


def events(text: str) -> set[int]:
    """The event numbers of a list like ``0-15,66`` (RFC 4733 section 2.4.1); parts that make no sense are ignored."""
    found: set[int] = set()
    for part in text.split(";", maxsplit=1)[0].removeprefix("events=").split(","):
        first, dash, last = part.strip().partition("-")
        if not all(n.isascii() and n.isdigit() and len(n) <= 3 for n in ((first, last) if dash else (first,))):
            continue
        found.update(range(int(first), min(int(last) if dash else int(first), 255) + 1))
    return found


@lru_cache(64)
def common_events(theirs: str, ours: str) -> str:
    """The events that both lists name, as such a list; "" for none."""
    numbers = sorted(events(theirs or _EVENTS_BY_DEFAULT) & events(ours))
    runs: list[list[int]] = []
    for number in numbers:
        if runs and runs[-1][1] == number - 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ",".join([str(first) if first == last else f"{first}-{last}" for first, last in runs])
