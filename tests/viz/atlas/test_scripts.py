"""The functions of the scripts give the numbers that numpy gives: places between stages, arrows, areas, and points inside a lasso."""

import json
from pathlib import Path

import numpy as np
import pytest
from matplotlib.path import Path as Outline

import jaxgen.viz
from tests.viz.atlas.browser import act, needs_chromium

pytestmark = [needs_chromium, pytest.mark.xdist_group("browser")]
SCRIPTS = Path(jaxgen.viz.__file__).parent / "templates" / "atlas"
ZIGZAG = [[10, 10], [90, 20], [30, 50], [80, 90], [5, 70]]
TIMES = (0.0, 0.1, 0.25, 0.6, 1.0)


@pytest.fixture
def numbers(tmp_path, make_panel):
    """What the scripts make of a panel, in one run of the browser."""
    panel = make_panel("one", angle=1.0)
    names = ("decode", "draw", "brush")
    source = "\n".join((SCRIPTS / f"{name}.js").read_text(encoding="utf-8") for name in names)
    (tmp_path / "page.html").write_text(f"<!DOCTYPE html><body><script>{source}</script></body>", encoding="utf-8")
    found = act(tmp_path / "page.html", f"""
        const call = code => JSON.parse(view.eval(`JSON.stringify(${{code}})`));
        view.panel = view.points({json.dumps(panel.as_json())});
        const times = {json.dumps(TIMES)};
        told({{
          placed: times.map(t => call(`[...placed(panel.samples, panel.last, ${{t}})]`)),
          windows: times.map(t => call(`windowAt(panel.windows, ${{t}})`)),
          said: [0, 0.3, 0.5, 0.51, 1].map(t => call(`stageAt(panel, ${{t}})`)),
          line: call("stageAt({{...panel, line: true}}, 0.4)"),
          velocities: call("velocities(panel, 0, {{ x: 0, y: 0, half: 3 }})"),
          scores: call("scores(panel.density)"),
          areas: [0, 4].map(i => call(`area(panel.lattice.stages[${{i}}], [0, 1, 10, 9])`)),
          colours: [-2, -0.5, 0, 0.5, 2, NaN].map(v => call(`diverging(${{v}})`)),
          inside: call(`Array.from({{ length: 400 }}, (_, k) => inside({ZIGZAG}, 5 * (k % 20) + 1.3, 5 * Math.floor(k / 20) + 1.7))`),
        }});
    """)  # fmt: skip
    return panel, found


def test_the_scripts_agree_with_numpy(numbers):
    panel, found = numbers
    places, windows = panel.samples.places, np.array(panel.as_json()["windows"])
    for time, placed, window in zip(TIMES, found["placed"], found["windows"], strict=True):
        before, share = min(int(4 * time), 3), 4 * time - min(int(4 * time), 3)
        expected = (1 - share) * places[before] + share * places[before + 1]
        np.testing.assert_allclose(np.reshape(placed, (-1, 2)), expected, atol=5e-3)
        x, y, half = windows[before] + share * (windows[before + 1] - windows[before])
        np.testing.assert_allclose([window["x"], window["y"]], [x, y], atol=1e-9)
        assert window["half"] == pytest.approx(windows[before, 2] ** (1 - share) * windows[before + 1, 2] ** share)
        assert abs(window["half"] - half) < 0.1 * half
    assert found["said"] == ["noise", "after layer 2", "after layer 2", "after layer 3", "output"]
    assert found["line"] == "straight line, 40 %"
    # The score of -x^2 / 8 - y^2 / 2 is (-x / 4, -y), up to the 16 / 255 nats in which a density is kept and a cell of its grid.
    x, y, dx, dy = np.array(found["scores"]).T
    assert len(x) > 20
    np.testing.assert_allclose(dx, -x / 4, atol=0.15)
    np.testing.assert_allclose(dy, -y, atol=0.15)
    # The first stage turns by a quarter of the angle and stretches the first axis by a quarter.
    x, y, dx, dy = np.array(found["velocities"]).T
    c, s = np.cos(0.25), np.sin(0.25)
    np.testing.assert_allclose(dx, 1.25 * x * c - y * s - x, atol=2e-2)
    np.testing.assert_allclose(dy, 1.25 * x * s + y * c - y, atol=2e-2)
    assert found["areas"][0] == pytest.approx(0.25, rel=1e-2) and found["areas"][1] == pytest.approx(0.5, rel=1e-2)
    blue, pale_blue, none, pale_orange, orange, missing = found["colours"]
    assert blue == "rgba(33,102,172,0.880)" and orange == "rgba(217,95,2,0.880)" and none == missing == "rgba(217,95,2,0.080)"
    assert pale_blue == "rgba(33,102,172,0.480)" and pale_orange == "rgba(217,95,2,0.480)"
    grid = np.stack([5 * (np.arange(400) % 20) + 1.3, 5 * (np.arange(400) // 20) + 1.7], 1)
    np.testing.assert_array_equal(found["inside"], Outline(ZIGZAG).contains_points(grid))
