"""The autoregressive transform of a table's row: numbers and categories side by side, each given the columns before it."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen.nets import Net
from jaxgen.transform import Density, Preimage, Transform
from jaxgen.transforms.scalars.categorical import categorical
from jaxgen.transforms.scalars.scalar import Scalar


def autoregressive_columns(
    categories: Sequence[int], continuous: Scalar, net: Callable[[int, Sequence[int]], Net], noise: str = "logistic"
) -> Transform:
    """Rows `(d,)` whose column j holds codes 0.0 ... K - 1 of `categories[j]` = K >= 2 categories, or numbers where `categories[j]` is 0.

    A category is read off the cell that its noise falls into (`categorical`), a number is `continuous` of its noise; both share one base,
    `noise` "logistic" or "uniform". The density is exact: of the categories a probability, of the numbers a density. -inf for a code
    that does not exist. `net(num_outputs, features)` gives a masked network such as `nets.column_made`, which sees categories one-hot.
    `inverse` is one network evaluation, `forward` d of them. params: the network's.
    """
    categories = tuple(categories)
    _check_categories(categories)
    kinds = sorted(set(categories))
    scalars = [continuous if k == 0 else categorical(k, noise) for k in kinds]
    network = net(max(s.num_params for s in scalars), tuple(max(1, k) for k in categories))
    kind_of = np.array([kinds.index(k) for k in categories])

    def forward_steps(params: Any, z: jax.Array, cond: Any) -> tuple[jax.Array, jax.Array, jax.Array]:
        _check_event(z, categories)
        branches = [lambda theta, z_i, s=s: s.forward(theta[: s.num_params], z_i) for s in scalars]

        def step(carry: Any, i: jax.Array) -> Any:
            x, log_det = carry
            theta = jax.lax.dynamic_index_in_dim(network.apply(params, _one_hot(x, categories), cond), i, keepdims=False)
            z_i = jax.lax.dynamic_index_in_dim(x, i, keepdims=False)
            x_i, log_det_i = jax.lax.switch(jnp.asarray(kind_of, jnp.int32)[i], branches, theta, z_i)
            x = jax.lax.dynamic_update_index_in_dim(x, x_i, i, 0)
            return (x, log_det + log_det_i), x

        # Columns from i on still hold the noise: the masks keep theta_i from seeing them.
        (x, log_det), seen = jax.lax.scan(step, (z, jnp.zeros((), z.dtype)), jnp.arange(z.shape[0], dtype=jnp.int32))
        return x, log_det, seen

    def inverse(params: Any, x: jax.Array, cond: Any = None, key: Any = None) -> Preimage:
        _check_event(x, categories)
        theta = network.apply(params, _one_hot(x, categories), cond)
        z, log_det = jnp.zeros_like(x), jnp.zeros((), x.dtype)
        for kind, s in enumerate(scalars):
            columns = np.flatnonzero(kind_of == kind)
            z_of, log_det_of = jax.vmap(s.inverse)(theta[columns, : s.num_params], x[columns])
            z, log_det = z.at[columns].set(z_of), log_det + jnp.sum(log_det_of)
        return Preimage(z, log_det)

    return Transform(
        lambda key, z, cond=None: network.init(key, _one_hot(z, categories), cond),
        lambda params, z, cond=None: forward_steps(params, z, cond)[0],
        inverse,
        lambda params, z, cond=None: forward_steps(params, z, cond)[:2],
        Density.EXACT,
        {"stages": lambda params, z, cond=None: forward_steps(params, z, cond)[2], "nfe": lambda params, z, cond=None: z.shape[0]},
    )


def _one_hot(x: jax.Array, categories: Sequence[int]) -> jax.Array:
    """What the network sees of a row: numbers as they are, categories one-hot."""
    found = [x[j : j + 1] if k == 0 else (x[j] == jnp.arange(k, dtype=x.dtype)).astype(x.dtype) for j, k in enumerate(categories)]
    return jnp.concatenate(found)


def _check_categories(categories: Sequence[int]) -> None:
    for j, k in enumerate(categories):
        if not isinstance(k, int) or k < 0 or k == 1:
            raise ValueError(f"categories[{j}]={k!r}; accepted: 0 for a number, or at least 2 categories.")


def _check_event(x: jax.Array, categories: Sequence[int]) -> None:
    if x.shape != (len(categories),):
        raise ValueError(f"event of shape {x.shape}; accepted: ({len(categories)},), a number for each of categories={tuple(categories)}.")
