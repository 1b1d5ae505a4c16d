"""The build of the C layer: one cffi extension in API mode from the headers and sources that ``pyproject.toml`` lists.

The text between ``/* cffi: begin */`` and ``/* cffi: end */`` of each header *is* the declaration given to cffi, so that
what Python believes and what C compiles cannot drift apart. Used by setuptools as the ``build_ext`` command; two variables
of the environment change it: ``VOIPGW_WERROR=1`` makes compiler warnings errors, ``VOIPGW_SANITIZE=address,undefined``
builds with these sanitizers.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

from setuptools import Extension
from setuptools.command.build_ext import build_ext

_SECTION = re.compile(r"/\* cffi: begin \*/(.*?)/\* cffi: end \*/", re.S)
_FLAGS = [
    "-std=gnu11",
    "-O3",
    "-g",
    "-fvisibility=hidden",
    "-fno-strict-aliasing",
    "-ffp-contract=off",  # a detector decides alike on every machine
    "-Wall",
    "-Wextra",
    "-Wno-unused-parameter",
]


def declarations(header: Path) -> str:
    """The cdef text of one header: its cffi sections, comments and computed defines made digestible for cffi."""
    text = "\n".join(_SECTION.findall(header.read_text(encoding="utf-8")))
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    return re.sub(r"^(#define\s+\w+)\s+\S.*$", r"\1 ...", text, flags=re.M)


class BuildNative(build_ext):  # type: ignore[misc]  # setuptools ships no types
    """Emits the binding of each extension from its headers, then compiles it with its sources."""

    def build_extension(self, ext: Extension) -> None:
        """Generate ``<name>.c`` from the ``depends`` headers and compile it together with the sources."""
        self.explain_missing_headers()
        from cffi import FFI

        headers = [Path(name) for name in ext.depends if name.endswith(".h")]
        ffi: Any = FFI()
        for header in headers:
            ffi.cdef(declarations(header))
        version = self.distribution.get_version()
        ffi.cdef("const char *vg_version(void);")
        preamble = "".join(f'#include "{header.name}"\n' for header in headers)
        preamble += f'static const char *vg_version(void) {{ return "{version}"; }}\n'
        ffi.set_source(ext.name, preamble)
        target = Path(self.build_temp) / (ext.name.rpartition(".")[2] + ".c")
        target.parent.mkdir(parents=True, exist_ok=True)
        ffi.emit_c_code(str(target))
        ext.sources = [*ext.sources, str(target)]
        ext.include_dirs.append(str(headers[0].parent))
        ext.extra_compile_args += self._compile_flags()
        ext.extra_link_args += ["-lm", "-lpthread", "-lcrypto", *self._sanitizer_flags()]
        super().build_extension(ext)

    @staticmethod
    def _sanitizer_flags() -> list[str]:
        sanitizers = os.environ.get("VOIPGW_SANITIZE", "")
        return (
            [f"-fsanitize={sanitizers}", "-fno-omit-frame-pointer", "-fno-sanitize-recover=undefined"]
            if sanitizers
            else []
        )

    def _compile_flags(self) -> list[str]:
        werror = ["-Werror"] if os.environ.get("VOIPGW_WERROR") == "1" else []
        return [*_FLAGS, *werror, *self._sanitizer_flags()]

    @staticmethod
    def explain_missing_headers() -> None:
        """Name a missing compiler or header, and the package that has it, in one line instead of a page of C errors."""
        include = Path(sysconfig.get_paths()["include"])
        compiler = (os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()[0]
        if shutil.which(compiler) is None:
            sys.exit(
                f"voipgw: no C compiler ({compiler!r} not found); install gcc (Debian: apt-get install gcc libc6-dev)"
            )
        if not (include / "Python.h").exists():
            sys.exit(
                f"voipgw: Python.h is not in {include}; install Python's headers (Debian: apt-get install python3-dev)"
            )
        probe = subprocess.run(
            [compiler, "-E", "-x", "c", "-"], input=b"#include <stdlib.h>\n", capture_output=True, check=False
        )
        if probe.returncode != 0:
            sys.exit("voipgw: stdlib.h is missing; install the C library's headers (Debian: apt-get install libc6-dev)")
        probe = subprocess.run(
            [compiler, "-E", "-x", "c", "-"], input=b"#include <openssl/evp.h>\n", capture_output=True, check=False
        )
        if probe.returncode != 0:
            sys.exit("voipgw: openssl/evp.h is missing; install OpenSSL's headers (Debian: apt-get install libssl-dev)")
