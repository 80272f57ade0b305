"""Inductive moment matching: jumps from t and from a later r must have one law at s, measured by a kernel."""

import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.model import Model
from jaxgen.numerics import safe_norm
from jaxgen.objective import Batch, Clock, Objective, no_aux, require
from jaxgen.objectives.couplings import CouplingLike
from jaxgen.objectives.discrepancy import energy
from jaxgen.objectives.joint import joint
from jaxgen.objectives.pairing import pairing
from jaxgen.objectives.times import ordered_pairs
from jaxgen.paths import Path, linear
from jaxgen.types import Aux, Cond, Key, Params


def inductive_moment_matching(
    model: Model,
    path: Path | None = None,
    *,
    group: int = 64,
    gap: float = 1 / 8,
    to_end: float = 0.5,
    coupling: CouplingLike = "independent",
) -> Objective:
    """Minimise the squared MMD between the jumps `f(x_t, t, s)` and `f(x_r, r, s)`, the latter held fixed, with `r = min(t + gap, s)`.

    The maximum mean discrepancy (MMD) compares the laws of two samples by a kernel. x_t and x_r share data and noise. At r = s the second
    jump is x_s itself, and from there the law is carried on to earlier times, so it becomes the path's law at s for every t. Laws are
    compared and not points, which needs neither a teacher nor a schedule of levels. The kernel is `exp(-|a - b| / (d (s - t)))`, whose
    width is that of the step, so near and far steps pull alike. Conditions are joined to the points.

    Args:
        model: A model whose transform has the part `jump (params, x, t, s, cond)`, such as a `flow_map`.
        path: The path between noise and data. None is the straight line.
        group: How many events share one pair of times (t, s) and are compared; the paper's M, 4 for images.
        gap: The step in time from t to r. A smaller step makes an easier induction of more stages.
        to_end: The share of groups with s = 1, where the data are.
        coupling: Which noise meets which event, as `flow_matching` takes it.

    Returns:
        An objective whose metric is `squared_mmd`, the loss.

    Raises:
        ValueError: `group` is below 2, `gap` or `to_end` is out of range, or `coupling` is unknown.
        PairingError: The transform lacks the part `jump`.

    Source: arXiv 2503.07565, equation 12.

    >>> import jax, jaxgen
    >>> from jaxgen.objective import Batch, Clock
    >>> still = lambda params, x, t, s, cond=None: 0 * x
    >>> model = jaxgen.Model(jaxgen.bases.normal((2,)), jaxgen.transforms.flow_map(lambda key, z, cond=None: (), still))
    >>> objective = inductive_moment_matching(model, coupling=lambda key, x, z, cond: x)
    >>> loss, _ = objective.loss((), (), jax.random.key(0), Batch(jax.numpy.arange(8.0).reshape(4, 2)), Clock(0, 1, ()))
    >>> float(loss)  # Noise and data are the same points, so nothing has to move.
    0.0
    """
    checks.count("inductive_moment_matching: group", group, 2)
    checks.number("inductive_moment_matching: gap", gap, above=0, most=1)
    checks.number("inductive_moment_matching: to_end", to_end, least=0, most=1)
    require("inductive_moment_matching", model, frozenset({"jump"}))
    jump, path, paired = model.transform.parts["jump"], path or linear(), pairing("inductive_moment_matching", model, coupling)

    def discrepancy(params: Params, x: jax.Array, z: jax.Array, cond: Cond, t: jax.Array, s: jax.Array) -> jax.Array:
        def jumps(start: jax.Array) -> jax.Array:
            return jax.vmap(lambda x, z, c: jump(params, path.at(start, x, z), start, s, cond=c).ravel())(x, z, cond)

        early, late = jumps(t), jax.lax.stop_gradient(jumps(jnp.minimum(t + gap, s)))
        width = jnp.maximum(s - t, 1e-3)
        return squared_mmd(early, late, cond, width * x[0].size)

    def loss(params: Params, aux: Aux, key: Key, batch: Batch, clock: Clock) -> tuple[jax.Array, dict[str, jax.Array]]:
        key_z, key_pair, key_t = jax.random.split(key, 3)
        z, num = paired.source(key_z, key_pair, batch), batch.x.shape[0]
        size = min(group, num)
        groups = num // size
        x, z, cond = jax.tree.map(lambda a: a[: groups * size].reshape(groups, size, *a.shape[1:]), (batch.x, z, batch.cond))
        t, s = ordered_pairs(key_t, groups, batch.x.dtype, to_end)
        value = jnp.mean(jax.vmap(lambda x, z, c, t, s: discrepancy(params, x, z, c, t, s))(x, z, cond, t, s))
        return value, {"squared_mmd": value}

    return Objective(no_aux, loss, prepare=paired.prepare, judge=energy(model).loss)


def squared_mmd(x: jax.Array, y: jax.Array, cond: Cond, width: jax.Array) -> jax.Array:
    """Return the squared MMD between two samples with the kernel `exp(-distance / width)`, every pair counted.

    Args:
        x: Points `(n, d)`.
        y: Points `(n, d)`.
        cond: Conditions `(n, *cond)` of both, or None; they are joined to the points.
        width: The distance over which the kernel falls by a factor e, a scalar.

    Returns:
        A scalar, zero if x and y agree row by row.

    >>> import jax.numpy as jnp
    >>> round(float(squared_mmd(jnp.zeros((2, 1)), jnp.ones((2, 1)), None, jnp.asarray(1.0))), 3)  # 2 - 2 / e
    1.264
    """

    def kernel(a: jax.Array, b: jax.Array) -> jax.Array:
        return jnp.mean(jnp.exp(-safe_norm(joint(a, cond)[:, None] - joint(b, cond)[None]) / width))

    return kernel(x, x) + kernel(y, y) - 2 * kernel(x, y)
