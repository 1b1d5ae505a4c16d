"""The telephone world as machines: lines, spans, ISDN, and the Driver protocol that hardware obeys."""

from __future__ import annotations

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
