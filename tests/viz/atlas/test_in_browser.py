"""The slider, the lasso, the toggles, the keyboard and the layout of the atlas change what they should, in a browser."""

import numpy as np
import pytest

from jaxgen.viz.atlas import write_atlas
from tests.viz.atlas.browser import act, needs_chromium
from tests.viz.atlas.conftest import NUM, ROWS

pytestmark = [needs_chromium, pytest.mark.xdist_group("browser")]
EVIL = '</script><script>document.title="owned"</script>'


@pytest.fixture
def page(tmp_path, uniforms, make_panel, make_tiles):
    def write(*panels):
        path = tmp_path / "atlas.html"
        if not panels:
            two = make_panel("two", angle=-2.0, kind="implicit", density=None, found="the nearest")
            panels = make_panel("one"), two._replace(samples=two.samples._replace(log_density=None)), make_tiles()
        write_atlas(path, "atlas", panels, uniforms)
        return path

    return write


def test_slider_and_play_move_every_model_and_leave_the_noise(page):
    seen = act(page(), """
        const state = () => ({ moving: canvases("moving").map(pixels), noise: canvases("noise").map(pixels),
          where: [...page.querySelectorAll(".now")].map(p => p.textContent), told: byId("atlas-time").getAttribute("aria-valuetext") });
        await slide(1000); const end = state();
        await slide(500); const middle = state();
        await slide(0); const start = state();
        byId("atlas-play").click();
        await drawn(); const pressed = byId("atlas-play").getAttribute("aria-pressed");
        for (let i = 0; i < 600 && byId("atlas-time").value < 1000; i++) await drawn();
        told({ end, middle, start, pressed, played: byId("atlas-time").value, after: byId("atlas-play").getAttribute("aria-pressed") });
    """)  # fmt: skip
    for a, b in (("start", "middle"), ("middle", "end")):
        assert all(x != y for x, y in zip(seen[a]["moving"], seen[b]["moving"], strict=True))
        assert seen[a]["noise"] == seen[b]["noise"]
    assert seen["start"]["where"] == ["noise"] * 3
    assert seen["middle"]["where"] == ["after layer 2", "after layer 2", "t = 0.50"]
    assert (seen["start"]["told"], seen["middle"]["told"], seen["end"]["told"]) == ("noise", "50 % of the way", "data")
    assert (seen["pressed"], seen["played"], seen["after"]) == ("true", "1000", "false")


def test_a_lasso_of_noise_marks_the_same_noise_everywhere(page, make_panel):
    panel = make_panel("one")
    stored = panel.as_json()["windows"][0]
    seen = act(page(), """
        await slide(700);
        const allLabels = () => [...page.querySelectorAll("canvas")].map(c => c.getAttribute("aria-label"));
        const canvas = canvases("noise")[0], side = canvas.clientWidth, before = canvases("moving").map(pixels);
        lasso(canvas, [[0, 0], [side / 2, 0], [side / 2, side], [0, side]]);
        await drawn();
        const marked = { status: byId("atlas-status").textContent, labels: allLabels() };
        const after = canvases("moving").map(pixels);
        pointer(canvas, "pointerdown", [5, 5]); pointer(canvas, "pointerup", [5, 5]);
        await drawn();
        told({ ...marked, changed: after.map((p, i) => p !== before[i]), restored: canvases("moving").map((c, i) => pixels(c) === before[i]),
          cleared: byId("atlas-status").textContent });
    """)  # fmt: skip
    noise = panel.samples.places[0]
    num = int(np.sum((noise[:, 0] < stored[0]) & (np.abs(noise - stored[:2]) < stored[2]).all(1)))
    # A point whose place is rounded to the other side of the edge may be one more or less.
    assert abs(int(seen["status"].split()[0]) - num) <= 1 and "in 2 panels" in seen["status"]
    count = seen["status"].split()[0]
    assert sum(f"{count} points marked" in label for label in seen["labels"]) == 4
    assert seen["changed"] == [True, True, False] and seen["restored"] == [True, True, True]
    assert seen["cleared"].startswith("Draw around")


