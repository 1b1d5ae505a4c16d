"""Checked configuration, assembly and supervision of a whole gateway; the public runner."""

from voipgw.gateway.config import Credentials, GatewayConfig, Listen, MediaSettings, RegistrarConfig, User
from voipgw.gateway.gateway import Gateway
from voipgw.gateway.joins import Connection
from voipgw.gateway.program import Program

__all__ = [
    "Connection",
    "Credentials",
    "Gateway",
    "GatewayConfig",
    "Listen",
    "MediaSettings",
    "Program",
    "RegistrarConfig",
    "User",
]
