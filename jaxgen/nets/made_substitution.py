"""Forward substitution through MADE: sampling an autoregressive model evaluates each unit once, and not the network d times."""

import itertools
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen.nets.net import Solve
from jaxgen.types import Cond

Activation: TypeAlias = Callable[[jax.Array], jax.Array]

# Coordinates unrolled in one step of the scan. On 2 busy cores (D16, 5 layers of 2 x 64 units) 4 was as fast as 8 and compiled in two
# thirds of its time, in single runs of a prototype; `benchmarks/flows.py --only "maf D16"` would decide it.
BLOCK = 4


def substitute(
    layers: Sequence[tuple[jax.Array, jax.Array]],
    activation: Activation,
    degrees: np.ndarray,
    f: Solve,
    z: jax.Array,
    cond: Cond = None,
    direct: jax.Array | None = None,
) -> tuple[jax.Array, jax.Array]:
    """Return `(x (d,), aux (d,))` with `x[i], aux[i] = f(network(x, cond)[i], z[i])`, in order of i.

    No kernel needs its mask, because the units that a mask hides are not computed yet.

    Args:
        layers: Kernels `(in, out)` and biases `(out,)`, the first from `d` inputs and the condition, the last to `d` rows of outputs.
        activation: The activation of the hidden layers.
        degrees: `(width,)` degrees of the units of every hidden layer. A unit of degree m reads inputs and units up to m
            (arXiv 1502.03509), so that before coordinate i the units of degree i alone are new.
        f: `f(theta_i, z_i) -> (x_i, aux_i)`.
        z: Noise `(d,)`.
        cond: A condition, or None.
        direct: A kernel `(d, reach, outputs)` from the `reach` inputs before each coordinate straight to its outputs; None without one.
    """
    d = z.shape[0]
    num = -(-d // BLOCK)
    size = -(-d // num)
    (kernel, bias), *rest = layers
    if cond is not None:
        bias = bias + cond.astype(z.dtype).ravel() @ kernel[d:]
    units = _padded([np.flatnonzero(degrees == i) for i in range(num * size)])
    inputs, outputs = (_padded(np.split(np.arange(d * n), d), num * size) for n in (1, rest[-1][0].shape[1] // d))
    groups = [inputs, *[units] * len(rest), outputs]
    ends = itertools.pairwise(groups)
    blocks = [_blocks(w, b, rows, cols, num) for (w, b), (rows, cols) in zip([(kernel[:d], bias), *rest], ends, strict=True)]
    reach = 0 if direct is None else direct.shape[1]
    straight = (
        jnp.zeros((num, size, 0, 0))
        if direct is None
        else jnp.pad(direct, ((0, num * size - d), (0, 0), (0, 0))).reshape(num, size, reach, -1)
    )
    # A last block that is not full ends in copies of the last coordinate, whose results are dropped.
    z_blocks = jnp.pad(z, (0, num * size - d), mode="edge").reshape(num, size)

    def step(known: list[jax.Array], xs: Any) -> Any:
        i, block, z_block, kernel = xs
        # The inputs before the block, with zeros before the first.
        before = jax.lax.dynamic_slice(jnp.pad(known[0], (reach, 0)), (i * size,), (reach,))
        new, aux = _block(block, activation, f, known, z_block, (before, kernel) if reach else None)
        known = [jax.lax.dynamic_update_slice(old, v, (i * v.shape[0],)) for old, v in zip(known, new, strict=True)]
        return known, (new[0], aux)

    known = [jnp.zeros(g.size, z.dtype) for g in groups[:-1]]
    solved = jax.lax.scan(step, known, (jnp.arange(num), blocks, z_blocks, straight))[1]
    x, aux = (a.reshape(num * size)[:d] for a in solved)
    return x, aux


def _block(
    block: Sequence[tuple[jax.Array, jax.Array, jax.Array]],
    activation: Activation,
    f: Solve,
    known: Sequence[jax.Array],
    z: jax.Array,
    direct: tuple[jax.Array, jax.Array] | None = None,
) -> tuple[list[jax.Array], jax.Array]:
    """Return the values that a block of coordinates adds to the inputs of each layer, and `aux`.

    `direct` are the inputs before the block and the kernel `(size, reach, outputs)` that takes those before each coordinate to its outputs.
    """
    size = z.shape[0]
    # All that earlier blocks contribute is one product a layer; only the block's own contributions come one coordinate at a time.
    sums = [bias + h @ before for h, (before, _, bias) in zip(known, block, strict=True)]
    new: list[list[jax.Array]] = [[] for _ in block]
    aux: list[jax.Array] = []
    for j in range(size):
        u = z
        for i, (_, among, bias) in enumerate(block):
            here = slice(j * (bias.shape[0] // size), (j + 1) * (bias.shape[0] // size))
            u = sums[i][here]
            if new[i]:
                so_far = jnp.concatenate(new[i])
                u = u + so_far @ among[: so_far.shape[0], here]
            if direct is not None and i + 1 == len(block):
                u = u + jnp.concatenate([direct[0], *new[0]])[j:] @ direct[1][j]
            if i + 1 < len(block):
                new[i + 1].append(activation(u))
        x_j, aux_j = f(u, z[j])
        new[0].append(x_j[None])
        aux.append(aux_j)
    return [jnp.concatenate(v) for v in new], jnp.stack(aux)


def _blocks(kernel: jax.Array, bias: jax.Array, rows: np.ndarray, cols: np.ndarray, num: int) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Cut one layer by blocks of coordinates: its kernel from earlier blocks, its kernel within each block, and its bias."""
    # The index -1 of a missing unit finds the padding, a zero.
    whole = jnp.pad(kernel, ((0, 1), (0, 1)))[rows.reshape(-1, 1), cols.reshape(1, -1)]
    by_block = jnp.moveaxis(whole.reshape(num, rows.size // num, num, cols.size // num), 2, 0)
    earlier = np.tri(num, k=-1, dtype=bool)[:, :, None, None]
    before = jnp.where(earlier, by_block, 0).reshape(num, rows.size, cols.size // num)
    return before, by_block[np.arange(num), np.arange(num)], jnp.pad(bias, (0, 1))[cols].reshape(num, -1)


def _padded(groups: Sequence[np.ndarray], num: int = 0) -> np.ndarray:
    """Return groups of indices as one array of at least `num` rows, filled up with -1."""
    out = np.full((max(num, len(groups)), max(1, *map(len, groups))), -1)
    for row, group in zip(out, groups, strict=False):
        row[: len(group)] = group
    return out
