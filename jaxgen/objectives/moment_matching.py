"""Inductive moment matching: what is reached from t and from a later r must have one law at s, measured by a kernel (arXiv 2503.07565)."""

from typing import Any

import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.model import Model
from jaxgen.numerics import safe_norm
from jaxgen.objective import Batch, Clock, Objective, no_aux, require
from jaxgen.objectives.couplings import Coupling, Pair, resolve
from jaxgen.objectives.pairing import pairing
from jaxgen.objectives.times import ordered_pairs
from jaxgen.paths import Path, linear


def inductive_moment_matching(
    model: Model,
    path: Path | None = None,
    *,
    group: int = 64,
    gap: float = 1 / 8,
    to_end: float = 0.5,
    coupling: str | Coupling | Pair = "independent",
) -> Objective:
    """Minimise the squared MMD between `f(x_t, t, s)` and `f(x_r, r, s)`, held fixed, with `r = min(t + gap, s)` (arXiv 2503.07565, eq. 12).

    x_t and x_r share data and noise. At r = s the second is x_s itself, and from there the law is carried on to earlier times, so it is that
    of the path at s for every t: unlike consistency, laws are compared and not points, which costs no teacher and no schedule.

    group: how many events share one (t, s) and are compared; more see more of the laws (the paper's M, 4 for images). gap: the step from t
        to r in time; a smaller one makes an easier induction of more stages. to_end: the share of groups with s = 1, the data.

    The kernel is `exp(-|a - b| / (d (s - t)))`, whose width is that of the step, and events are weighted by the inverse of that width, so
    that near and far steps pull alike. Conditions are joined to the points. Needs the part `jump`. Raises ValueError for numbers out of range.
    """
    checks.count("inductive_moment_matching: group", group, 2)
    checks.number("inductive_moment_matching: gap", gap, above=0, most=1)
    checks.number("inductive_moment_matching: to_end", to_end, least=0, most=1)
    require("inductive_moment_matching", model, frozenset({"jump"}))
    jump, path, paired = model.transform.parts["jump"], linear() if path is None else path, pairing(model, resolve(coupling))

    def discrepancy(params: Any, x: jax.Array, z: jax.Array, cond: Any, t: jax.Array, s: jax.Array) -> jax.Array:
        def reached(params: Any, when: jax.Array) -> jax.Array:
            return jax.vmap(lambda x, z, c: jump(params, path.at(when, x, z), when, s, c).ravel())(x, z, cond)

        ours, theirs = reached(params, t), jax.lax.stop_gradient(reached(params, jnp.minimum(t + gap, s)))
        width = jnp.maximum(s - t, 1e-3)
        return squared_mmd(ours, theirs, cond, width * x[0].size)

    def loss(params: Any, aux: Any, key: jax.Array, batch: Batch, clock: Clock) -> tuple[jax.Array, dict[str, jax.Array]]:
        key_z, key_pair, key_t = jax.random.split(key, 3)
        z, num = paired.source(key_z, key_pair, batch), batch.x.shape[0]
        size = min(group, num)
        groups = num // size
        x, z, cond = jax.tree.map(lambda a: a[: groups * size].reshape(groups, size, *a.shape[1:]), (batch.x, z, batch.cond))
        t, s = ordered_pairs(key_t, groups, batch.x.dtype, to_end)
        each = jax.vmap(lambda x, z, c, t, s: discrepancy(params, x, z, c, t, s))(x, z, cond, t, s)
        return jnp.mean(each), {"squared_mmd": jnp.mean(each)}

    return Objective(no_aux, loss, frozenset({"jump"}), prepare=paired.prepare)


def squared_mmd(x: jax.Array, y: jax.Array, cond: Any, width: jax.Array) -> jax.Array:
    """The squared MMD `(n, d)` against `(n, d)` with the kernel `exp(-distance / width)`, every pair counted: zero where x is y row by row."""

    def kernel(a: jax.Array, b: jax.Array) -> jax.Array:
        if cond is not None:
            a, b = (jnp.concatenate([p, cond.reshape(len(p), -1).astype(p.dtype)], 1) for p in (a, b))
        return jnp.mean(jnp.exp(-safe_norm(a[:, None] - b[None]) / width))

    return kernel(x, x) + kernel(y, y) - 2 * kernel(x, y)
