"""What is written is what is read, bit for bit; any other bit is refused."""

import json

import jax
import ml_dtypes
import numpy as np
import pytest

from jaxgen.training.tensors import DamagedFileError, read_tensors, write_tensors

ARRAYS = {
    "a/kernel": np.arange(6, dtype=np.float32).reshape(2, 3)[:, ::-1],
    "step": np.asarray(7, np.int32),
    "none": np.zeros((0, 3), np.float64),
    "half": np.asarray([1.5, -0.0, np.nan], ml_dtypes.bfloat16),
    "key": np.asarray([1, 2**32 - 1], np.uint32),
    "mask": np.asarray([True, False]),
}


@pytest.fixture
def path(tmp_path):
    write_tensors(tmp_path / "a.safetensors", ARRAYS, {"status": "done", "text": "ü" * 70, "zeros": "0" * 80})
    return tmp_path / "a.safetensors"


def test_every_dtype_and_shape_comes_back(path):
    arrays, facts = read_tensors(path)
    assert list(arrays) == list(ARRAYS) and facts == {"status": "done", "text": "ü" * 70, "zeros": "0" * 80}
    for name, a in ARRAYS.items():
        assert arrays[name].dtype == a.dtype and arrays[name].shape == a.shape
        assert arrays[name].tobytes() == a.tobytes()
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_the_layout_is_that_of_safetensors(path):
    """8 bytes of length, JSON, then the arrays without gaps, in the order of their offsets; the data begin at a multiple of 8."""
    raw = path.read_bytes()
    length = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + length])
    assert length % 8 == 0 and set(map(type, header.pop("__metadata__").values())) == {str}
    assert header["half"] == {"dtype": "BF16", "shape": [3], "data_offsets": [28, 34]}
    assert raw[8 + length : 8 + length + 24] == ARRAYS["a/kernel"].tobytes()


def test_every_flipped_bit_is_found(path):
    """One bit of each byte of the file in turn, which is more than a hundred flips."""
    raw, rng = path.read_bytes(), np.random.default_rng(0)
    assert len(raw) > 100
    for i in range(len(raw)):
        spoilt = bytearray(raw)
        spoilt[i] ^= 1 << int(rng.integers(8))
        path.write_bytes(spoilt)
        with pytest.raises(DamagedFileError, match=r"read_tensors: path=.* with damage \(.*\); accepted: a whole file"):
            read_tensors(path)


@pytest.mark.parametrize(
    "change", [lambda raw: raw[:-1], lambda raw: raw + b"\0", lambda raw: raw[:5], lambda raw: b"", lambda raw: b"\xff" * 99]
)
def test_a_file_of_another_length_is_refused(change, path):
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(DamagedFileError):
        read_tensors(path)


def test_what_the_format_does_not_know_is_named_and_nothing_is_written(tmp_path):
    with pytest.raises(ValueError, match="write_tensors: a of dtype <U1; accepted: bool"):
        write_tensors(tmp_path / "a", {"a": np.asarray("x")}, {})
    with pytest.raises(ValueError, match="JSON"):
        write_tensors(tmp_path / "a", {}, {"loss": float("nan")})
    assert not list(tmp_path.iterdir())


def test_keys_and_structures_are_put_together_by_name(tmp_path):
    from jaxgen.training import load_arrays, save_arrays

    tree = {"pair": (jax.numpy.ones(2), [jax.random.split(jax.random.key(3, impl="rbg"), 2)]), "empty": ()}
    save_arrays(tmp_path / "t", tree)
    again = load_arrays(tmp_path / "t", jax.eval_shape(lambda: tree))
    assert jax.tree.structure(again) == jax.tree.structure(tree)
    assert again["pair"][1][0].dtype == tree["pair"][1][0].dtype
    np.testing.assert_array_equal(*(jax.random.key_data(t["pair"][1][0]) for t in (tree, again)))
    with pytest.raises(ValueError, match=r"like=pair/0 of float32\(3,\); accepted: float32\(2,\)"):
        load_arrays(tmp_path / "t", {"pair": (jax.ShapeDtypeStruct((3,), np.float32),)})
    with pytest.raises(ValueError, match="like=a pytree with other, which is not in the file"):
        load_arrays(tmp_path / "t", {"other": jax.ShapeDtypeStruct((), np.float32)})
