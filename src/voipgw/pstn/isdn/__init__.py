"""ISDN as pure machines: the data link (Q.921), messages (Q.931), calls and spans."""

from __future__ import annotations
