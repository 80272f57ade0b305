"""How times and a condition enter a network on images or sequences: as one embedding, which the blocks of the network read."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.nets.image_blocks import image_shape
from jaxgen.nets.mlp import silu, time_features
from jaxgen.nets.net import Net, from_linen

IMAGE = 3
"""The rank of an image."""


class _Conditioned(nn.Module):
    body: nn.Module
    where: str
    width: int
    num_times: int
    num_frequencies: int
    rank: int

    @nn.compact
    def __call__(self, x: jax.Array, *inputs: jax.Array) -> jax.Array:
        if self.rank == IMAGE:
            image_shape(self.where, x)
        elif x.ndim != self.rank:
            raise ValueError(f"{self.where}: event of shape {x.shape}; accepted: a vector (n,).")
        times, cond = inputs[: self.num_times], (*inputs[self.num_times :], None)[0]
        embedding = jnp.zeros(self.width, x.dtype)
        if times:
            t, *later = (time.astype(x.dtype) for time in times)
            # The step left to go beside the time, as in `times_mlp`.
            features = [time_features(a, self.num_frequencies) for a in (t, *(s - t for s in later))]
            embedding = nn.Dense(self.width)(silu(nn.Dense(self.width)(jnp.concatenate(features))))
        if cond is not None:
            # Without a bias the condition 0 and no condition are the same, which guidance needs.
            embedding = embedding + nn.Dense(self.width, use_bias=False)(cond.astype(x.dtype).ravel())
        return self.body(x, silu(embedding)).astype(x.dtype)


def conditioned(where: str, body: nn.Module, width: int, num_times: int, num_frequencies: int = 4, rank: int = IMAGE) -> Net:
    """Make `body(x, embedding)` a network in `(x, *times, cond=None)`.

    Args:
        where: The function that errors name.
        body: A module of an event and an embedding `(width,)`.
        width: The size of the embedding.
        num_times: 0, 1 (the input t in [0, 1]) or 2 (the inputs t and s, which enter as t and s - t).
        num_frequencies: Fourier pairs of each time.
        rank: The rank of an event: 3 for images `(H, W, C)`, 1 for vectors.

    Raises:
        ValueError: `num_frequencies` is negative; at evaluation, the event has another rank.
    """
    checks.count(f"{where}: num_frequencies", num_frequencies, 0)
    return from_linen(_Conditioned(body, where, width, num_times, num_frequencies, rank))
