"""voipgw: building blocks for VoIP gateways, analog, ISDN, SIP and media in one package."""

from __future__ import annotations

import importlib
from types import ModuleType

__version__ = "0.1.0"

_PACKAGES = frozenset(
    "b2bua call causes cdr clock codecs drivers dsp entropy errors gateway lab media metrics net pstn routing rtp sdp sip "
    "stores testing trace".split()
)


def __getattr__(name: str) -> ModuleType:
    """Import a package of voipgw when it is first asked for, so that ``import voipgw`` costs next to nothing."""
    if name in _PACKAGES:
        return importlib.import_module(f"voipgw.{name}")
    raise AttributeError(f"module 'voipgw' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_PACKAGES})
