"""The telephone world as machines: lines, spans, ISDN, and the Driver protocol that hardware obeys."""

from __future__ import annotations

import importlib
from types import ModuleType

from voipgw.pstn.dialling import DiallingFault, DigitMap, DigitMatch, OpenNumbering
from voipgw.pstn.driver import Driver, FxsPort
from voipgw.pstn.fxs import FxsConfig, FxsMachine, FxsState
from voipgw.pstn.hook import HookTiming
from voipgw.pstn.line import Feed, LineEvent, LineEventKind
from voipgw.pstn.ringing import DISTINCTIVE_RINGS, CallerIdMoment, CallerIdTiming, RingCadence

__all__ = [
    "DISTINCTIVE_RINGS",
    "CallerIdMoment",
    "CallerIdTiming",
    "DiallingFault",
    "DigitMap",
    "DigitMatch",
    "Driver",
    "Feed",
    "FxsConfig",
    "FxsMachine",
    "FxsPort",
    "FxsState",
    "HookTiming",
    "LineEvent",
    "LineEventKind",
    "OpenNumbering",
    "RingCadence",
]


def __getattr__(name: str) -> ModuleType:
    """Import ``isdn`` when it is first asked for: a gateway with telephones alone does not need it."""
    if name == "isdn":
        return importlib.import_module("voipgw.pstn.isdn")
    raise AttributeError(f"module 'voipgw.pstn' has no attribute {name!r}")
