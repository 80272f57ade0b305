"""The user's own images: every one comes back, what is no image is named, and a stream gives each once an epoch."""

import collections

import jax
import numpy as np
import pytest

import jaxgen.data
from jaxgen.data import DataError
from jaxgen.data.pictures import decode

Image = pytest.importorskip("PIL.Image")
N = 12
GREY = np.random.default_rng(0).integers(0, 256, (N, 5, 4), np.uint8)
COLOUR = np.random.default_rng(1).integers(0, 256, (N, 5, 4, 3), np.uint8)


def save(folder, images, name="{:02d}.png", mode=None):
    folder.mkdir(parents=True, exist_ok=True)
    for i, x in enumerate(images):
        image = Image.fromarray(x)
        (image if mode is None else image.convert(mode)).save(folder / name.format(i))
    return folder


def together(data):
    return sorted(x.tobytes() for x in np.concatenate([data.train, data.valid, data.test]).astype(np.uint8))


@pytest.mark.parametrize("images", [GREY, COLOUR], ids=["grey", "rgb"])
def test_a_folder_and_an_array_give_the_same_images(tmp_path, images):
    folder = save(tmp_path / "pictures", images)
    np.save(tmp_path / "a.npy", images)
    np.savez(tmp_path / "b.npz", x=(images / 255).astype(np.float32), labels=np.arange(N) % 3)
    own = [jaxgen.data.load(p, pixels="discrete") for p in (folder, tmp_path / "a.npy", tmp_path / "b.npz")]
    for data in own:
        assert data.event_shape == (5, 4, images[..., None].shape[3] if images.ndim == 3 else 3) and data.levels == 256
        assert together(data) == sorted(x.tobytes() for x in images)
        assert [len(data.split(s).x) for s in ("train", "valid", "test")] == [10, 1, 1]
    between = jaxgen.data.load(tmp_path / "a.npy", num_train=5)
    np.testing.assert_array_equal(np.floor(between.units.restore(between.train)), own[1].train[:5])
    labelled = jaxgen.data.load(tmp_path / "b.npz", labels=True)
    assert labelled.cond_shape == (3,) and labelled.cond_names == ("label=0", "label=1", "label=2")


def test_subfolders_are_classes_and_one_coloured_image_makes_all_rgb(tmp_path):
    save(tmp_path / "p" / "cat", GREY[:6])
    save(tmp_path / "p" / "dog", GREY[6:11])
    save(tmp_path / "p" / "dog", COLOUR[:1], "last.png")
    data = jaxgen.data.load(tmp_path / "p", labels=True, pixels="discrete")
    assert data.event_shape == (5, 4, 3) and data.cond_names == ("label=cat", "label=dog")
    cats = sorted(np.repeat(x[..., None], 3, 2).tobytes() for x in GREY[:6])
    x, cond = (np.concatenate([getattr(data, split + end) for split in ("train", "valid", "test")]) for end in ("", "_cond"))
    assert sorted(i.astype(np.uint8).tobytes() for i in x[cond[:, 0] == 1]) == cats
    save(tmp_path / "p", GREY[:1], "loose.png")
    with pytest.raises(DataError, match="loose.png: lies in no class"):
        jaxgen.data.load(tmp_path / "p", labels=True)


def test_resizing_keeps_the_centre_and_the_aspect(tmp_path):
    wide = np.zeros((8, 16, 3), np.uint8)
    wide[:, 4:12] = 200
    (image := Image.fromarray(wide)).save(tmp_path / "w.png")
    assert (decode(tmp_path / "w.png", 4) == 200).all() and decode(tmp_path / "w.png", 4).shape == (4, 4, 3)
    assert decode(tmp_path / "w.png", (2, 4)).shape == (2, 4, 3) and decode(tmp_path / "w.png", (4, 8))[0, 0, 0] == 0
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(tmp_path / "turned.jpg", exif=exif)
    assert decode(tmp_path / "turned.jpg").shape == (16, 8, 3)
    save(tmp_path / "mixed", [*GREY, np.zeros((9, 9), np.uint8)])
    assert jaxgen.data.load(tmp_path / "mixed", size=4).event_shape == (4, 4, 1)
    with pytest.raises(DataError, match="size=0; accepted: an integer of at least 1"):
        jaxgen.data.load(tmp_path / "mixed", size=0)


