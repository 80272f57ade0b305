"""The page of the atlas stands alone, holds what its panels hold, and treats every name as text."""

import base64
import json
import re

import numpy as np
import pytest

from jaxgen.viz import write_report
from jaxgen.viz.atlas import page, write_atlas
from jaxgen.viz.atlas.encode import script_json
from jaxgen.viz.palette import plane_colours

EVIL = '</script><script>document.title="owned"</script><!--<script>'


@pytest.fixture
def written(tmp_path, uniforms):
    def write(*panels, **options):
        path = tmp_path / "atlas.html"
        write_atlas(path, "atlas", panels, uniforms, **options)
        return path.read_text(encoding="utf-8")

    return write


def held(text):
    found = re.search(r'<script type="application/json" id="atlas-data">(.*?)</script>', text, re.DOTALL)
    assert found
    return json.loads(found.group(1))


def unpacked(track, windows):
    raw = np.frombuffer(base64.b64decode(track["places"]), "<i2").reshape(len(windows), -1, 2).astype(float)
    windows = np.array(windows)[:, None]
    return windows[..., :2] + raw * 8 / 32767 * windows[..., 2:]


def test_places_come_back_within_a_thousandth_of_the_window(written, make_panel):
    panel = make_panel()
    (stored,) = held(written(panel))["panels"]
    for name in ("samples", "rows", "lattice"):
        places = unpacked(stored[name], stored["windows"])
        half = np.array(stored["windows"])[:, None, 2:]
        assert np.all(np.abs(places - getattr(panel, name).places) < 1e-3 * half)
    np.testing.assert_allclose(np.frombuffer(base64.b64decode(stored["samples"]["logp"]), "<f4"), panel.samples.log_density, rtol=1e-6)
    # The output is seen in the window of the data.
    x, y, half = stored["windows"][-1]
    assert np.mean((np.abs(panel.real - [x, y]) <= half).all(1)) > 0.9


def test_a_density_keeps_its_nats_down_to_its_depth(written, make_panel):
    panel = make_panel()
    (stored,) = held(written(panel))["panels"]
    field = stored["density"]
    values = np.frombuffer(base64.b64decode(field["values"]), np.uint8).reshape(field["shape"]) / 255
    expected = panel.density[2] - panel.density[2].max()
    np.testing.assert_allclose((values - 1) * field["depth"], np.maximum(expected, -field["depth"]), atol=field["depth"] / 500)


def test_what_is_not_finite_is_marked_and_breaks_nothing(written, make_panel):
    panel = make_panel()
    places = panel.samples.places.copy()
    places[-1, :3] = [[np.nan, 0], [np.inf, 0], [1e9, 0]]
    (stored,) = held(written(panel._replace(samples=panel.samples._replace(places=places))))["panels"]
    raw = np.frombuffer(base64.b64decode(stored["samples"]["places"]), "<i2").reshape(*places.shape)
    assert raw[-1, :3, 0].tolist() == [-32768, -32768, 32767]
    everywhere = panel._replace(samples=panel.samples._replace(places=np.full_like(places, np.nan)), density=None)
    assert np.isfinite(held(written(everywhere))["panels"][0]["windows"]).all()


def test_nothing_points_outside_the_page_and_no_name_is_markup(written, make_panel, make_tiles):
    text = written(make_panel(EVIL), make_tiles(EVIL))
    assert not re.search(r"https?:|url\(|@import|\bsrc=|<link|<iframe", text)
    assert "default-src 'none'" in text
    assert set(re.findall(r'href="([^"]*)"', text)) == {"#atlas-0", "#atlas-1"}
    # Two scripts and the data; what would end a script or open a comment is written otherwise.
    assert len(re.findall(r"<script[ >]", text)) == len(re.findall(r"</script>", text)) == 3
    assert "<!--" not in text.partition("<main>")[2]
    assert [panel["label"]["name"] for panel in held(text)["panels"]] == [EVIL, EVIL]


@pytest.mark.parametrize("text", [EVIL, "<!--", "]]>", "&amp;", "\u2028\u2029"])
def test_text_in_a_script_comes_back_and_cannot_end_it(text):
    written = script_json({"name": text})
    assert json.loads(written) == {"name": text}
    assert not set("<>&\u2028\u2029") & set(written)


def test_a_page_that_would_be_too_large_keeps_fewer_stages(written, make_panel, make_tiles, monkeypatch):
    whole = written(make_panel(stages=16), make_tiles())
    monkeypatch.setattr(page, "MOST_BYTES", 40_000)
    small = written(make_panel(stages=16), make_tiles())
    assert len(small) < len(whole)
    before, after = (held(text)["panels"][0] for text in (whole, small))
    assert len(before["windows"]) == 17 and len(after["windows"]) < 17
    # Noise and output stay, and the steps that are left keep their numbers.
    assert after["windows"][0] == before["windows"][0] and after["windows"][-1] == before["windows"][-1]
    assert len(after["steps"]) == len(after["windows"]) - 1 and after["steps"][-1] == 16


def test_a_page_of_forty_models_is_below_eight_megabytes():
    one_panel = 4 / 3 * 2 * 2 * 18 * (1_000 + 400 + 625)
    assert 40 * one_panel > page.MOST_BYTES  # so that the page of forty is thinned
    assert page.MOST_BYTES < 7.5e6


def test_panels_of_other_noise_and_no_panels_are_refused(written, make_panel):
    with pytest.raises(ValueError, match=r"panels=\[\]; accepted: at least one"):
        written()
    panel = make_panel()
    few = panel._replace(samples=panel.samples._replace(places=panel.samples.places[:, :7]))
    with pytest.raises(ValueError, match=r"panel 'turn' with samples of shape \(5, 7, 2\)"):
        written(few)


def test_a_report_shows_the_same_view_and_its_rows_link_to_the_panels(tmp_path, make_panel, uniforms):
    results = [{"model": name, "family": "flow", "status": "ok"} for name in ("turn", EVIL, "without")]
    shown = page.section([make_panel("turn"), make_panel(EVIL)], uniforms)
    write_report(tmp_path / "report.html", "data", results, {}, {}, (), shown)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert [panel["label"]["name"] for panel in held(text)["panels"]] == ["turn", EVIL]
    assert re.findall(r'<a href="(#atlas-\d)">', text) == ["#atlas-0", "#atlas-1"]
    # What a run folder keeps of a panel gives the same section.
    again = page.stored_section(json.loads(json.dumps([make_panel("turn").as_json(), make_panel(EVIL).as_json()])), uniforms)
    assert again == shown


def test_colours_are_told_apart_without_red_and_green():
    """Under deuteranopia and protanopia (Machado et al. 2009, severity 1), points a quarter of the square apart keep different colours."""
    simulated = {
        "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
        "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    }
    u, v = (a.ravel() for a in np.meshgrid([0.0, 0.33, 0.66, 1.0], [0.0, 0.5, 1.0]))
    colours = plane_colours(np.stack([u, v], 1))
    linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    for matrix in simulated.values():
        seen = linear @ np.array(matrix).T
        seen = np.clip(np.where(seen <= 0.0031308, 12.92 * seen, 1.055 * np.maximum(seen, 1e-9) ** (1 / 2.4) - 0.055), 0, 1)
        distance = np.linalg.norm(seen[:, None] - seen[None], axis=-1) + 9 * np.eye(len(seen))
        assert distance.min() > 0.1