def test_marked_data_show_where_each_model_keeps_them(page, make_panel):
    other = make_panel("other", found="the nearest", data="other rows")
    seen = act(page(make_panel("one"), make_panel("two", angle=-1.5, found="the nearest"), other), """
        await slide(1000);
        page.querySelector('input[value="rows"]').click();
        await drawn();
        const before = canvases("noise").map(pixels), canvas = canvases("moving")[0], side = canvas.clientWidth;
        lasso(canvas, [[side / 2, 0], [side, 0], [side, side], [side / 2, side]]);
        await drawn();
        told({ status: byId("atlas-status").textContent, where: [...page.querySelectorAll(".of-noise")].map(p => p.textContent),
          changed: canvases("noise").map((c, i) => pixels(c) !== before[i]) });
    """)  # fmt: skip
    assert f"of {ROWS} rows of the data are marked in 2 panels" in seen["status"]
    assert 0.3 * ROWS < int(seen["status"].split()[0]) < 0.7 * ROWS
    assert seen["where"] == ["noise: its inverse", "noise: the nearest", "noise: the nearest"]
    # Rows of other data are not the same rows.
    assert seen["changed"] == [True, True, False]


def test_each_toggle_changes_what_it_should_and_back(page):
    seen = act(page(), """
        await slide(600);
        const changed = {};
        for (const box of page.querySelectorAll("input[data-show]")) {
          if (box.dataset.show === "noise") continue;
          const was = box.checked, before = [...canvases("noise"), ...canvases("moving")].map(pixels);
          await tick(box, !was);
          const now = [...canvases("noise"), ...canvases("moving")].map(pixels);
          await tick(box, was);
          const again = [...canvases("noise"), ...canvases("moving")].map(pixels);
          changed[box.dataset.show] = [now.map((p, i) => p !== before[i]), again.every((p, i) => p === before[i])];
        }
        const arrows = byId("atlas-arrows");
        for (const kind of ["velocity", "score"]) {
          const before = canvases("moving").map(pixels);
          arrows.value = kind; arrows.dispatchEvent(new view.Event("change")); await drawn();
          changed[kind] = canvases("moving").map((c, i) => pixels(c) !== before[i]);
          arrows.value = ""; arrows.dispatchEvent(new view.Event("change")); await drawn();
        }
        const noise = page.querySelector('input[data-show="noise"]'), there = canvases("noise").map(c => c.clientWidth > 0);
        await tick(noise, false);
        const pictures = byId("atlas-images"), shown = [pixels(canvases("moving")[2])];
        for (const what of ["lines", "plane", "order"]) {
          pictures.value = what; pictures.dispatchEvent(new view.Event("change")); await drawn();
          shown.push(pixels(canvases("moving")[2]));
        }
        pictures.value = "stages"; pictures.dispatchEvent(new view.Event("change")); await drawn();
        const sample = canvases("moving")[2], plain = pixels(sample), outlined = [];
        for (const key of ["ArrowRight", "ArrowRight", "Escape"]) {
          press(sample, key); await drawn(); outlined.push([byId("atlas-status").textContent, pixels(sample) === plain]);
        }
        told({ outlined, changed, there, gone: canvases("noise").map(c => c.clientWidth > 0), shown: new Set(shown).size,
          legend: byId("atlas-legend").hidden });
    """)  # fmt: skip
    # Of both panels of points first the two noise planes, then the moving planes of both and of the images.
    expected = {
        "grid": [True, True, True, True, False],
        "density": [False, False, True, False, False],
        "logdet": [True, True, True, True, False],
        "real": [False, False, True, True, False],
        "dropped": [True, True, True, True, False],
    }
    for name, where in expected.items():
        assert seen["changed"][name] == [where, True], name
    assert seen["changed"]["velocity"] == [True, True, False] and seen["changed"]["score"] == [True, False, False]
    assert seen["there"] == [True, True] and seen["gone"] == [False, False]
    said = ["Sample 1 is outlined in all panels.", "Sample 2 is outlined in all panels.", "No sample is outlined."]
    assert seen["outlined"] == [[said[0], False], [said[1], False], [said[2], True]]
    assert seen["shown"] == 4 and seen["legend"]


