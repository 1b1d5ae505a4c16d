"""Call records: one per call, built from what the call reports."""

from __future__ import annotations

from voipgw.cdr.record import Attempt, CallRecord, LegMedia, OpenRecord
from voipgw.cdr.writers import JsonLinesWriter, export_csv, read_records

__all__ = ["Attempt", "CallRecord", "JsonLinesWriter", "LegMedia", "OpenRecord", "export_csv", "read_records"]
