"""The verdict on one case: accepted, refused in one clear sentence of jaxgen's own, or a failure with its kind."""

import importlib.util
import os
import signal
import sys
import sysconfig
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

PACKAGE = str(Path(importlib.util.find_spec("jaxgen").origin).parent)  # pyright: ignore[reportOptionalMemberAccess,reportArgumentType]
SECONDS = 30
"""How long a case may take before it counts as a hang; the first calls of a shape compile."""


class Misread(Exception):
    """What a target raises if a file was read as something that it does not say."""


class Refused(Exception):
    """What a target raises if the program refused the input as it should."""


class Verdict(NamedTuple):
    """Say how a case ended: "accepted", "refused", or the kind of the failure, with the text and the place of what was raised."""

    kind: str
    text: str = ""
    place: str = ""


class Guard:
    """Watch which files are opened and which code is run during a case, by the audit events of Python."""

    def __init__(self, folder: Path, *readable: Path) -> None:
        """`folder` is where a case may write; it may also read the installation and `readable`."""
        self.folder = folder
        self.allowed = (str(folder.resolve()), "/dev/null")
        installed = (sys.prefix, sys.base_prefix, str(Path(PACKAGE).parent), *sysconfig.get_paths().values(), "/usr", "/etc/localtime")
        self.readable = (*self.allowed, *(str(path.resolve()) for path in readable), *installed, "/proc", "/sys", "/dev")
        self.active, self.seen = False, []
        sys.addaudithook(self._see)

    def _see(self, event: str, args: Any) -> None:
        if not self.active:
            return
        if event in ("pickle.find_class", "os.system", "subprocess.Popen", "socket.connect", "exec_command"):
            if args[0] != "lscpu":  # joblib, below scikit-learn, counts the cores
                self.seen.append(f"{event} {args!r:.80}")
        elif event == "open" and isinstance(args[0], str | bytes | os.PathLike):
            path = os.path.realpath(os.fsdecode(args[0]))
            writes = isinstance(args[1], str) and any(c in args[1] for c in "wax+")
            if not path.startswith(self.allowed if writes else self.readable):
                self.seen.append(f"{'write' if writes else 'read'} {path}")
        elif event in ("os.remove", "os.rename", "shutil.rmtree", "os.rmdir"):
            path = os.path.realpath(os.fsdecode(args[0])) if isinstance(args[0], str | bytes | os.PathLike) else ""
            if path and not path.startswith(self.allowed):
                self.seen.append(f"{event} {path}")


def judge(case: Callable[[], Any], guard: Guard) -> Verdict:
    """Run a case and say how it ended."""

    def hangs(*_: Any) -> None:
        raise TimeoutError(f"more than {SECONDS} s")

    signal.signal(signal.SIGALRM, hangs)
    signal.alarm(SECONDS)
    guard.seen, guard.active = [], True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            case()
        verdict = Verdict("accepted")
    except (KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:  # noqa: BLE001 a fuzzer judges whatever comes
        verdict = _of(error)
    finally:
        signal.alarm(0)
        guard.active = False
    return Verdict("outside", guard.seen[0]) if guard.seen else verdict


def _of(error: BaseException) -> Verdict:
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename.startswith(PACKAGE)]
    place = f"{own[-1].filename.removeprefix(PACKAGE)}:{own[-1].lineno}" if own else "outside of jaxgen"
    text = f"{type(error).__name__}: {error}"
    if isinstance(error, Misread):
        return Verdict("misread", text, place)
    if isinstance(error, Refused):
        return Verdict("refused", text, place)
    if isinstance(error, TimeoutError):
        return Verdict("hang", text, place)
    if isinstance(error, MemoryError):
        return Verdict("memory", text, place)
    if not isinstance(error, ValueError | TypeError | OSError | FloatingPointError):
        return Verdict("traceback", text, place)
    if isinstance(error, OSError) and not isinstance(error, UnicodeError):
        return Verdict("refused", text, place)
    if not str(frames[-1].filename).startswith(PACKAGE) and Path(frames[-1].filename).name != "load.py":
        return Verdict("depths", text, f"{place} -> {Path(frames[-1].filename).name}")
    if "accepted" not in str(error) or len(str(error)) > 2_000:
        return Verdict("unclear", text, place)
    return Verdict("refused", text, place)
