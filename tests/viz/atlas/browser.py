"""A page in headless Chromium: a script acts on it as a reader would, and what it returns comes back as JSON."""

import html
import json
import re
import shutil
import subprocess
import urllib.parse
from collections.abc import Sequence
from pathlib import Path

import pytest


def _starts(path: str) -> bool:
    # Some systems have a script of this name that only tells how to install the browser.
    try:
        return b"Chrom" in subprocess.run([path, "--version"], capture_output=True, timeout=60, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return False


_NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next((path for name in _NAMES if (path := shutil.which(name)) and _starts(path)), None)
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no chromium: apt-get install chromium")

# The page stands unchanged in a frame of the wanted width, because a window of headless Chromium is never narrower than 500 pixels. Without a
# screen there are hardly any frames to draw, so a timer calls what waits for the next one.
_HARNESS = """<!DOCTYPE html><meta charset="utf-8"><body style="margin:0"><pre id="result"></pre>
<iframe id="frame" style="border:0;width:{width}px;height:{height}px"></iframe>
<script type="text/plain" id="page">{page}</script>
<script>
const frame = document.getElementById("frame"), told = value => document.getElementById("result").textContent = JSON.stringify(value);
addEventListener("load", async () => {{
  frame.contentWindow.requestAnimationFrame = call => setTimeout(() => call(performance.now()), 16);
  frame.contentDocument.open();
  frame.contentDocument.write(decodeURIComponent(document.getElementById("page").textContent));
  frame.contentDocument.close();
  const page = frame.contentDocument, view = frame.contentWindow, byId = id => page.getElementById(id);
  const drawn = () => new Promise(done => view.requestAnimationFrame(() => view.requestAnimationFrame(() => setTimeout(done, 20))));
  const pixels = canvas => canvas.toDataURL();
  const canvases = plane => [...page.querySelectorAll(`canvas[data-plane="${{plane}}"]`)];
  const pointer = (canvas, type, [x, y]) => {{
    const box = canvas.getBoundingClientRect(), at = {{ clientX: box.left + canvas.clientLeft + x, clientY: box.top + canvas.clientTop + y }};
    canvas.dispatchEvent(new view.PointerEvent(type, {{ ...at, button: 0, pointerId: 1, bubbles: true }}));
  }};
  const lasso = (canvas, path) => {{
    pointer(canvas, "pointerdown", path[0]);
    path.forEach(point => pointer(canvas, "pointermove", point));
    pointer(canvas, "pointerup", path.at(-1));
  }};
  const press = (target, key, more) => target.dispatchEvent(new view.KeyboardEvent("keydown", {{ key, bubbles: true, ...more }}));
  const slide = async value => {{ byId("atlas-time").value = value; byId("atlas-time").dispatchEvent(new view.Event("input")); await drawn(); }};
  const tick = async (box, on = true) => {{ if (box.checked !== on) box.click(); await drawn(); }};
  try {{ await drawn(); {script} }} catch (error) {{ told({{ error: String(error.stack ?? error) }}); }}
}});
</script>"""


def act(page: Path, script: str, *, width: int = 1280, height: int = 900, dark: bool = False, more: Sequence[str] = ()):
    """Return what `script` passes to `told`, after it has acted on the page in a frame of this size."""
    assert CHROMIUM is not None
    harness = page.with_name("harness.html")
    text = urllib.parse.quote(page.read_text(encoding="utf-8"))
    harness.write_text(_HARNESS.format(width=width, height=height, page=text, script=script), encoding="utf-8")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--virtual-time-budget=20000"]
    flags += [f"--user-data-dir={page.parent / 'profile'}", f"--window-size={max(width, 500)},{height + 100}"]
    flags += ["--blink-settings=preferredColorScheme=0"] if dark else []
    ended = subprocess.run(
        [CHROMIUM, *flags, *more, "--dump-dom", harness.as_uri()],
        capture_output=True, timeout=120, check=False,
    )  # fmt: skip
    found = re.search(r'<pre id="result">(.*?)</pre>', ended.stdout.decode(), re.DOTALL)
    assert found and found.group(1), f"{ended.stdout[:300]!r} {ended.stderr[-1500:].decode()}"
    result = json.loads(html.unescape(found.group(1)))
    assert "error" not in result, result["error"]
    return result
