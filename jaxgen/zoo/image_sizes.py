"""How large a model of images is by default: by the picture and by the device that trains it.

A form of images is registered with its published sizes. On an accelerator these are the defaults. On a CPU a default is a share of them,
which grows with the number of pixels where a network's cost does not, so that a training ends in minutes with pictures worth looking at.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

import jax

from jaxgen.types import Shape
from jaxgen.zoo.networks import WIDTHS


class Size(NamedTuple):
    """Say which part of its published sizes a model of images has.

    Attributes:
        width: The share of each width, rounded up to a multiple of 8.
        depth: The share of each number of layers, rounded up.
        places: The most places along a side on which a network in time works; larger pictures are folded into so many.
        units: A perceptron on pixels has this many units times the root of the number of values in an event, at most the published ones.
        transformer: Whether a network in time is a transformer on patches in place of a U-Net.
        num_steps: The most training steps.
        batch_size: The number of events in a training step.
    """

    width: float = 1.0
    depth: float = 1.0
    places: float = math.inf
    units: float = math.inf
    transformer: bool = False
    num_steps: float = math.inf
    batch_size: int = 256


PUBLISHED = Size()

# A CPU computes a transformer's large products several times as fast as convolutions of the same number of operations, and compiles its
# equal layers once: a step of a U-Net on 8 x 8 pixels takes four times as long as that of a transformer of as many parameters.
SIZES: Mapping[str, Size] = {
    "small": Size(0.5, 0.5, 16, 16, True, 5_000, 64),
    "base": Size(0.75, 1.0, 32, 32, True, 10_000, 128),
    "published": PUBLISHED,
}
"""The sizes by name, from the smallest to the largest."""

LARGEST_LAYER = 8_000_000
"""A perceptron whose last layer has more weights gives way to convolutions: 256 levels of 784 pixels would have a hundred million."""

_WIDTHS = ("width", "state_dim", "prior_width")
_DEPTHS = ("depth", "num_layers")


def default_size() -> str:
    """Return "small" if JAX runs on a CPU, and "published" on any accelerator."""
    return "small" if jax.default_backend() == "cpu" else "published"


def find_size(where: str, size: str | None) -> Size:
    """Return a size by its name.

    Args:
        where: The name of the calling function, for the message.
        size: One of `SIZES`; None takes the device's default.

    Raises:
        ValueError: There is no such size.
    """
    name = default_size() if size is None else size
    if name not in SIZES:
        raise ValueError(f"{where}: size={size!r}; accepted: {', '.join(SIZES)}, or None for {default_size()!r} on this device.")
    return SIZES[name]


def sized(size: Size, event: Shape, published: Mapping[str, object], given: Mapping[str, object]) -> dict[str, int | str]:
    """Return the options of an image entry that a size changes, each no larger than it is published.

    Args:
        size: The size.
        event: The shape of an image (height, width, channels).
        published: All options of the entry as they are published.
        given: The options that the caller gave, on which the others may depend.

    Returns:
        New values of some of the options.

    >>> unet = {"width": 64, "depth": 2, "stem": 1, "network": "unet"}
    >>> sorted(sized(SIZES["small"], (8, 8, 1), unet, {}).items())
    [('depth', 1), ('network', 'dit'), ('width', 32)]
    >>> sized(SIZES["small"], (64, 64, 3), unet, {"depth": 3})["stem"]
    4
    """
    if size == PUBLISHED:
        return {}
    options = {**published, **given}
    network = str(options.get("network"))
    if network == "unet" and size.transformer and "network" not in given:
        network = "dit"
    if network == "mlp" and _last_layer(size, event, options) > LARGEST_LAYER and "network" not in given:
        network = "convolution"
    small: dict[str, int | str] = {"network": network} if "network" in options else {}
    small |= {name: _wide(size.width * n) for name in _WIDTHS if isinstance(n := options.get(name), int)}
    small |= {name: math.ceil(size.depth * n) for name in _DEPTHS if isinstance(n := options.get(name), int)}
    if "width" in options and options["width"] is None:
        small["width"] = _units(size, event, network)
    if "stem" in options:
        small["stem"] = 2 ** max(0, math.ceil(math.log2(max(event[:2]) / size.places)))
    return {name: value for name, value in small.items() if value != options[name] and not _larger(value, options[name], name)}


def _wide(width: float) -> int:
    return 8 * math.ceil(width / 8)


def _units(size: Size, event: Shape, network: str) -> int:
    """Return the width of an autoencoder's network, whose default goes by its kind; 0 for an unknown kind, which its entry refuses."""
    published = WIDTHS.get(network, 0)
    return min(published, _wide(size.units * math.sqrt(math.prod(event)) if network == "mlp" else size.width * published))


def _last_layer(size: Size, event: Shape, options: Mapping[str, object]) -> int:
    """Return how many weights the last layer of a perceptron has that gives the logits of all levels of all pixels."""
    levels, width = options.get("levels"), options.get("width")
    outputs = math.prod(event) * (levels - 1 if isinstance(levels, int) else 1)
    return outputs * (width if isinstance(width, int) else _units(size, event, "mlp"))


def _larger(value: object, published: object, name: str) -> bool:
    """Return whether a size would be larger than the published one; a stem divides the work, so it may be."""
    return name != "stem" and isinstance(value, int) and isinstance(published, int) and value > published
