"""Arrays in one file of the safetensors format: a header in JSON, then the bytes. Every bit is under a checksum, and no code is read or run.

The format is that of the package `safetensors`, which reads these files too. It is written here because that package gives numpy no
bfloat16, copies all arrays before it writes them, and knows no checksums.
"""

import hashlib
import io
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from jaxgen.atomic import replacing

_DTYPES = {
    "BOOL": np.bool_, "U8": np.uint8, "I8": np.int8, "U16": np.uint16, "I16": np.int16, "U32": np.uint32, "I32": np.int32, "U64": np.uint64,
    "I64": np.int64, "F16": np.float16, "BF16": ml_dtypes.bfloat16, "F32": np.float32, "F64": np.float64, "C64": np.complex64,
    "F8_E4M3": ml_dtypes.float8_e4m3fn, "F8_E5M2": ml_dtypes.float8_e5m2,
}  # fmt: skip
_NAMES = {np.dtype(dtype): name for name, dtype in _DTYPES.items()}
_HEAD = b'{"__metadata__":{"header":"'
"""How a header begins; the checksum of the header follows, for which zeros stand while it is computed."""
_ZEROS = b"0" * 64
_LONGEST_HEADER = 2**28


class DamagedFileError(ValueError):
    """Report a file that is not what was written: cut off, changed in some bit, or no file of arrays at all."""


def write_tensors(path: str | os.PathLike[str], arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any]) -> None:
    """Write arrays to a file in one step; an earlier one there stays until the new one is on the disk.

    Args:
        path: The file.
        arrays: Arrays by name.
        facts: JSON values that belong to them.

    Raises:
        ValueError: An array has a dtype that the format does not know.
    """
    places: dict[str, Any] = {}
    sums, end = {}, 0
    for name, a in arrays.items():
        if a.dtype not in _NAMES:
            raise ValueError(f"write_tensors: {name} of dtype {a.dtype}; accepted: {', '.join(map(str, _NAMES))}.")
        places[name] = {"dtype": _NAMES[a.dtype], "shape": list(a.shape), "data_offsets": [end, end + a.nbytes]}
        sums[name], end = hashlib.sha256(_bytes(a)).hexdigest(), end + a.nbytes
    texts = {"header": _ZEROS.decode(), "facts": json.dumps(facts, allow_nan=False), "sha256": json.dumps(sums)}
    header = json.dumps({"__metadata__": texts, **places}, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    header = header.replace(_ZEROS, hashlib.sha256(header).hexdigest().encode(), 1)
    with replacing(path) as part, part.open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        for a in arrays.values():
            file.write(_bytes(a))


def read_tensors(path: str | os.PathLike[str]) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read what `write_tensors` wrote, and compare every checksum.

    Args:
        path: The file.

    Returns:
        The arrays by name, and the facts.

    Raises:
        DamagedFileError: Some bit is not as it was written, or this is another file.
    """
    with Path(path).open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        places, facts, sums = _header(path, file, size)
        arrays: dict[str, np.ndarray] = {}
        for name, place in places.items():
            arrays[name] = _array(path, file, size, name, place)
            if hashlib.sha256(_bytes(arrays[name])).hexdigest() != sums.get(name):
                raise _damaged(path, f"{name} is not as it was written")
        if file.tell() != size:
            raise _damaged(path, f"{size - file.tell()} bytes too many")
    return arrays, facts


def offsets(path: str | os.PathLike[str]) -> dict[str, dict[str, Any]]:
    """Return for each array of a file its numpy dtype, its shape, and where its bytes "begin" and "end" in the file.

    Args:
        path: A file that `write_tensors` wrote.

    Raises:
        DamagedFileError: The header is not as it was written.
    """
    with Path(path).open("rb") as file:
        places, _, _ = _header(path, file, os.fstat(file.fileno()).st_size)
        start = file.tell()
    return {
        name: {
            "dtype": np.dtype(_DTYPES[place["dtype"]]).name,
            "shape": place["shape"],
            "begin": start + place["data_offsets"][0],
            "end": start + place["data_offsets"][1],
        }
        for name, place in places.items()
    }


def _header(path: str | os.PathLike[str], file: io.BufferedReader, size: int) -> tuple[dict[str, Any], dict[str, Any], dict[str, str]]:
    """Return where the arrays are, the facts, and the checksums by name, all of them under the header's own checksum."""
    length = int.from_bytes(file.read(8), "little")
    if not 0 < length <= min(size - 8, _LONGEST_HEADER):
        raise _damaged(path, "it has no header")
    header = file.read(length)
    given = header[len(_HEAD) : len(_HEAD) + 64]
    blank = _HEAD + _ZEROS + header[len(_HEAD) + 64 :]
    if not header.startswith(_HEAD) or hashlib.sha256(blank).hexdigest().encode() != given:
        raise _damaged(path, "its header is not as it was written")
    try:
        places = json.loads(header)
        texts = places.pop("__metadata__")
        return places, json.loads(texts["facts"]), json.loads(texts["sha256"])
    except (ValueError, KeyError, TypeError, RecursionError):
        raise _damaged(path, "its header is not as jaxgen writes it") from None


def _array(path: str | os.PathLike[str], file: io.BufferedReader, size: int, name: str, place: Any) -> np.ndarray:
    try:
        dtype, shape, (first, end) = np.dtype(_DTYPES[place["dtype"]]), tuple(map(int, place["shape"])), place["data_offsets"]
    except (KeyError, TypeError, ValueError):
        raise _damaged(path, f"{name} is described otherwise than jaxgen does") from None
    if end - first != math.prod(shape) * dtype.itemsize or min(shape, default=0) < 0 or file.tell() + end - first > size:
        raise _damaged(path, f"{name} does not fit in")
    a = np.empty(shape, dtype)
    file.readinto(_bytes(a))
    return a


def _bytes(a: np.ndarray) -> memoryview:
    return np.ascontiguousarray(a).reshape(-1).view(np.uint8).data


def _damaged(path: str | os.PathLike[str], why: str) -> DamagedFileError:
    return DamagedFileError(
        f"read_tensors: path={os.fspath(path)!r} with damage ({why}); accepted: a whole file of arrays that jaxgen wrote."
    )
