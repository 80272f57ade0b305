"""Arrays and names as text inside a page: 16 bits for a coordinate, and no text that could end its script."""

import base64
import json
from typing import Any

import numpy as np

MISSING = -32_768
"""The 16 bits of a coordinate that is not finite."""


def quantised(values: np.ndarray) -> str:
    """Return numbers as 16-bit integers, little-endian, in base64: 32767 stands for 1, and what lies beyond is cut to the ends.

    Args:
        values: Numbers of any shape, in units in which the interesting ones lie in [-1, 1].

    >>> np.frombuffer(base64.b64decode(quantised(np.array([1.0, -2.0, 0.0, np.nan]))), "<i2").tolist()
    [32767, -32767, 0, -32768]
    """
    finite = np.isfinite(values)
    whole = np.rint(np.clip(np.where(finite, values, 0), -1, 1) * 32_767)
    return _text(np.where(finite, whole, MISSING).astype("<i2"))


def bytes_of(values: np.ndarray) -> str:
    """Return numbers in [0, 1] as bytes in base64; what lies beyond is cut to the ends, and NaN is 0.

    >>> bytes_of(np.array([0.0, 1.0, -np.inf]))
    'AP8A'
    """
    return _text(np.rint(255 * np.clip(np.nan_to_num(values, nan=0.0), 0, 1)).astype(np.uint8))


def floats(values: np.ndarray) -> str:
    """Return numbers in single precision, little-endian, in base64."""
    return _text(np.asarray(values).astype("<f4"))


def script_json(value: Any) -> str:
    """Return a value as JSON that may stand inside a `script` element: no text in it can end the element or open a comment.

    >>> script_json({"name": "</script>"})
    '{"name":"\\\\u003c/script\\\\u003e"}'
    """
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _text(array: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode("ascii")
