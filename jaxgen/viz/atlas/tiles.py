"""What one panel of the atlas shows of a model of images: samples at every stage, a plane of noise, lines between noise, the order of pixels."""

from typing import Any, NamedTuple

import numpy as np

from jaxgen.viz.atlas.encode import bytes_of
from jaxgen.viz.atlas.panel import Label


class Tiles(NamedTuple):
    """Hold what a panel shows of images. Values lie in [0, 1]; channels are one or three.

    Attributes:
        label: What the panel is called.
        stages: The k samples at the noise and after each of S stages, `(S + 1, k, height, width, channels)`.
        lines: Rows of images between two draws of noise each, `(rows, columns, height, width, channels)`.
        plane: Images over a plane of noise, `(rows, columns, height, width, channels)`.
        order: When each pixel takes its value, in [0, 1], `(height, width)`, for a model that sets one pixel after another; None otherwise.
        stage: The label of a stage, in which `{step}` and `{time}` are filled in.
        steps: Which of the model's stages are shown, counted from 1.
        line: Whether the model has no states on the way, so that there is nothing between noise and output.
    """

    label: Label
    stages: np.ndarray
    lines: np.ndarray
    plane: np.ndarray
    order: np.ndarray | None = None
    stage: str = "after layer {step}"
    steps: tuple[int, ...] = ()
    line: bool = False

    def thinned(self, most: int) -> "Tiles":
        """Return the panel with at most `most` stages, evenly chosen; the noise and the output stay."""
        keep = np.unique(np.linspace(0, len(self.stages) - 1, min(len(self.stages), most + 1)).round().astype(int))
        return self._replace(stages=self.stages[keep], steps=tuple(self.steps[i - 1] for i in keep[1:] if i <= len(self.steps)))

    def as_json(self) -> dict[str, Any]:
        """Return the panel as JSON holds it, every array as text."""
        return {
            "type": "images",
            "label": self.label._asdict() | {"facts": dict(self.label.facts)},
            "stage": self.stage,
            "steps": list(self.steps),
            "line": self.line,
            "stages": _images(self.stages),
            "lines": _images(self.lines),
            "plane": _images(self.plane),
            "order": None if self.order is None else _images(self.order[None, None, ..., None]),
        }


def _images(values: np.ndarray) -> dict[str, Any]:
    return {"shape": list(values.shape), "values": bytes_of(values)}
