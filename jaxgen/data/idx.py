"""Reader of idx files, the format of MNIST: a magic number, the dimensions, then bytes; plain or gzip."""

import gzip
import zlib
from pathlib import Path

import numpy as np

from jaxgen.data.tables import DataError

_GZIP = b"\x1f\x8b"
_UNSIGNED_BYTE = 0x08


def read_idx(path: str | Path, rank: int) -> np.ndarray:
    """Read an idx file of unsigned bytes as a read-only uint8 array.

    The format is two zero bytes, the type (8 for unsigned bytes), the number of axes, each length as a big-endian 32-bit integer, and the
    values in row-major order. A gzip file is recognised by its content, not by its name.

    Args:
        path: The file.
        rank: The number of axes that the array must have.

    Raises:
        DataError: The file has another format, or is truncated or damaged.

    Source: Y. LeCun, The MNIST database.
    """
    content = _content(Path(path))
    if len(content) < 4 or content[:2] != b"\0\0":
        raise DataError(f"{path}: is no idx file and begins with {content[:2].hex() or 'nothing'}; accepted: two zero bytes first.")
    if content[2] != _UNSIGNED_BYTE:
        raise DataError(f"{path}: holds values of idx type 0x{content[2]:02x}; accepted: 0x08, unsigned bytes.")
    if content[3] != rank:
        raise DataError(f"{path}: has {content[3]} axes; accepted: {rank}.")
    start = 4 + 4 * rank
    if len(content) < start:
        raise DataError(f"{path}: is cut off within its header; accepted: at least {start} bytes.")
    shape = tuple(int(n) for n in np.frombuffer(content, ">u4", rank, 4))
    size = int(np.prod(shape, dtype=np.int64))
    if len(content) - start != size:
        raise DataError(
            f"{path}: holds {len(content) - start} values; accepted: the number in its header, {' x '.join(map(str, shape))} = {size}."
        )
    return np.frombuffer(content, np.uint8, size, start).reshape(shape)


def _content(path: Path) -> bytes:
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if content[:2] == _GZIP else content
    except EOFError:
        raise DataError(f"{path}: is cut off; accepted: a gzip stream with an end.") from None
    except (OSError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read ({error}); accepted: an IDX file, gzipped or not.") from error
