"""An authority for one test, and what it signs."""

from __future__ import annotations

from pathlib import Path

import trustme


def certify(directory: Path, *names: str) -> tuple[str, ...]:
    """Write ``cert.pem``, ``key.pem`` and ``ca.pem`` for ``names``; the options that name them."""
    authority = trustme.CA()
    leaf = authority.issue_cert(*names)
    leaf.cert_chain_pems[0].write_to_path(directory / "cert.pem")
    leaf.private_key_pem.write_to_path(directory / "key.pem")
    authority.cert_pem.write_to_path(directory / "ca.pem")
    return tuple(f"--{name}={directory / name}.pem" for name in ("cert", "key", "ca"))
