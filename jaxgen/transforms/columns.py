"""The autoregressive transform of a table's row: numbers and categories side by side, each given the columns before it."""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen.nets import Net
from jaxgen.roles import decoded
from jaxgen.transform import Hooks, Preimage, Transform, bijection
from jaxgen.transforms.in_order import InOrder, questions_in_order
from jaxgen.transforms.scalars.categorical import categorical
from jaxgen.transforms.scalars.scalar import Scalar
from jaxgen.types import Cond, Event, Key, Noise, Params


def autoregressive_columns(
    categories: Sequence[int],
    continuous: Scalar,
    net: Callable[[int, Sequence[int]], Net],
    noise: str = "logistic",
    gates: Sequence[int] = (),
    roles: bool = False,
) -> Transform:
    """Build an autoregressive transform of rows `(d,)` that hold numbers and categories side by side.

    A category is read off the cell that its noise falls into (`categorical`), a number is `continuous` of its noise, and both share one
    base. `inverse` is one network evaluation, `forward` takes d of them.

    Args:
        categories: For each column the number of its categories, coded 0.0, 1.0, ...; 0 for a column of numbers.
        continuous: The bijection of one number that maps columns of numbers.
        net: `net(num_outputs, features)` returns a masked network such as `nets.column_made`, which reads categories one-hot;
            `features` are the columns' widths in its input.
        noise: The base's distribution, "logistic" or "uniform".
        gates: For each column the column before it that says whether it is missing, by the code 1 of two categories, or -1; () for none. A
            missing column is 0 and its noise is forgotten, so that the density is that of the columns that are given.
        roles: Whether the condition is `jaxgen.roles.coded` of which columns are given and which are asked for. The others are 0, their noise
            is forgotten, and the density is that of the columns that are asked for. `answering` makes a model of it.

    Returns:
        An EXACT transform whose params are the network's. Its density is a probability of the categories and a density of the numbers,
        -inf for a code that does not exist. Its stages show the row after each column.

    Raises:
        ValueError: A column has a single category, a gate is no column of two categories before its column, `noise` is unknown, or an event has
            another number of columns; or both `gates` and `roles` are given.

    >>> import jax, jax.numpy as jnp
    >>> from jaxgen import nets, transforms
    >>> f = transforms.autoregressive_columns((2, 0), transforms.scale_and_shift(), lambda n, k: nets.column_made(n, k, width=4, depth=1))
    >>> params = f.init(jax.random.key(0), jnp.zeros(2))
    >>> f.forward(params, jnp.asarray([0.5, -1.5])).tolist()
    [1.0, -1.5]
    """
    categories = tuple(categories)
    _check_categories(categories)
    gate = _checked_gates(categories, gates)
    if roles and gates:
        raise ValueError(
            f"autoregressive_columns: gates={tuple(gates)!r} with roles=True; accepted: gates=(), as roles say what is missing."
        )
    kinds = sorted(set(categories))
    scalars = [continuous if k == 0 else categorical(k, noise) for k in kinds]
    network = net(max(s.num_params for s in scalars), tuple(max(1, k) for k in categories))
    kind_of = np.array([kinds.index(k) for k in categories])
    gated = roles or bool(np.any(gate >= 0))

    def closed(x: jax.Array, cond: Cond) -> jax.Array:
        """Whether the noise of each column is forgotten."""
        if roles:
            assert isinstance(cond, jax.Array)
            return ~decoded(cond).asked
        return jnp.asarray(gate >= 0) & (x[np.maximum(gate, 0)] == 1)

    def theta_of(params: Params, x: jax.Array, cond: Cond) -> jax.Array:
        return network.apply(params, _one_hot(x, categories), _read(cond, categories) if roles else cond)

    def log_noise(z: jax.Array) -> jax.Array:
        return jnp.zeros_like(z) if noise == "uniform" else jax.nn.log_sigmoid(z) + jax.nn.log_sigmoid(-z)

    def init(key: Key, z: Noise, /, cond: Cond = None) -> Params:
        return network.init(key, _one_hot(z, categories), _read(cond, categories) if roles else cond)

    def forward_steps(params: Params, z: Noise, cond: Cond) -> tuple[jax.Array, jax.Array, jax.Array]:
        _check_event(z, categories)
        branches = [lambda theta, z_i, s=s: s.forward(theta[: s.num_params], z_i) for s in scalars]

        def step(carry: tuple[jax.Array, jax.Array], i: jax.Array) -> tuple[tuple[jax.Array, jax.Array], jax.Array]:
            x, log_det = carry
            theta = jax.lax.dynamic_index_in_dim(theta_of(params, x, cond), i, keepdims=False)
            z_i = jax.lax.dynamic_index_in_dim(x, i, keepdims=False)
            x_i, log_det_i = jax.lax.switch(jnp.asarray(kind_of, jnp.int32)[i], branches, theta, z_i)
            if gated:
                gone = closed(x, cond)[i]
                x_i, log_det_i = jnp.where(gone, 0, x_i), jnp.where(gone, log_noise(z_i), log_det_i)
            x = jax.lax.dynamic_update_index_in_dim(x, x_i, i, 0)
            return (x, log_det + log_det_i), x

        # Columns from i on still hold the noise, which the masks keep from theta_i.
        (x, log_det), stages = jax.lax.scan(step, (z, jnp.zeros((), z.dtype)), jnp.arange(z.shape[0], dtype=jnp.int32))
        return x, log_det, stages

    def forward_and_log_det(params: Params, z: Noise, /, cond: Cond = None) -> tuple[Event, jax.Array]:
        return forward_steps(params, z, cond)[:2]

    middle = 0.5 if noise == "uniform" else 0.0

    def back(params: Params, x: Event, cond: Cond) -> tuple[jax.Array, jax.Array]:
        """The noise of each column and its log-determinant."""
        _check_event(x, categories)
        theta = theta_of(params, x, cond)
        z, log_det = jnp.zeros_like(x), jnp.zeros_like(x)
        for kind, s in enumerate(scalars):
            columns = np.flatnonzero(kind_of == kind)
            z_of, log_det_of = jax.vmap(s.inverse)(theta[columns, : s.num_params], x[columns])
            z, log_det = z.at[columns].set(z_of), log_det.at[columns].set(log_det_of)
        if gated:
            filler = jnp.where(x == 0, -log_noise(jnp.asarray(middle, x.dtype)), -jnp.inf)
            z, log_det = jnp.where(closed(x, cond), middle, z), jnp.where(closed(x, cond), filler, log_det)
        return z, log_det

    def inverse(params: Params, x: Event, /, cond: Cond = None, key: Key | None = None) -> Preimage:
        z, log_det = back(params, x, cond)
        return Preimage(z, jnp.sum(log_det))

    def forward(params: Params, z: Noise, /, cond: Cond = None) -> Event:
        return forward_steps(params, z, cond)[0]

    def stages(params: Params, z: Noise, /, cond: Cond = None) -> jax.Array:
        return forward_steps(params, z, cond)[2]

    # Where a gap has a column of its own, what is given is not a prefix of what is drawn.
    questions = None if gated else questions_in_order(InOrder(init, forward, back, log_noise, middle))
    hooks = Hooks(stages, nfe=lambda params, z, cond=None: z.shape[0], questions=questions)
    return bijection(init, forward_and_log_det, inverse, hooks=hooks)


