"""SIP messages through ``vg_sip``: one call indexes a message, the index is kept as octets and read where it is asked."""

from __future__ import annotations

from struct import Struct
from typing import Any

from voipgw._native._vg import ffi, lib

MAX_HEADERS: int = lib.VG_SIP_MAX_HEADERS
MAX_MESSAGE: int = lib.VG_SIP_MAX_MESSAGE
RESPONSE: int = lib.VG_SIP_RESPONSE

VIA: int = lib.VG_SIP_VIA
FROM: int = lib.VG_SIP_FROM
TO: int = lib.VG_SIP_TO
CALL_ID: int = lib.VG_SIP_CALL_ID
CSEQ: int = lib.VG_SIP_CSEQ
MAX_FORWARDS: int = lib.VG_SIP_MAX_FORWARDS
CONTACT: int = lib.VG_SIP_CONTACT
ROUTE: int = lib.VG_SIP_ROUTE
RECORD_ROUTE: int = lib.VG_SIP_RECORD_ROUTE
CONTENT_LENGTH: int = lib.VG_SIP_CONTENT_LENGTH
CONTENT_TYPE: int = lib.VG_SIP_CONTENT_TYPE

EMPTY: int = lib.VG_SIP_EEMPTY
TRUNCATED: int = lib.VG_SIP_EEND
MISMATCH: int = lib.VG_SIP_EMETHOD

#: What each refusal means, and the SIP status that answers it; ``{field}`` is the header field it is about.
FAULTS: dict[int, tuple[str, int]] = {
    lib.VG_SIP_ESTART: ("neither a request line nor a status line", 400),
    lib.VG_SIP_EVERSION: ("SIP version is not 2.0", 505),
    lib.VG_SIP_ESTATUS: ("status code is not a number from 100 to 699", 400),
    lib.VG_SIP_EURI: ("malformed request URI", 400),
    lib.VG_SIP_EEOL: ("CR or LF alone in the header section", 400),
    lib.VG_SIP_ENAME: ("malformed header field name", 400),
    lib.VG_SIP_EEND: ("the header section has no end", 400),
    lib.VG_SIP_ELENGTH: ("Content-Length is malformed or repeated", 400),
    lib.VG_SIP_EBODY: ("the body is shorter than Content-Length says", 400),
    lib.VG_SIP_EVALUE: ("malformed {field}", 400),
    lib.VG_SIP_EMISSING: ("{field} is missing", 400),
    lib.VG_SIP_EREPEATED: ("{field} may stand only once", 400),
    lib.VG_SIP_EMETHOD: ("the method of CSeq is not that of the request", 400),
    lib.VG_SIP_EEMPTY: ("no message, only line ends", 400),
    lib.VG_SIP_ELIMIT_HEADERS: (f"header section over {MAX_HEADERS} octets", 513),
    lib.VG_SIP_ELIMIT_MESSAGE: (f"message over {MAX_MESSAGE} octets", 513),
    lib.VG_SIP_ELIMIT_LINE: (f"header field over {lib.VG_SIP_MAX_LINE} octets", 513),
    lib.VG_SIP_ELIMIT_NAME: (f"header field name over {lib.VG_SIP_MAX_NAME} octets", 400),
    lib.VG_SIP_ELIMIT_FIELDS: (f"more than {lib.VG_SIP_MAX_FIELDS} header fields", 513),
}


def _names() -> list[str]:
    names, number = [""], 1
    while (name := lib.vg_sip_header_name(number)) != ffi.NULL:
        names.append(ffi.string(name).decode())
        number += 1
    return names


def _methods() -> tuple[str, ...]:
    names, number = [""], 1
    while (name := lib.vg_sip_method_name(number)) != ffi.NULL:
        names.append(ffi.string(name).decode())
        number += 1
    return tuple(names)


HEADERS = tuple(_names())  #: long names by number; 0 is ""
METHODS = _methods()  #: methods by number; 0 is ""
LISTS = frozenset(i for i in range(1, len(HEADERS)) if lib.vg_sip_header_is_list(i))  #: fields that commas separate
COMPACT: dict[int, str] = {
    i: chr(lib.vg_sip_header_compact(i)) for i in range(1, len(HEADERS)) if lib.vg_sip_header_compact(i)
}


def header_id(name: bytes) -> int:
    """The number of a header field's name, 0 when it is not known."""
    return int(lib.vg_sip_header_id(name, len(name)))


class Fault(Exception):
    """Why a message was refused: a key of ``FAULTS``, the field's number or 0, the offset."""

    def __init__(self, code: int, field: int, at: int) -> None:
        super().__init__(code, field, at)
        self.code, self.field, self.at = code, field, at


_Slot = tuple[Any, Any, Any]
_free: list[_Slot] = []  # indexes not in use; the call releases the GIL, so that threads must not share one
_scan, _scan_as, _string = lib.vg_sip_scan, lib.vg_sip_scan_as, ffi.string

#: An index (what is in use of ``vg_sip_index``), and its texts: request URI, Call-ID, From tag, To tag, branch, sent-by,
#: method where it has no number, "" after the last.
Scanned = tuple[bytes, list[str]]


