"""The atlas: one page on which every model moves the same noise at once, and a region marked in one panel is marked in all.

`panel.py` and `tiles.py` hold what a panel shows as arrays, `of_entry.py` and `of_images.py` compute them of a trained entry, `encode.py` packs
them as text, and `page.py` writes the page. Its scripts and styles are the plain files `../templates/atlas*`: canvas, slider, lasso and links
between panels take about 600 lines, without any library. bokeh was weighed in their place: the scripts of its version 3.9.2 with sliders are
1.65 MB on every page, it selects on one canvas at a time unless scripts are added, and it would be one more dependency.
"""

from jaxgen.viz.atlas.of_entry import points_panel
from jaxgen.viz.atlas.of_images import images_panel
from jaxgen.viz.atlas.page import write_atlas
from jaxgen.viz.atlas.panel import Label, Panel, Way
from jaxgen.viz.atlas.tiles import Tiles

__all__ = ["Label", "Panel", "Tiles", "Way", "images_panel", "points_panel", "write_atlas"]
