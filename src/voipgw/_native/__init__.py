"""The only package that knows cffi: one thin wrapper module per C unit."""

from __future__ import annotations

import voipgw
from voipgw._native._vg import ffi, lib

_built = ffi.string(lib.vg_version()).decode()
if _built != voipgw.__version__:
    raise ImportError(f"voipgw {voipgw.__version__} found its C layer built for {_built}: install the package again")
