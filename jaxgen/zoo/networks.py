"""How the zoo makes networks: one object says what events and conditions are and how large networks become, for vectors and for images."""

import math
from dataclasses import dataclass

from jaxgen.nets import (
    Net,
    code_transformer,
    conv_decoder,
    conv_encoder,
    dit,
    image_critic,
    image_generator,
    made,
    mlp,
    on_codes,
    raveled,
    time_mlp,
    times_mlp,
    unet,
)
from jaxgen.types import Shape

IMAGE = 3
"""The rank of an image, (height, width, channels)."""
WIDTHS = {"mlp": 500, "convolution": 32}
"""The networks of an autoencoder of images by name, and the width that each has unless it is given."""


@dataclass(frozen=True)
class Nets:
    """The networks of one entry: what they read and write, and the options that every entry shares.

    Attributes:
        event: The shape of an event, `(d,)` for a vector or `(height, width, channels)` for an image.
        cond_dim: The size of a condition `(cond_dim,)`; None without conditions.
        width: Units, or channels at full size, of a hidden layer. None stands for the default of an image autoencoder's network.
        depth: Hidden layers of a perceptron, or residual blocks at each resolution of an image.
        network: The name of an image's network: "unet" or "dit" in time, "mlp" or "convolution" in an autoencoder; of a sequence's:
            "transformer" or "mlp".
        dtype: The dtype in which an image's network computes, for example "bfloat16"; None is that of its params.
        remat: Whether layers are computed again in the backward pass, which saves memory.
        levels: How many whole numbers a discrete pixel, or a site of a sequence, has.
        stem: The side of the squares of pixels that a network in time takes as one place, which divides its work by the square.
    """

    event: Shape
    cond_dim: int | None = None
    width: int | None = 64
    depth: int = 2
    network: str = "unet"
    dtype: str | None = None
    remat: bool = False
    levels: int = 2
    stem: int = 1

    @property
    def size(self) -> int:
        """Return how many numbers an event has."""
        return math.prod(self.event)

    @property
    def is_image(self) -> bool:
        """Return whether events are images."""
        return len(self.event) == IMAGE

    @property
    def picture(self) -> tuple[int, int, int]:
        """Return the shape of an event that is an image."""
        height, width, channels = self.event
        return height, width, channels

    @property
    def units(self) -> int:
        """Return the width as a number."""
        return WIDTHS[self.network] if self.width is None else self.width

    def mlp(self, outputs: int, activation: str = "silu", zero_last: bool = False) -> Net:
        """Return a perceptron in `(x, cond)`.

        Args:
            outputs: The number of outputs.
            activation: The name of the activation function.
            zero_last: Whether it starts as the zero function.
        """
        return mlp(outputs, width=self.units, depth=self.depth, activation=activation, zero_last=zero_last)

    def made(self, outputs_per_input: int) -> Net:
        """Return a masked network whose row i reads the coordinates before i."""
        return made(outputs_per_input, width=self.units, depth=self.depth)

    def of_event(self, num_times: int, factor: int = 1) -> Net:
        """Return a network from an event to as many numbers as the event has, or a multiple of them.

        Args:
            num_times: How many times it reads beside the event: 0, 1 or 2.
            factor: How many numbers it returns for each number of the event.

        Raises:
            ValueError: `network` is no network of images.
        """
        outputs = factor * self.event[-1]
        if not self.is_image:
            return (mlp, time_mlp, times_mlp)[num_times](outputs, width=self.units, depth=self.depth)
        if self.network == "unet":
            sizes = {"width": self.units, "depth": self.depth, "stem": self.stem}
            return unet(outputs, num_times=num_times, **sizes, dtype=self.dtype, remat=self.remat)
        if self.network != "dit":
            raise ValueError(f"zoo.build: network={self.network!r}; accepted: unet, dit.")
        # A transformer of three times the width and depth has about the U-Net's cost; its width is a multiple of its heads and of four.
        width, depth = 12 * -(-self.units // 4), 3 * self.depth
        sizes = {"width": width, "depth": depth, "num_heads": 3, "patch": 2 * self.stem}
        return dit(outputs, num_times=num_times, **sizes, dtype=self.dtype, remat=self.remat)

    def of_codes(self, num_codes: int, num_times: int) -> Net:
        """Return a network from an event of codes to `levels` logits of each site.

        Args:
            num_codes: How many codes it reads: `levels`, or one more with a mask.
            num_times: How many times it reads beside the event.

        Raises:
            ValueError: `network` is no network of sequences, or of images.
        """
        if self.is_image or self.network == "mlp":
            return on_codes(self.of_event(num_times, self.levels), num_codes, self.levels)
        if self.network != "transformer":
            raise ValueError(f"zoo.build: network={self.network!r}; accepted: transformer, mlp.")
        # Four heads, whose widths are even for the rotations.
        sizes = {"width": 8 * -(-self.units // 8), "depth": self.depth, "num_heads": 4}
        return code_transformer(num_codes, self.levels, num_times=num_times, **sizes, dtype=self.dtype, remat=self.remat)

    def generator(self) -> Net:
        """Return a network from a vector of noise to an event."""
        if self.is_image:
            return image_generator(self.picture, width=self.units, depth=self.depth, dtype=self.dtype)
        return self.mlp(self.size)

    def critic(self) -> Net:
        """Return a network from an event to one number."""
        if self.is_image:
            return image_critic(width=self.units, depth=self.depth, dtype=self.dtype)
        return self.mlp(1, activation="leaky_relu")

    def coders(self, code: int, factor: int) -> tuple[Net, Net]:
        """Return a decoder and an encoder.

        For images "mlp" reads the pixels as one row, which a CPU can afford, and "convolution" knows neighbours.

        Args:
            code: How many numbers the encoder returns.
            factor: How many numbers the decoder returns for each number of an event.

        Raises:
            ValueError: `network` is no network of an image autoencoder.
        """
        if not self.is_image:
            return self.mlp(factor * self.size), self.mlp(code)
        if self.network not in WIDTHS:
            raise ValueError(f"zoo.build: network={self.network!r}; accepted: {', '.join(WIDTHS)}.")
        outputs = (*self.event[:2], factor * self.event[2])
        if self.network == "convolution":
            return conv_decoder(outputs, width=self.units, depth=self.depth), conv_encoder(code, width=self.units, depth=self.depth)
        return raveled(self.mlp(math.prod(outputs)), outputs), raveled(self.mlp(code))