def test_hover_and_keyboard_tell_noise_event_and_density(page, make_panel):
    panel = make_panel("one")
    centre = panel.as_json()["windows"][0]
    nearest = int(np.argmin(np.linalg.norm(panel.samples.places[0] - centre[:2], axis=1)))
    seen = act(page(), """
        await slide(1000);
        const [canvas, second] = canvases("noise"), side = canvas.clientWidth, tip = byId("atlas-tip");
        pointer(canvas, "pointermove", [side / 2, side / 2]); await drawn();
        const hovered = [tip.hidden, tip.textContent];
        pointer(canvas, "pointerleave", [0, 0]); await drawn();
        const left = tip.hidden;
        second.focus();
        press(second, "ArrowLeft"); press(second, "ArrowRight"); press(second, "Enter"); await drawn();
        const few = byId("atlas-status").textContent;
        for (let i = 0; i < 6; i++) press(second, "+");
        press(second, "Enter"); await drawn();
        const tipped = tip.textContent, many = page.querySelector("canvas").getAttribute("aria-label");
        const number = () => Number(byId("atlas-status").textContent.split(" ")[0]);
        for (let i = 0; i < 6; i++) press(second, "-");
        press(second, "Enter"); const first = number();
        for (let i = 0; i < 6; i++) press(second, "ArrowRight");
        press(second, "Enter"); const other = number();
        for (let i = 0; i < 6; i++) press(second, "ArrowLeft");
        press(second, "Enter", { shiftKey: true }); const both = number();
        press(second, "Escape"); await drawn();
        told({ hovered, left, few, many, tipped, first, other, both, cleared: byId("atlas-status").textContent });
    """)  # fmt: skip
    z, x = panel.samples.places[0, nearest], panel.samples.places[-1, nearest]
    minus = lambda value: f"{value:.2f}".replace("-", "−")
    hidden, told = seen["hovered"]
    assert not hidden and seen["left"]
    assert told.splitlines() == [
        "one",
        f"z = ({minus(z[0])}, {minus(z[1])})",
        f"x = ({minus(x[0])}, {minus(x[1])})",
        f"log p = {minus(panel.samples.log_density[nearest])} nats (exact)",
    ]
    assert "no log p: implicit" in seen["tipped"]
    # The two circles do not meet: with Shift the second is added to the first.
    assert seen["first"] > 0 and seen["other"] > 0 and seen["both"] == seen["first"] + seen["other"]
    assert seen["cleared"].startswith("Draw around")
    assert 0 < int(seen["few"].split()[0]) < int(seen["many"].split(". ")[-1].split()[0]) <= NUM


def test_panels_stand_side_by_side_on_a_screen_and_below_each_other_on_a_phone(page, make_panel):
    path = page(*(make_panel(f"model {i}") for i in range(10)))
    script = """
        const boxes = [...page.querySelectorAll(".card")].map(card => card.getBoundingClientRect());
        const texts = [...page.querySelectorAll("button, label, h3, p, td, th, span")];
        const small = texts.filter(text => parseFloat(view.getComputedStyle(text).fontSize) < 11);
        told({ left: new Set(boxes.map(b => b.left)).size, bottom: Math.max(...boxes.map(b => b.bottom)), tops: boxes.map(b => b.top),
          across: page.documentElement.scrollWidth, width: view.innerWidth, side: canvases("moving")[0].clientWidth, small: small.length,
          dark: view.getComputedStyle(page.body).backgroundColor });
    """
    screen, phone = act(path, script), act(path, script, width=400, height=800, dark=True)
    assert screen["left"] >= 3 and screen["bottom"] <= 900 and screen["side"] >= 90
    assert phone["left"] == 1 and phone["tops"] == sorted(phone["tops"]) and phone["side"] >= 150
    for seen in (screen, phone):
        assert seen["across"] <= seen["width"] and seen["small"] == 0
    assert screen["dark"] != phone["dark"]


def test_rows_link_to_panels_and_names_stay_text(page, make_panel):
    seen = act(page(make_panel(EVIL), make_panel("plain")), """
        const link = page.querySelector("#results a");
        told({ title: page.title, heading: page.querySelector("h3").textContent, label: page.querySelector("canvas").getAttribute("aria-label"),
          target: page.querySelector(link.getAttribute("href")).querySelector("h3").textContent, scripts: page.scripts.length });
    """)  # fmt: skip
    assert (
        seen["title"] == "atlas" and seen["heading"] == seen["target"] == EVIL and seen["label"].startswith(EVIL) and seen["scripts"] == 3
    )
