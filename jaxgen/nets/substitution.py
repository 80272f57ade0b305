"""Forward substitution through a masked network: sampling an autoregressive model costs one evaluation of each unit, not d of the network."""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

# Coordinates unrolled in one step of the scan. On 2 busy cores (D16, 5 layers of 2 x 64 units) 4 was as fast as 8 and compiled in two thirds
# of its time, in single runs of a prototype; `benchmarks/flows.py --only "maf D16"` would decide it.
BLOCK = 4


def substitute(
    layers: Sequence[tuple[jax.Array, jax.Array]],
    activation: Callable[[jax.Array], jax.Array],
    degrees: np.ndarray,
    f: Callable[[jax.Array, jax.Array], tuple[jax.Array, jax.Array]],
    z: jax.Array,
    cond: jax.Array | None = None,
) -> tuple[jax.Array, jax.Array]:
    """`(x (d,), aux (d,))` with `x[i], aux[i] = f(network(x, cond)[i], z[i])`, in order of i.

    layers: kernels `(in, out)` and biases `(out,)`, the first from `d` inputs and the condition, the last to `d` rows of outputs.
    degrees: `(width,)`, of the units of every hidden layer: a unit of degree m sees inputs and units up to m (arXiv 1502.03509), so before
    coordinate i the units of degree i alone are new. No kernel needs its mask: what a mask hides is not there yet.
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
    # A last block that is not full ends in copies of the last coordinate, whose results are dropped.
    z_blocks = jnp.pad(z, (0, num * size - d), mode="edge").reshape(num, size)

    def step(known: Any, xs: Any) -> Any:
        i, block, z_block = xs
        new, aux = _block(block, activation, f, known, z_block)
        known = [jax.lax.dynamic_update_slice(old, v, (i * v.shape[0],)) for old, v in zip(known, new, strict=True)]
        return known, (new[0], aux)

    known = [jnp.zeros(g.size, z.dtype) for g in groups[:-1]]
    found = jax.lax.scan(step, known, (jnp.arange(num), blocks, z_blocks))[1]
    x, aux = (a.reshape(num * size)[:d] for a in found)
    return x, aux


def _block(
    block: Sequence[tuple[jax.Array, jax.Array, jax.Array]], activation: Any, f: Any, known: Sequence[jax.Array], z: jax.Array
) -> tuple[list[jax.Array], jax.Array]:
    """The values that a block of coordinates adds to the inputs of each layer, and `aux`."""
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
                seen = jnp.concatenate(new[i])
                u = u + seen @ among[: seen.shape[0], here]
            if i + 1 < len(block):
                new[i + 1].append(activation(u))
        x_j, aux_j = f(u, z[j])
        new[0].append(x_j[None])
        aux.append(aux_j)
    return [jnp.concatenate(v) for v in new], jnp.stack(aux)


def _blocks(kernel: jax.Array, bias: jax.Array, rows: np.ndarray, cols: np.ndarray, num: int) -> tuple[jax.Array, jax.Array, jax.Array]:
    """One layer by blocks of coordinates: from all inputs `(num, rows, cols of a block)`, among the block's own, and the bias."""
    # The index -1 of a missing unit finds the padding, a zero.
    whole = jnp.pad(kernel, ((0, 1), (0, 1)))[rows.reshape(-1, 1), cols.reshape(1, -1)]
    by_block = jnp.moveaxis(whole.reshape(num, rows.size // num, num, cols.size // num), 2, 0)
    earlier = np.tri(num, k=-1, dtype=bool)[:, :, None, None]
    before = jnp.where(earlier, by_block, 0).reshape(num, rows.size, cols.size // num)
    return before, by_block[np.arange(num), np.arange(num)], jnp.pad(bias, (0, 1))[cols].reshape(num, -1)


def _padded(groups: Sequence[np.ndarray], num: int = 0) -> np.ndarray:
    """Groups of indices as one array, `num` rows at least; -1 where there is none."""
    out = np.full((max(num, len(groups)), max(1, *map(len, groups))), -1)
    for row, group in zip(out, groups, strict=False):
        row[: len(group)] = group
    return out
