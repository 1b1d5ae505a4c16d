"""Checked configuration, assembly and supervision of a whole gateway; the public runner."""

from voipgw.gateway.config import Credentials, GatewayConfig, Listen, MediaSettings, User
from voipgw.gateway.gateway import Gateway
from voipgw.gateway.program import Program

__all__ = ["Credentials", "Gateway", "GatewayConfig", "Listen", "MediaSettings", "Program", "User"]