def _one_hot(x: jax.Array, categories: Sequence[int]) -> jax.Array:
    """Return the network's input: numbers as they are, categories one-hot."""
    features = [x[j : j + 1] if k == 0 else (x[j] == jnp.arange(k, dtype=x.dtype)).astype(x.dtype) for j, k in enumerate(categories)]
    return jnp.concatenate(features)


def _read(cond: Cond, categories: Sequence[int]) -> jax.Array:
    """Return what the network reads of coded roles: given categories one-hot, as those of the event."""
    assert isinstance(cond, jax.Array)
    values, given, asked = decoded(cond)
    column = np.repeat(np.arange(len(categories)), [max(1, k) for k in categories])
    shown = jnp.where(given[column], _one_hot(values, categories), 0)
    return jnp.concatenate([shown, given, asked], dtype=values.dtype)


def _check_categories(categories: Sequence[int]) -> None:
    for j, k in enumerate(categories):
        if not isinstance(k, int) or k < 0 or k == 1:
            raise ValueError(f"autoregressive_columns: categories[{j}]={k!r}; accepted: 0 for a number, or at least 2 categories.")


def _checked_gates(categories: Sequence[int], gates: Sequence[int]) -> np.ndarray:
    if not gates:
        return np.full(len(categories), -1)
    if len(gates) != len(categories):
        raise ValueError(
            f"autoregressive_columns: gates={tuple(gates)!r}; accepted: a column, or -1, for each of the {len(categories)} columns."
        )
    for j, g in enumerate(gates):
        if not -1 <= g < j or (g >= 0 and categories[g] != 2):
            raise ValueError(f"autoregressive_columns: gates[{j}]={g!r}; accepted: -1, or a column of two categories before column {j}.")
    return np.array(gates)


def _check_event(x: jax.Array, categories: Sequence[int]) -> None:
    if x.shape != (len(categories),):
        raise ValueError(
            f"autoregressive_columns: shape={x.shape!r} of an event; "
            f"accepted: ({len(categories)},), a number for each of categories={tuple(categories)!r}."
        )
