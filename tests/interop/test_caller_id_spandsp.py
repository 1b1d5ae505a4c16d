"""Caller ID against an independent implementation: libspandsp reads what we send, and we read what it sends."""

from __future__ import annotations

import ctypes
import ctypes.util
import os

import numpy as np
import pytest

from voipgw.dsp.caller_id import CallerId, CallerIdReceiver, CallTime, encode

pytestmark = pytest.mark.peer
CLASS, CLIP, CLIP_DTMF = 1, 2, 5
MDMF_CALL, TIME, NUMBER, NAME = 0x80, 0x01, 0x02, 0x07
RECEIVED = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.POINTER(ctypes.c_uint8), ctypes.c_int)


@pytest.fixture(scope="module")
def spandsp() -> ctypes.CDLL:
    name = ctypes.util.find_library("spandsp")
    if name is None:
        if os.environ.get("CI") == "true":
            pytest.fail("libspandsp is not installed (Debian: libspandsp2)")
        pytest.skip("libspandsp is not installed (Debian: libspandsp2)")
    library = ctypes.CDLL(name)
    for function in ("adsi_tx_init", "adsi_rx_init"):
        getattr(library, function).restype = ctypes.c_void_p
    library.adsi_tx_init.argtypes = [ctypes.c_void_p, ctypes.c_int]
    library.adsi_rx_init.argtypes = [ctypes.c_void_p, ctypes.c_int, RECEIVED, ctypes.c_void_p]
    library.adsi_rx.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int]
    library.adsi_tx.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int]
    library.adsi_add_field.argtypes = [
        ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_uint8, ctypes.c_char_p, ctypes.c_int,
    ]  # fmt: skip
    library.adsi_tx_put_message.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int]
    library.adsi_tx_free.argtypes = library.adsi_rx_free.argtypes = [ctypes.c_void_p]
    return library


def callers(count: int) -> list[CallerId]:
    rng = np.random.default_rng(3)
    return [
        CallerId(f"0{rng.integers(10**8, 10**9)}", f"CALLER {n}", time=CallTime(1 + n % 12, 1 + n % 28, n % 24, n % 60))
        for n in range(count)
    ]


def spandsp_says(library: ctypes.CDLL, standard: int, caller: CallerId) -> np.ndarray:
    assert caller.time is not None
    state = library.adsi_tx_init(None, standard)
    octets, t = ctypes.create_string_buffer(256), caller.time
    length = library.adsi_add_field(state, octets, -1, MDMF_CALL, None, 0)
    when = f"{t.month:02}{t.day:02}{t.hour:02}{t.minute:02}".encode()
    for kind, value in ((TIME, when), (NUMBER, caller.number.encode()), (NAME, caller.name.encode())):
        length = library.adsi_add_field(state, octets, length, kind, value, len(value))
    library.adsi_tx_put_message(state, octets, length)
    x = np.zeros(16000, np.int16)
    library.adsi_tx(state, x.ctypes.data, len(x))
    library.adsi_tx_free(state)
    return x


def spandsp_hears(library: ctypes.CDLL, standard: int, x: np.ndarray) -> list[bytes]:
    heard: list[bytes] = []
    callback = RECEIVED(lambda _user, octets, length: heard.append(bytes(octets[:length])))
    state = library.adsi_rx_init(None, standard, callback, None)
    for at in range(0, len(x), 160):
        part = np.ascontiguousarray(x[at : at + 160])
        library.adsi_rx(state, part.ctypes.data, len(part))
    library.adsi_rx_free(state)
    return heard


@pytest.mark.parametrize(("standard", "ours"), [(CLASS, "bellcore"), (CLIP, "etsi")])
def test_we_read_200_of_200_messages_of_spandsp(spandsp: ctypes.CDLL, standard: int, ours: str) -> None:
    for caller in callers(200):
        assert CallerIdReceiver(ours).process(spandsp_says(spandsp, standard, caller)) == [caller]


@pytest.mark.parametrize(("standard", "ours"), [(CLASS, "bellcore"), (CLIP, "etsi")])
def test_spandsp_reads_200_of_200_messages_of_ours(spandsp: ctypes.CDLL, standard: int, ours: str) -> None:
    for caller in callers(200):
        x = np.concatenate([np.zeros(400, np.int16), encode(caller, ours), np.zeros(800, np.int16)])
        heard = spandsp_hears(spandsp, standard, x)
        assert len(heard) == 1
        assert caller.number.encode() in heard[0]
        assert caller.name.encode() in heard[0]


def test_spandsp_reads_our_dtmf_caller_id(spandsp: ctypes.CDLL) -> None:
    x = np.concatenate([np.zeros(400, np.int16), encode(CallerId("0123456789"), "dtmf"), np.zeros(4000, np.int16)])
    heard = spandsp_hears(spandsp, CLIP_DTMF, x)
    assert any(b"0123456789" in octets for octets in heard)