def damaged(folder):
    path = folder / "03.png"
    path.write_bytes(path.read_bytes()[:60])


def text(folder):
    (folder / "03.png").write_text("no image")


@pytest.mark.parametrize(
    ("spoil", "match"),
    [
        (damaged, r"03\.png: cannot be read as an image"),
        (text, r"03\.png: cannot be read as an image"),
        (
            lambda f: save(f, GREY[:1, :4], "x.png"),
            r"x\.png: is 4 by 4 pixels, .*00\.png is 5 by 4; accepted: images of one size, or size=",
        ),
        (lambda f: save(f, COLOUR[:1], "x.png", "RGBA"), r"x\.png: has transparency"),
        (lambda f: save(f, COLOUR[:1], "x.jpg", "CMYK"), r"x\.jpg: has pixels of mode CMYK"),
        (lambda f: save(f, [np.ones((5, 4), np.uint16)], "x.png"), r"x\.png: has pixels of mode I;16"),
        (lambda f: [p.unlink() for p in f.iterdir()], r"holds no images; accepted: \.png, \.jpg, \.jpeg files"),
        (lambda f: [p.unlink() for p in f.glob("0[3-9].png")], "has 5 images; accepted: at least 10"),
        (lambda f: save(f, np.full_like(GREY, 7)), "every pixel of every image is 7"),
    ],
)
def test_a_folder_that_is_of_no_use_says_which_file(tmp_path, spoil, match):
    folder = save(tmp_path / "p", GREY)
    spoil(folder)
    with pytest.raises(DataError, match=match):
        jaxgen.data.load(folder)


BETWEEN = (GREY / 255).astype(np.float32)
BETWEEN[2, 1, 3] = 0.5003


@pytest.mark.parametrize(
    ("array", "match"),
    [
        ((GREY / 127.5 - 1).astype(np.float32), r"a\.npy: image 1 has the value -.*accepted: floats in \[0, 1\]"),
        (GREY.astype(np.float64), r"image 1 has the value .*accepted: floats in \[0, 1\]"),
        (np.where(np.arange(4) == 1, np.nan, GREY / 255), r"image 1 has the value nan"),
        (BETWEEN, r"image 3 has the value 0\.5003; accepted: multiples of 1 / 255"),
        (GREY.astype(int) + 1, r"has the value 256; accepted: whole numbers from 0 to 255"),
        (np.moveaxis(COLOUR, -1, 1), r"shape \(12, 3, 5, 4\).*channels come last"),
        (np.zeros((N, 5, 4, 4), np.uint8), "4 channels: drop the transparency"),
        (np.zeros((N, 5, 4, 1, 1), np.uint8), r"shape \(12, 5, 4, 1, 1\)"),
        (GREY.astype(complex), "dtype complex128"),
    ],
)
def test_an_array_that_holds_no_images_says_which_and_why(tmp_path, array, match):
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(DataError, match=match):
        jaxgen.data.load(tmp_path / "a.npy")


def test_labels_that_condition_on_nothing_are_refused(tmp_path):
    for labels, match in (
        (np.full(N, 3), r"all labels are one class \(3\)"),
        (np.arange(N - 1), r"array labels: int64 of shape \(11,\); accepted: .* of shape \(12,\)"),
        (np.arange(N) / 2, "array labels: float64"),
    ):
        np.savez(tmp_path / "b.npz", x=GREY, labels=labels)
        with pytest.raises(DataError, match=match):
            jaxgen.data.load(tmp_path / "b.npz", labels=True)
    np.save(tmp_path / "a.npy", GREY)
    with pytest.raises(DataError, match="labels=True with .*no labels"):
        jaxgen.data.load(tmp_path / "a.npy", labels=True)
    np.save(tmp_path / "table.npy", GREY[:, 0])
    for options in ({"labels": True}, {"pixels": "discrete"}, {"size": 3}, {"download": True}):
        with pytest.raises(DataError, match="these are for images, not"):
            jaxgen.data.load(tmp_path / "table.npy", **options)
    with pytest.raises(DataError, match="images have no columns"):
        jaxgen.data.load(tmp_path / "a.npy", columns=[0])
    np.save(tmp_path / "bits.npy", GREY > 127)
    assert jaxgen.data.load(tmp_path / "bits.npy").levels == 2


