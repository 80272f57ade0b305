"""`jaxgen atlas` on runs of vectors and of images, and what its mistakes are answered with."""

import json
import re

import numpy as np
import pytest

import jaxgen
from jaxgen import bases, objectives, training, transforms, zoo


@pytest.fixture
def plain():
    """Models without a network: a diagonal affine of vectors or of images."""

    @zoo.register(zoo.Family("plain"), zoo.vector(width=1), zoo.image("continuous", width=1, levels=2), compared=False)
    def plain(nets):
        model = jaxgen.Model(bases.normal(nets.event), transforms.diagonal_affine())
        return jaxgen.Entry(model, objectives.maximum_likelihood(model), training.adam(3e-2))

    yield
    zoo.forget("plain")


@pytest.fixture
def train(command, plain, tmp_path):
    def run(name, data, *more):
        ended = command("train", "--model", "plain", "--data", data, "--steps", 20, "--out", tmp_path / name, *more)
        assert ended.status == 0, ended.err
        return tmp_path / name

    return run


def panels_of(path):
    text = path.read_text(encoding="utf-8")
    return json.loads(re.search(r'id="atlas-data">(.*?)</script>', text, re.DOTALL).group(1))["panels"]


def test_runs_of_vectors_and_of_images_stand_on_one_page(command, train, tmp_path):
    table = np.random.default_rng(0).normal([5, -3, 9], [3, 1, 2], (200, 3))
    np.savetxt(tmp_path / "rows.csv", table, delimiter=",", header="a,b,c", comments="")
    np.savez(tmp_path / "pixels.npz", x=np.random.default_rng(0).integers(0, 256, (60, 4, 4), np.uint8))
    runs = [train("moons", "two_moons"), train("rows", tmp_path / "rows.csv"), train("pixels", tmp_path / "pixels.npz")]
    out = tmp_path / "atlas.html"
    ended = command("atlas", *runs, "--out", out)
    assert ended.status == 0, ended.err
    assert "3 models in" in ended.out and "0." in ended.out
    moons, rows, pixels = panels_of(out)
    assert [panel["label"]["name"] for panel in (moons, rows, pixels)] == ["moons", "rows", "pixels"]
    assert (moons["kind"], moons["found"], moons["data"]) == ("exact", "its inverse", "two_moons")
    assert moons["density"] is not None and not moons["wide"] and pixels["type"] == "images"
    # In the units of the file, and of three coordinates the first two.
    assert rows["wide"] and rows["density"] is None
    np.testing.assert_allclose(rows["windows"][-1][:2], np.median(table[:, :2], 0), atol=3)
    # The same noise in both.
    assert moons["samples"]["places"][:400] == rows["samples"]["places"][:400]
    # A panel does not depend on the others, nor on the process.
    assert command("atlas", runs[0], "--out", tmp_path / "alone.html").status == 0
    assert panels_of(tmp_path / "alone.html") == [moons]


def test_mistakes_are_answered_in_one_line(command, train, tmp_path):
    run = train("moons", "two_moons")
    for arguments, message in (
        ((), "RUNS: none given; accepted: one or more run folders"),
        ((run, "--out", tmp_path / "atlas.pdf"), "accepted: a file that ends in .html"),
        ((tmp_path / "none",), "accepted: a run folder of jaxgen"),
        ((run, "--reading", "heun"), "--reading heun: accepted: default"),
        ((run, "--label", "circle"), "all models were trained without labels"),
    ):
        out = () if "--out" in arguments else ("--out", tmp_path / "atlas.html")
        ended = command("atlas", *arguments, *out)
        assert ended.status == 2 and message in ended.err and ended.err.count("\n") == 1, ended.err
    assert not (tmp_path / "atlas.html").exists()
