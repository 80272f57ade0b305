"""Mutations of valid input: bytes of files, values of JSON documents, and arguments of Python calls."""

import copy
import json
from typing import Any

import numpy as np

TOKENS = (
    b"", b"\0", b"\n", b"\r", b"\r\n", b",", b";", b"\t", b'"', b"'", b"1e999", b"-1e999", b"nan", b"NaN", b"inf", b"1_0", b"0x10", b"1,5",
    b"\xff\xfe", b"\xef\xbb\xbf", b"\x80", "é".encode("latin-1"), "\u0661".encode(), b"2026-02-30", b"31/12/2025", b"[/x]", b"{}", b"</script>",
    b"../../etc/passwd", b"9" * 40, b"(", b"O", b"|O", b"<U9", b"descr", b"True", b"PK\x03\x04", b"\x1f\x8b", b"PAR1", b"_", b"-0",
)  # fmt: skip
"""What has a meaning in one of the formats: separators, numbers at the edge, encodings, markup, paths, headers."""

VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2, 3, 10**9, 2**63, -(2**70), 0.0, 0.5, -1.5, 1e308, 1e999, float("nan"),
    "", "x", "0", "[/x]", "../x", "\0", "é" * 300,
    [], [0], [1, 2, 3], [[1]], [None], ["x"], {}, {"x": 1}, {"name": None},
)  # fmt: skip
"""JSON values of every type, at the edges of each."""


def of_bytes(rng: np.random.Generator, content: bytes) -> bytes:
    """Return the content after one to four random edits: a bit or byte, a piece left out, doubled, moved or replaced, a token, an end."""
    data = bytearray(content)
    for _ in range(int(rng.integers(1, 5))):
        at = int(rng.integers(len(data) + 1))
        length = int(min(rng.geometric(0.1), len(data) - at))
        kind = rng.integers(7)
        if kind == 0 and at < len(data):
            data[at] ^= 1 << int(rng.integers(8))
        elif kind == 1 and at < len(data):
            data[at] = int(rng.integers(256))
        elif kind == 2:
            del data[at : at + length]
        elif kind == 3:
            data[at:at] = data[at : at + length] * int(rng.integers(1, 4))
        elif kind == 4:
            to = int(rng.integers(len(data) + 1))
            data[to:to] = data[at : at + length]
        elif kind == 5:
            data[at : at + int(rng.integers(2)) * length] = TOKENS[rng.integers(len(TOKENS))]
        elif rng.random() < 0.3:
            del data[at:]
    return bytes(data)


def of_json(rng: np.random.Generator, content: bytes) -> bytes:
    """Return a JSON document with one or two of its values replaced, left out or put elsewhere; every tenth one is mutated as bytes."""
    if rng.random() < 0.1:
        return of_bytes(rng, content)
    document = json.loads(content)
    for _ in range(int(rng.integers(1, 3))):
        places = list(_places(document))
        if not places:
            return json.dumps(VALUES[rng.integers(len(VALUES))]).encode()
        holder, key = places[rng.integers(len(places))]
        kind = rng.integers(5)
        if kind == 0:
            del holder[key]
        elif kind == 1:
            other, place = places[rng.integers(len(places))]
            holder[key] = copy.deepcopy(other[place])
        elif kind == 2 and isinstance(holder, dict):
            holder[str(VALUES[rng.integers(len(VALUES))])] = holder.pop(key)
        else:
            holder[key] = VALUES[rng.integers(len(VALUES))]
    return json.dumps(document).encode()


def _places(value: Any) -> Any:
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield value, key
        yield from _places(value[key])


def of_argument(rng: np.random.Generator, value: Any) -> Any:
    """Return another value for an argument: one of JSON, an array of another type, shape or content, or an object of another kind."""
    arrays = (
        np.zeros(0), np.zeros((0, 2)), np.float64(2.0), np.int64(3), np.ones((2, 2), complex), np.array(["a", "b"]), np.ones((3, 5)),
        np.full((4, 2), np.nan), np.full((4, 2), np.inf), np.ones((4, 2), np.float16), np.ones((4, 2), int), np.ones(4, bool),
        np.array([object()]), np.datetime64("2026-01-01"),
    )  # fmt: skip
    others = (object(), len, type(None), lambda *a, **k: None, iter(()), b"x", 1j, range(3), {1, 2}, slice(1))
    # A billion of anything is no mistake of a type or shape, and costs what it costs.
    values = [value for value in VALUES if value != 10**9]
    kind = rng.integers(4)
    if kind == 0 and isinstance(value, np.ndarray) and value.size:
        changed = np.array(value, copy=True)
        return (changed[..., None], changed[:-1], changed[..., :-1], changed.T, changed.astype(str), changed.tolist())[rng.integers(6)]
    chosen = arrays if kind == 1 else others if kind == 2 else values
    return chosen[rng.integers(len(chosen))]
