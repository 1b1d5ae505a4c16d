"""A whole gateway, its peers, lines and faults, in one process on a virtual clock."""

from voipgw.lab.lab import InternalError, Lab, Run, run
from voipgw.lab.network import Link
from voipgw.lab.peer import PeerError

__all__ = ["InternalError", "Lab", "Link", "PeerError", "Run", "run"]