def test_a_stream_gives_each_image_once_an_epoch_in_an_order_of_its_seed(tmp_path):
    pytest.importorskip("grain")
    folder = save(tmp_path / "p" / "a", GREY[:5]).parent
    save(folder / "b", GREY[5:])
    batches = list(jaxgen.data.stream(folder, 4, pixels="discrete", labels=True, num_epochs=2, seed=1, num_threads=2))
    assert len(batches) == 6 and batches[0].x.shape == (4, 5, 4, 1) and batches[0].cond.shape == (4, 2)
    assert isinstance(batches[0].x, jax.Array) and batches[0].x.dtype == np.float32
    rows = [[x.astype(np.uint8).tobytes() for x in np.asarray(b.x)] for b in batches]
    first, second = sum(rows[:3], []), sum(rows[3:], [])
    assert sorted(first) == sorted(second) == sorted(x.tobytes() for x in GREY) and first != second
    of_a = {x.tobytes() for x in GREY[:5]}
    for batch, row in zip(batches, rows, strict=True):
        np.testing.assert_array_equal(np.asarray(batch.cond)[:, 0] == 1, [x in of_a for x in row])
    np.save(tmp_path / "a.npy", GREY)
    for source in (tmp_path / "a.npy", list(GREY)):
        one, two, other = (next(jaxgen.data.stream(source, N, seed=s, num_threads=0)).x for s in (3, 3, 4))
        np.testing.assert_array_equal(one, two)
        assert not np.array_equal(one, other)
        assert sorted(x.tobytes() for x in np.floor(128 * (np.asarray(one, float) + 1)).astype(np.uint8)) == sorted(
            x.tobytes() for x in GREY
        )
    # Dequantised anew each epoch: the same pixels, other noise.
    epochs = [128 * (np.asarray(batch.x, float) + 1) for batch in jaxgen.data.stream(GREY, N, num_epochs=2, num_threads=0)]
    first, second = (x[np.lexsort(np.floor(x).reshape(N, -1).T)] for x in epochs)
    np.testing.assert_array_equal(np.floor(first), np.floor(second))
    assert np.abs(first - second).max() > 0.5


def test_what_a_stream_refuses(tmp_path):
    pytest.importorskip("grain")
    folder = save(tmp_path / "p", GREY)
    for source, options, match in (
        (folder, {"batch_size": 13, "num_epochs": 1}, "batch_size=13; accepted: at most 12"),
        (folder, {"pixels": "grey"}, "pixels='grey'"),
        (folder, {"num_epochs": 0}, "num_epochs=0"),
        (tmp_path / "a.npz", {}, "an .npz cannot be read in part"),
        (tmp_path / "a.npy", {}, "a.npy: cannot be read"),
        (iter(GREY), {}, "accepted: a folder, a .npy file or something with a length"),
        (GREY, {"labels": True}, "they are for folders of images"),
    ):
        with pytest.raises(ValueError, match=match):
            jaxgen.data.stream(source, **({"batch_size": 4} | options))
    text(folder)
    with pytest.raises(DataError, match=r"03\.png: cannot be read as an image"):
        collections.deque(jaxgen.data.stream(folder, 4, num_epochs=1), maxlen=0)
    with pytest.raises(DataError, match=r"image \d+ of the source: image 1 has the value"):
        next(jaxgen.data.stream((GREY / 100).astype(np.float32), 4))
