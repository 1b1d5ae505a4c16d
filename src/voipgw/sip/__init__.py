"""SIP: messages, transactions, dialogs and what a gateway needs above them (RFC 3261 and its kin), as values and machines."""

from voipgw.sip.framing import Framer, KeepAlive, StreamError
from voipgw.sip.headers import Auth, CSeq, NameAddr, Via
from voipgw.sip.message import Message, Request, Response
from voipgw.sip.parser import Capabilities, Rejection, check, keep_alive, parse, refusal
from voipgw.sip.uri import Uri

__all__ = [
    "Auth",
    "CSeq",
    "Capabilities",
    "Framer",
    "KeepAlive",
    "Message",
    "NameAddr",
    "Rejection",
    "Request",
    "Response",
    "StreamError",
    "Uri",
    "Via",
    "check",
    "keep_alive",
    "parse",
    "refusal",
]
