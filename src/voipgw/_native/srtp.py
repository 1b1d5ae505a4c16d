"""SRTP through ``vg_srtp``: session keys, and the protection of packets."""

from __future__ import annotations

from typing import Any

from voipgw._native._vg import ffi, lib

_PREFIX = "VG_SRTP_A"
PROFILES: dict[str, int] = {
    name[len("VG_SRTP_") :]: getattr(lib, name) for name in dir(lib) if name.startswith(_PREFIX)
}
TRAILER_OCTETS: int = lib.VG_SRTP_TRAILER_OCTETS
WINDOW: int = lib.VG_SRTP_WINDOW
OK: int = lib.VG_OK
AUTH: int = lib.VG_EAUTH
REPLAY: int = lib.VG_EREPLAY
FULL: int = lib.VG_EFULL
LIMIT: int = lib.VG_ELIMIT
TRUNCATED: int = lib.VG_ETRUNCATED


def lengths(profile: int) -> tuple[int, int]:
    """Octets of the master key and the master salt of a profile."""
    key, salt = ffi.new("size_t *"), ffi.new("size_t *")
    lib.vg_srtp_lengths(profile, key, salt)
    return int(key[0]), int(salt[0])


class SessionKeys:
    """A ``vg_srtp_keys``, wiped when it is dropped; each pair is of RTP, then of RTCP."""

    def __init__(self, cipher: tuple[bytes, bytes], auth: tuple[bytes, bytes], salt: tuple[bytes, bytes]) -> None:
        self.handle: Any = _new_keys()
        for kind in range(2):
            ffi.memmove(self.handle.cipher[kind], cipher[kind], len(cipher[kind]))
            ffi.memmove(self.handle.auth[kind], auth[kind], len(auth[kind]))
            ffi.memmove(self.handle.salt[kind], salt[kind], len(salt[kind]))

    @classmethod
    def derive(cls, profile: int, key: bytes, salt: bytes) -> SessionKeys:
        """Those of a master key and salt, which have the profile's lengths."""
        keys = cls((b"", b""), (b"", b""), (b"", b""))
        if lib.vg_srtp_derive(profile, key, salt, keys.handle) != lib.VG_OK:
            raise MemoryError
        return keys

    def octets(self, name: str, kind: int) -> bytes:
        """One of them: ``name`` is ``cipher``, ``auth`` or ``salt``, ``kind`` 0 for RTP and 1 for RTCP."""
        return bytes(ffi.buffer(getattr(self.handle, name)[kind]))


def _new_keys() -> Any:
    plain: Any = ffi.new("vg_srtp_keys *")
    size = ffi.sizeof("vg_srtp_keys")

    def wipe(_: Any) -> None:
        ffi.memmove(plain, bytes(size), size)

    return ffi.gc(ffi.cast("vg_srtp_keys *", plain), wipe)


def new(profile: int, keys: SessionKeys, streams: int) -> Any:
    """A bare ``vg_srtp``, which a command may hand over; whoever keeps it calls ``free``."""
    handle = lib.vg_srtp_new(profile, keys.handle, streams)
    if handle == ffi.NULL:
        raise MemoryError
    return handle


def free(handle: Any) -> None:
    """Wipe and free what ``new`` has made."""
    lib.vg_srtp_free(handle)


class Transform:
    """A ``vg_srtp`` of its own; statuses are returned as they come."""

    def __init__(self, profile: int, keys: SessionKeys, streams: int) -> None:
        self._handle: Any = ffi.gc(new(profile, keys, streams), lib.vg_srtp_free)
        self._length: Any = ffi.new("size_t *")

    def protect(self, packet: bytes, *, rtcp: bool = False) -> tuple[int, bytes]:
        """The status, and the protected packet."""
        buffer = bytearray(len(packet) + TRAILER_OCTETS)
        buffer[: len(packet)] = packet
        call = lib.vg_srtp_protect_rtcp if rtcp else lib.vg_srtp_protect
        status = call(self._handle, ffi.from_buffer("uint8_t[]", buffer), len(packet), len(buffer), self._length)
        return int(status), bytes(buffer[: self._length[0]]) if status == lib.VG_OK else b""

    def unprotect(self, packet: bytes, *, rtcp: bool = False) -> tuple[int, bytes]:
        """The status, and the packet as it was."""
        buffer = bytearray(packet)
        call = lib.vg_srtp_unprotect_rtcp if rtcp else lib.vg_srtp_unprotect
        status = call(self._handle, ffi.from_buffer("uint8_t[]", buffer), len(buffer), self._length)
        return int(status), bytes(buffer[: self._length[0]]) if status == lib.VG_OK else b""

    def inherit(self, old: Transform) -> int:
        """Go on where ``old`` stands."""
        return int(lib.vg_srtp_inherit(self._handle, old._handle))

    def index(self, ssrc: int, *, sent: bool, rtcp: bool) -> int | None:
        """The newest index; None where there has been none."""
        out: Any = ffi.new("uint64_t *")
        status = lib.vg_srtp_index(self._handle, ssrc, int(sent), int(rtcp), out)
        return int(out[0]) if status == lib.VG_OK else None

    def set_index(self, ssrc: int, index: int, *, sent: bool, rtcp: bool) -> int:
        """Set the newest index."""
        return int(lib.vg_srtp_set_index(self._handle, ssrc, int(sent), int(rtcp), index))