def _new_slot() -> _Slot:
    index = ffi.new("vg_sip_index *")
    return index, ffi.buffer(index), index.text


def _fault(code: int, slot: _Slot) -> Fault:
    fault = Fault(code, slot[0].fault_field, slot[0].fault_at)
    _free.append(slot)
    return fault


def _long_texts(octets: bytes, index: bytes) -> list[str]:
    """The texts, when they are too long for the index."""
    start = u32(index, U32_START)[0]
    target = (0, 0) if index[KIND] == RESPONSE else span(index, SPAN_TARGET)
    method = (0, 0) if index[METHOD] else span(index, SPAN_METHOD)
    members = (SPAN_CALL_ID, SPAN_FROM_TAG, SPAN_TO_TAG, SPAN_BRANCH, SPAN_SENT_BY)
    spans = [target, *(span(index, member) for member in members), method]
    texts = [octets[start + at : start + end].decode() for at, end in spans]
    texts[5] = "".join(texts[5].split()).lower()
    return [*texts, ""]


def scan(octets: bytes) -> Scanned:
    """The index and the texts of a received message.

    Raises:
        Fault: the octets are no well-formed message.
    """
    slot = _free.pop() if _free else _new_slot()
    used = _scan(octets, len(octets), slot[0])
    if used <= 0:
        raise _fault(used, slot)
    index: bytes = slot[1][:used]
    texts = _string(slot[2]).decode().split("\n")
    _free.append(slot)
    if len(texts) == 1:
        texts = _long_texts(octets, index)
    return index, texts


def scan_own(octets: bytes, checked: bool = True) -> Scanned:
    """The same of a message of our own: no field is missed, and unless ``checked`` no value is read for its grammar.

    Raises:
        Fault: the octets are no message.
    """
    slot = _free.pop() if _free else _new_slot()
    used = _scan_as(octets, len(octets), lib.VG_SIP_CHECK_VALUES if checked else 0, slot[0])
    if used <= 0:
        raise _fault(used, slot)
    index: bytes = slot[1][:used]
    texts = _string(slot[2]).decode("latin-1").split("\n")
    _free.append(slot)
    if len(texts) == 1:
        texts = _long_texts(octets, index)
    return index, texts


_COPY_OCTETS = MAX_HEADERS + 1024
_free_copies: list[tuple[Any, Any]] = []


def copy_lines(octets: bytes, index: bytes, numbers: bytes, to_tag: bytes = b"") -> bytes:
    """The lines of the fields with these numbers, in order of the numbers; a ``to_tag`` goes behind the value of To.

    Raises:
        ValueError: the tag is too long, or the index is another message's.
    """
    if _free_copies:
        slot = _free_copies.pop()
    else:
        out = ffi.new("uint8_t[]", _COPY_OCTETS)
        slot = (out, ffi.buffer(out))
    used = lib.vg_sip_copy(
        octets, len(octets), index, len(index), numbers, len(numbers), to_tag, len(to_tag), slot[0], _COPY_OCTETS
    )
    if used < 0:
        raise ValueError(f"lines of a message cannot be copied ({used})")
    lines: bytes = slot[1][:used]
    _free_copies.append(slot)
    return lines


def frame(octets: bytes) -> int:
    """Octets of the body that follows this header section (start line to empty line).

    Raises:
        Fault: there is no Content-Length, it is malformed, or the lines are.
    """
    length = ffi.new("uint32_t *")
    result = lib.vg_sip_frame(octets, len(octets), length)
    if result != lib.VG_OK:
        raise Fault(result, CONTENT_LENGTH if result == lib.VG_SIP_EMISSING else 0, 0)
    return int(length[0])


def _offset(member: str) -> int:
    return int(ffi.offsetof("vg_sip_index", member))


TAIL = _offset("tail")  #: where the field numbers begin
KIND, METHOD, FIELDS, TRIMMED = (
    _offset(name) for name in ("kind", "method", "fields", "trimmed")
)  #: octets of the index

# A line: where it begins, its value, the value's end, where the next line begins.
_span, _u16, _u32, _i32, _line = Struct("=HH"), Struct("=H"), Struct("=I"), Struct("=i"), Struct("=HHHH")
span = _span.unpack_from
u16 = _u16.unpack_from
u32 = _u32.unpack_from
i32 = _i32.unpack_from
line = _line.unpack_from
SPAN_METHOD, SPAN_TARGET = _offset("method_text"), _offset("target")
SPAN_CALL_ID, SPAN_FROM_TAG, SPAN_TO_TAG = _offset("call_id"), _offset("from_tag"), _offset("to_tag")
SPAN_BRANCH, SPAN_SENT_BY = _offset("branch"), _offset("sent_by")
SPAN_FROM, SPAN_TO = _offset("from"), _offset("to")
U16_STATUS, U16_FIELDS_AT = _offset("status"), _offset("fields_at")
I32_MAX_FORWARDS = _offset("max_forwards")
U32_CSEQ, U32_START, U32_BODY, U32_END = _offset("cseq"), _offset("start_at"), _offset("body_at"), _offset("end")
