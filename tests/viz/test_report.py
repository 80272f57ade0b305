"""The page stands alone, shows every entry, and is replaced in one step."""

import base64
import os
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from jaxgen.cli.compare_entry import stages_for
from jaxgen.evaluation.tracks import NUM_ROWS, NUM_SAMPLES, SIDE
from jaxgen.viz import draw_row, figure_png, write_report
from jaxgen.viz.atlas.page import stored_section
from jaxgen.viz.atlas.panel import Label, Panel, Way
from jaxgen.viz.figure import webp

PNG = b"\x89PNG not really"
RESULTS = [
    {"model": "realnvp", "family": "normalizing flow", "objective": "maximum likelihood", "nll": 1.14, "nll_kind": "exact", "status": "ok"},
    {"model": "edm", "family": "diffusion", "reading": "heun", "status": "ok", "readings": {"ode": {"nll": 1.22, "nll_kind": "exact"}}},
    {"model": "gan", "family": "adversarial", "status": "failed: loss is not finite at step 812"},
]


class Tags(HTMLParser):
    """Every start tag with its attributes, and the text of each tag."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.text = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.open.append(tag)

    def handle_endtag(self, tag):
        while self.open and self.open.pop() != tag:
            pass

    def handle_data(self, data):
        self.text.append((self.open[-1] if self.open else "", data.strip()))


@pytest.fixture
def page(tmp_path):
    def write(results=RESULTS, pictures=None, **options):
        path = tmp_path / "report.html"
        write_report(
            path, "two_moons", results, {"realnvp": PNG} if pictures is None else pictures, {"steps": 2_000}, ["a note"], **options
        )
        return path.read_text(encoding="utf-8")

    return write


def test_nothing_points_outside_the_page(page):
    text = page()
    assert not re.search(r"https?:|//[a-z]|url\(|@import", re.sub(r"^\s*//.*$", "", text, flags=re.MULTILINE))
    tags = Tags(text).tags
    assert all(attrs["src"].startswith("data:") for _, attrs in tags if "src" in attrs)
    assert not [tag for tag, attrs in tags if "href" in attrs or tag in ("link", "iframe", "object", "base", "form")]
    assert "default-src 'none'" in text


def test_every_entry_reading_note_and_setting_is_there(page):
    parsed = Tags(page())
    bodies = [attrs for tag, attrs in parsed.tags if tag == "tbody"]
    assert len(bodies) == 3
    headers = [data for tag, data in parsed.text if tag == "th" and data]
    assert headers == ["realnvp", "edm", "↳", "gan"]
    words = {data for _, data in parsed.text}
    assert {"ode", "1.140", "1.220", "a note", "steps", "2000", "Settings", "heun"} <= words
    assert [data for tag, data in parsed.text if tag == "h1"] == ["two_moons"]


def test_a_failed_entry_is_red_with_its_reason(page):
    text = page()
    classes = [attrs.get("class") for tag, attrs in Tags(text).tags if tag in ("tbody", "figure")]
    assert classes == [None, None, "failed", None, "failed"]
    assert text.count("failed: loss is not finite at step 812") == 2
    assert re.search(r"tbody\.failed[^{]*\{ background: var\(--red-back\)", text)


def test_a_failed_reading_is_red_and_its_entry_is_not(page):
    text = page([{"model": "edm", "family": "diffusion", "status": "ok", "readings": {"ode": {"status": "failed: <below> entropy"}}}], {})
    rows = [attrs.get("class") for tag, attrs in Tags(text).tags if tag in ("tbody", "tr")]
    assert rows == [None, None, None, "reading failed", "reason failed"]
    assert "failed: &lt;below&gt; entropy" in text


def test_text_from_results_is_never_markup(page):
    evil = '<script>alert("1")</script>'
    results = [
        {"model": evil, "family": evil, "objective": evil, "reading": evil, "status": f"failed: {evil}", "readings": {evil: {"nll": evil}}}
    ]
    text = page(results, {evil: PNG})
    assert text.count("<script>") == 1 and "alert(&#34;1&#34;)" in text and 'alert("1")' not in text


def test_pictures_stand_under_their_family_in_the_order_of_the_results(page, picture):
    figure = draw_row(picture)
    text = page(pictures={"edm/ode": PNG, "realnvp": figure})
    parsed = Tags(text)
    assert [data for tag, data in parsed.text if tag == "h2"] == ["normalizing flow", "diffusion", "adversarial", "Settings", "Notes"]
    images = [attrs["src"].removeprefix("data:image/png;base64,") for tag, attrs in parsed.tags if tag == "img"]
    assert [base64.b64decode(image) for image in images] == [figure_png(figure), PNG]


@pytest.mark.parametrize("num", [13, 60])
def test_a_page_of_many_models_stays_below_8_mb(page, picture, num):
    """The panels and pictures of a whole zoo, as large as those of a comparison. The pictures of a few models stay as they are."""
    rng, png, axis = np.random.default_rng(0), figure_png(draw_row(picture)), np.linspace(-1, 1, 64)
    way = lambda k: Way(rng.standard_normal((stages_for(num) + 1, k, 2)), rng.standard_normal(k))
    panel = Panel(
        Label("name"), way(NUM_SAMPLES), way(NUM_ROWS), way(SIDE**2), rng.standard_normal((NUM_ROWS, 2)),
        density=(axis, axis, rng.standard_normal((64, 64))),
    ).as_json()  # fmt: skip
    names = [f"model_{i}" for i in range(num)]
    results = [{**RESULTS[0], "model": name} for name in names]
    atlas = stored_section([{**panel, "label": {**panel["label"], "name": name}} for name in names], rng.uniform(size=(NUM_SAMPLES, 2)))
    text = page(results, dict.fromkeys(names, png), atlas=atlas)
    assert len(text) < 8_000_000 and text.count("data:image/") == num
    # 200 kB is a large picture of a real model.
    assert len(png) < 200_000 and ("data:image/webp" in text) == (4 / 3 * num * len(png) + len(atlas["json"]) > 7_500_000)


def test_a_picture_too_large_for_the_page_is_kept_with_less_quality(picture):
    png = figure_png(draw_row(picture))
    sizes = [len(webp(png, quality)) for quality in (85, 50)]
    assert len(png) / 2 > sizes[0] > sizes[1] > 0


def test_seeds_share_a_picture(page):
    text = page([RESULTS[0], {**RESULTS[0], "seed": 1}])
    assert text.count("<img ") == 1 and text.count("<tbody") == 2


def test_unfinished_runs_have_pages_too(page):
    assert "<tbody" not in page([], {})
    assert "<figure" not in page(RESULTS[:1], {})


def test_the_page_is_replaced_in_one_step(page, tmp_path, monkeypatch):
    before = page(RESULTS[:1])

    def crash(*_):
        assert "gan" in next(tmp_path.glob(".report.html.*")).read_text(encoding="utf-8")
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", crash)
    with pytest.raises(OSError, match="disk full"):
        page()
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == before


def test_unknown_pictures_and_nameless_results_are_refused(page):
    with pytest.raises(ValueError, match="'maf', which no result names"):
        page(pictures={"maf": PNG})
    with pytest.raises(ValueError, match=r"results\[0\] has model None"):
        page([{"family": "diffusion"}])
