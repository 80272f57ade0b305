"""train, sample and evaluate on images: the pixels that the model takes, whole-numbered units, and what a mistake is answered with."""

import functools
import json

import numpy as np
import pytest
from PIL import Image

import jaxgen
from jaxgen import bases, evaluation, objectives, training, transforms, zoo
from jaxgen.cli.pixels import write_images

SIDE = 4


@pytest.fixture
def plain():
    """A model of images without a network: every pixel a Gaussian of its own, brighter by a quarter of all levels for the second class."""

    @zoo.register(zoo.Family("plain"), zoo.image("continuous", name="plain", width=1, levels=2))
    def recipe(nets):
        f = transforms.diagonal_affine()
        told = lambda params, z, cond=None: f.forward(params, z) + (0.0 if cond is None else 0.5 * cond[1])
        model = jaxgen.Model(bases.normal(nets.event), f._replace(one=f.one._replace(forward=told)))
        return jaxgen.Entry(model, objectives.maximum_likelihood(model), training.adam(3e-2))

    yield
    zoo.forget("plain")


@pytest.fixture
def pixels(tmp_path):
    """Grey images whose rows are ever brighter, as an array file."""
    x = np.random.default_rng(0).normal(40 + 50 * np.arange(SIDE)[:, None], 10, (300, SIDE, SIDE))
    np.savez(tmp_path / "pixels.npz", x=x.clip(0, 255).astype(np.uint8), labels=np.arange(300) % 2)
    return tmp_path / "pixels.npz"


def test_a_model_of_images_is_trained_sampled_and_evaluated_in_units_of_pixels(command, plain, pixels, tmp_path):
    run, drawn = tmp_path / "run", tmp_path / "drawn.npy"
    ended = command("train", "--model", "plain", "--data", pixels, "--steps", 300, "--batch-size", 64, "--ema", 0.9, "--out", run)
    assert ended.status == 0, ended.err
    assert "240 / 30 / 30 images from" in ended.out
    assert jaxgen.load(run)[0].card.config["options"]["levels"] == 256
    assert command("sample", run, "--num", 500, "--out", drawn).status == 0
    x = np.load(drawn)
    assert x.shape == (500, SIDE, SIDE, 1) and x.dtype == np.uint8
    np.testing.assert_allclose(x.mean((0, 2, 3)), 40 + 50 * np.arange(SIDE), atol=4)
    ended = command("evaluate", run, "--num-samples", 30)
    assert ended.status == 0, ended.err
    figures = json.loads((run / "evaluation.json").read_text())
    # Independent Gaussian pixels of standard deviation 10, in bits: log2(10 sqrt(2 pi e)).
    assert figures["bits_per_dim"] == pytest.approx(5.37, abs=0.25)
    assert (figures["nll_kind"], figures["bits_kind"]) == ("exact", "lower bound")
    assert figures["bits_per_dim"] == pytest.approx(figures["nll"] / (SIDE**2 * np.log(2)))
    for arguments, message in (
        (
            ("sample", run, "--num", 3, "--out", tmp_path / "x.csv"),
            "the samples of this model are images; accepted: a file that ends in .npy, .npz or .png",
        ),
        (("log-prob", run, pixels), "the events of this model are images"),
        (("evaluate", run, "--data", "digits_8x8"), "its events have shape (8, 8, 1); accepted: (4, 4, 1)"),
        (("evaluate", run, "--data", "mnist", "--data-dir", tmp_path / "none"), "accepted: an existing folder"),
    ):
        ended = command(*arguments)
        assert ended.status == 2 and message in ended.err, ended.err


def test_labels_are_a_condition_and_kept_with_the_run(command, plain, pixels, tmp_path, monkeypatch):
    quick = functools.partial(evaluation.train_classifier, num_steps=10, width=2)
    monkeypatch.setattr(evaluation, "train_classifier", quick)
    run = tmp_path / "run"
    ended = command("train", "--model", "plain", "--data", pixels, "--labels", "--steps", 3, "--out", run)
    assert ended.status == 0, ended.err
    assert jaxgen.load(run)[0].card.config["cond_shape"] == [2]
    ended = command("evaluate", run, "--num-samples", 12, "--classifier", tmp_path / "classifier")
    assert ended.status == 0, ended.err
    assert "training a classifier on pixels" in ended.out
    figures = json.loads((run / "evaluation.json").read_text())
    # Labels here say nothing of the image, so that the classifier guesses.
    assert 0.2 < figures["classifier_accuracy"] < 0.8 and 0 <= figures["agreement"] <= 1
    assert figures["precision_floor"] > 0.5 and figures["frechet_ratio"] == pytest.approx(figures["frechet"] / figures["frechet_floor"])
    facts = json.loads((tmp_path / "classifier" / "classifier.json").read_text())
    assert (facts["data"], facts["num_classes"], facts["event_shape"]) == ("pixels", 2, [SIDE, SIDE, 1])


