"""The README's picture: three families trained on two_moons, drawn by the same code as the report of `jaxgen compare`.

`python benchmarks/readme_picture.py [--quick] [--out FILE.png]`; not a benchmark, it writes no rows.
"""

import argparse
import io
from pathlib import Path

MODELS = ("nsf", "cfm", "gan")
OUT = Path(__file__).resolve().parents[1] / "notebooks" / "picture.png"
NUM_PARAMS, GRID, DPI, MARGIN = 25_000, 96, 130, 1.05


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="100 training steps of each model")
    parser.add_argument("--out", type=Path, default=OUT, metavar="FILE.png")
    args = parser.parse_args()
    from PIL import Image

    from jaxgen.cli.main import set_up_jax

    set_up_jax()
    rows = [Image.open(io.BytesIO(row_png(name, 100 if args.quick else None))) for name in MODELS]
    page = Image.new("RGBA", (max(r.width for r in rows), sum(r.height for r in rows)), (0, 0, 0, 0))
    top = 0
    for image in rows:
        page.paste(image, (0, top))
        top += image.height
    # A palette of 256 colours with transparency is a third of the bytes and looks the same at this size.
    page.quantize(256, method=Image.Quantize.FASTOCTREE).save(args.out, optimize=True)
    print(f"{args.out}: {page.width} x {page.height}, {args.out.stat().st_size / 1000:.0f} kB")


def row_png(name: str, num_steps: int | None) -> bytes:
    """One model from training to its row, its name in a margin on the left."""
    import jax
    from matplotlib.transforms import Bbox

    import jaxgen
    from jaxgen import viz

    data = jaxgen.data.load("two_moons")
    entry = jaxgen.zoo.build(name, data.event_shape, num_params=NUM_PARAMS)
    fitted = jaxgen.fit(jax.random.key(0), entry, data.train, num_steps or entry.card.num_steps)
    figure = viz.show(entry, fitted, data.test, key=jax.random.key(1), size=GRID)
    width, height = figure.get_size_inches()
    style = entry.card.style
    figure.text(-MARGIN / width + 0.004, 0.56, name, color=style.accent, fontsize=11, weight="bold")
    figure.text(-MARGIN / width + 0.004, 0.46, entry.card.family, color=style.accent, fontsize=6.5)
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=DPI, bbox_inches=Bbox.from_extents(-MARGIN, 0, width, height), metadata={"Software": None})
    return buffer.getvalue()


if __name__ == "__main__":
    main()
