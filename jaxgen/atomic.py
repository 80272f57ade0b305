"""The writer of files, of which a reader never sees half, and the guard of those who read them: one error for whatever is damaged."""

import contextlib
import json
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from jaxgen.types import PyTree


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give the path of a new file that takes the place of `path` in one step when the block ends.

    Folders that are missing are made. The file is on the disk before it takes the place. If the block raises, an interrupt included, the new
    file is removed and `path` stays as it was.

    Args:
        path: The file to write or to replace.

    Returns:
        A context whose value is the path to write to. It lies in the same folder, and each call has its own.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{secrets.token_hex(6)}.part")
    try:
        yield part
        # Without it a machine that loses its power may have the new name and not yet the bytes.
        _sync(part)
        os.replace(part, path)
        # Some systems cannot do so for a folder.
        with contextlib.suppress(OSError):
            _sync(path.parent)
    finally:
        part.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write `text` to `path` as UTF-8 in one step.

    Args:
        path: The file, which an earlier one of the same name gives way to.
        text: What to write.
    """
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8")


def write_bytes(path: str | os.PathLike[str], content: bytes) -> None:
    """Write bytes to `path` in one step.

    Args:
        path: The file, which an earlier one of the same name gives way to.
        content: What to write.
    """
    with replacing(path) as part:
        part.write_bytes(content)


def write_json(path: str | os.PathLike[str], value: PyTree) -> None:
    """Write `value` to `path` as JSON in one step.

    Args:
        path: The file.
        value: Dicts, lists, texts, numbers, bools and None.

    Raises:
        ValueError: A number is not finite, which JSON does not have.
    """
    write_text(path, json.dumps(value, indent=1, allow_nan=False) + "\n")


def require_writable(folder: str | os.PathLike[str]) -> None:
    """Make a folder and write into it, to find before hours of work and not after them that this cannot be done.

    Args:
        folder: The folder, which is made if need be.

    Raises:
        OSError: The folder cannot be made or written.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    probe = folder / f".probe.{secrets.token_hex(6)}"
    probe.write_bytes(b"0")
    probe.unlink()


@contextlib.contextmanager
def written_by_jaxgen(what: str) -> Iterator[None]:
    """Report any failure of the block as a file that jaxgen did not write.

    A document of the right format may still hold anything, and code that puts it together raises nearly every exception on it.

    Args:
        what: The function and the file, such as "load: path='runs/a'", for the message.

    Raises:
        ValueError: The block raised. An error of the system, or one that says what would be accepted, is passed on.

    >>> with written_by_jaxgen("load: path='run'"):
    ...     {}["config"]
    Traceback (most recent call last):
    ValueError: load: path='run' cannot be read (KeyError: 'config'); accepted: what jaxgen wrote, unchanged.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, OSError) or (isinstance(error, ValueError) and "accepted: " in str(error)):
            raise
        said = f"{type(error).__name__}: {' '.join(str(error).split())}"[:200]
        raise ValueError(f"{what} cannot be read ({said}); accepted: what jaxgen wrote, unchanged.") from error
