"""Plans and lab scripts are Python files: loading one, with an error that names file and line."""

from __future__ import annotations

import importlib.util
import sys
import traceback
from pathlib import Path
from types import ModuleType

from voipgw.errors import ConfigurationError, VoipGwError


def load_module(path: Path) -> ModuleType:
    """Run the Python file ``path`` as a module of its own.

    Raises:
        ConfigurationError: there is no such file, or it raised; the message names file and line.
    """
    if not path.is_file():
        raise ConfigurationError(f"{path}: no such file")
    name = f"voipgw_user_{path.stem.replace('-', '_').replace('.', '_')}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ConfigurationError(f"{path}: not a Python file; its name must end in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    sys.path.insert(0, str(path.resolve().parent))
    try:
        spec.loader.exec_module(module)
    except VoipGwError:
        raise
    except SyntaxError as error:
        raise ConfigurationError(f"{path}:{error.lineno}: {error.msg}") from error
    except Exception as error:
        raise ConfigurationError(f"{path}:{_line(error, path)}: {type(error).__name__}: {error}") from error
    finally:
        sys.path.pop(0)
    return module


def _line(error: Exception, path: Path) -> int | str:
    """The last line of ``path`` on the way to the error."""
    where: int | str = "?"
    for frame in traceback.extract_tb(error.__traceback__):
        if Path(frame.filename).resolve() == path.resolve():
            where = frame.lineno or "?"
    return where


def load_attribute(path: Path, name: str, what: str) -> object:
    """What the file ``path`` calls ``name``.

    Raises:
        ConfigurationError: it defines no such name; the message says what it would be.
    """
    module = load_module(path)
    try:
        return getattr(module, name)
    except AttributeError:
        raise ConfigurationError(f"{path}: defines no {name!r}; it must define {what}") from None