def test_a_training_of_images_says_its_size_first_and_ends_by_the_clock(command, plain, pixels, tmp_path):
    run = tmp_path / "run"
    ended = command("train", "--model", "plain", "--data", pixels, "--minutes", 1e-9, "--out", run)
    assert ended.status == 0, ended.err
    assert ended.err.startswith("training plain: 32 parameters, batches of 64\ntraining: step 1/1, "), ended.err
    how = jaxgen.load(run)[0].card.config["training"]
    assert (how["batch_size"], how["num_steps"]) == (64, 1)


def test_the_names_of_classes_are_kept_and_choose_what_is_drawn(command, plain, pixels, tmp_path):
    for k, name in enumerate(("circle", "square")):
        (tmp_path / "shapes" / name).mkdir(parents=True)
        for i, x in enumerate(np.load(pixels)["x"][k::2][:20]):
            Image.fromarray(x).save(tmp_path / "shapes" / name / f"{i}.png")
    run = tmp_path / "run"
    ended = command("train", "--model", "plain", "--data", tmp_path / "shapes", "--labels", "--steps", 3, "--out", run)
    assert ended.status == 0, ended.err
    assert json.loads((run / "config.json").read_text())["images"] == {"levels": 256, "classes": ["circle", "square"]}
    drawn = {}
    for label in (("circle",), ("square",), ("circle", "square")):
        assert command("sample", run, "--num", 6, "--label", *label, "--out", tmp_path / "x.npy").status == 0
        drawn[label] = np.load(tmp_path / "x.npy").astype(int)
    # The same noise, 64 of 256 levels brighter; what leaves the range of a byte is clipped.
    inside = drawn["circle",] > 0
    assert inside.any()
    np.testing.assert_array_equal((drawn["square",] - drawn["circle",])[inside & (drawn["square",] < 255)], 64)
    np.testing.assert_array_equal(drawn["circle", "square"][::2], drawn["circle",][::2])
    np.testing.assert_array_equal(drawn["circle", "square"][1::2], drawn["square",][1::2])
    for arguments, message in (
        (("--label", "circl"), "--label circl: accepted: circle, square. Did you mean 'circle'?"),
        (("--label", "circle", "--cond", pixels), "both are given"),
        ((), "or --label circle, which this model takes"),
    ):
        ended = command("sample", run, "--out", tmp_path / "x.npy", *arguments)
        assert ended.status == 2 and message in ended.err, ended.err


def test_a_picture_of_samples_shows_each_of_them_in_levels_of_its_own(tmp_path):
    x = np.arange(4, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 1), np.uint8)
    write_images(tmp_path / "grid.png", x, levels=4)
    page = np.asarray(Image.open(tmp_path / "grid.png")) / 255
    side = page.shape[0] // 5
    assert page.shape[0] == page.shape[1] == 5 * side and side > 1
    corners = [page[i * 3 * side, j * 3 * side, 0] for i in (0, 1) for j in (0, 1)]
    np.testing.assert_allclose(corners, np.arange(4) / 3, atol=1 / 255)
    np.testing.assert_allclose(page[2 * side : 3 * side, :, :3], 0.5, atol=1 / 255)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("--model", "realnvp", "--data", "digits_8x8"),
            "--model realnvp: --data digits_8x8 is read as images; accepted for images: gan, ",
        ),
        (("--model", "realnvp", "--data", "digits", "--labels"), "--labels: this is for images; --data digits has none"),
        (("--model", "realnvp", "--data-dir", "x"), "--data-dir: this is for images"),
        (("--model", "plain", "--data", "fashion_mnist", "--data-dir", "none"), "data_dir=none; accepted: an existing folder"),
        (("--model", "plain", "--data", "."), "holds no images; accepted: .png, .jpg, .jpeg files"),
        (("--model", "plain", "--data", "digits_8x8", "--columns", "0"), "images have no columns"),
        (
            ("--model", "plain", "--data", "digits_8x8", "--size", "tiny"),
            "--size tiny: accepted: small, base, published, for models of images",
        ),
        (
            ("--model", "realnvp", "--data", "two_moons", "--size", "small"),
            "--size small: accepted: small, base, published, for models of images",
        ),
        (("--model", "realnvp", "--data", "two_moons", "--minutes", "0"), "--minutes 0.0: accepted: a number above 0"),
    ],
)
def test_a_mistake_is_answered_in_one_line(command, plain, monkeypatch, tmp_path, arguments, message):
    monkeypatch.chdir(tmp_path)
    ended = command("train", *arguments, "--out", tmp_path / "run")
    assert ended.status == 2 and message in ended.err and ended.err.count("\n") == 1, ended.err
    assert not (tmp_path / "run").exists()


def test_compare_says_that_it_is_for_vectors(command, tmp_path):
    ended = command("compare", "--data", "mnist", "--out", tmp_path / "run")
    assert ended.status == 2 and "holds images; accepted: vectors" in ended.err
