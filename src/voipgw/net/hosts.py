"""Names that are not asked of DNS: those of the hosts file, and those that RFC 6761 sets apart."""

from __future__ import annotations

import ipaddress
from pathlib import Path

from voipgw.sip.location import Answer, Question

_NOWHERE = ("invalid",)  #: browsers name themselves so (RFC 7118 section 5)


class Hosts:
    """The hosts file; it is read again when it has changed."""

    def __init__(self, path: Path | None = Path("/etc/hosts")) -> None:
        """``path``: None for no file at all."""
        self._path = path
        self._seen: tuple[int, int] | None = None
        self._names: dict[str, list[str]] = {}

    def answer(self, question: Question) -> Answer | None:
        """What holds without DNS; None where DNS has to be asked."""
        name = question.name
        while name.startswith("_"):  # the service and protocol of an SRV name
            name = name.partition(".")[2]
        last = name.rpartition(".")[2]
        if last in _NOWHERE:
            return Answer()
        self._read()
        addresses = self._names.get(name)
        if addresses is None and last == "localhost":
            addresses = ["127.0.0.1", "::1"]
        if addresses is None:
            return None
        if question.kind not in ("A", "AAAA"):
            return Answer()
        return Answer(tuple(one for one in addresses if (":" in one) is (question.kind == "AAAA")))

    def _read(self) -> None:
        if self._path is None:
            return
        try:
            facts = self._path.stat()
            seen = (facts.st_mtime_ns, facts.st_size)
            if seen == self._seen:
                return
            text = self._path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            self._seen, self._names = None, {}
            return
        self._seen, self._names = seen, parse_hosts(text)


def parse_hosts(text: str) -> dict[str, list[str]]:
    """Names in lower case, each with its addresses in their order; lines that are none are passed over."""
    names: dict[str, list[str]] = {}
    for line in text.splitlines():
        address, *others = line.partition("#")[0].split() or [""]
        try:
            address = str(ipaddress.ip_address(address))
        except ValueError:
            continue
        for name in others:
            addresses = names.setdefault(name.lower().rstrip("."), [])
            if address not in addresses:
                addresses.append(address)
    return names
