"""Cases of the contract: surjections, each behind a coupling so that a condition enters, and the diagonal affine."""

import jax.numpy as jnp
import numpy as np
from case import WIDTH, Case, D, mlp, on_normal

from jaxgen import bases, nets, numerics, paths
from jaxgen import transforms as T
from jaxgen.model import Model

FLOW = T.coupling(T.scale_and_shift(), mlp)


def behind(surjection):
    return lambda: on_normal(T.chain(FLOW, surjection))


def with_uniform(leaf, *transforms):
    return lambda: Model(bases.joint({"event": bases.normal((D,)), leaf: bases.uniform((D,))}), T.chain(*transforms))


def with_extra():
    base = bases.joint({"event": bases.normal((D,)), "extra": bases.normal((2,))})
    return Model(base, T.augmentation(2, FLOW))


def summed(surjection):
    base = bases.normal((2,))
    return lambda: Model(base, T.sum_over_preimages(base, FLOW, surjection))


def with_index():
    base = bases.normal((D,))
    return Model(bases.joint({"event": base, "index": bases.uniform(())}), T.indexed(base, FLOW, 3))


def positive(rng, num, d=D):
    return np.abs(rng.standard_normal((num, d))) + 0.01


def integers(rng, num):
    return rng.integers(-4, 5, (num, D)).astype(float)


def in_order(rng, num, d=D):
    return np.sort(rng.standard_normal((num, d)), 1) * 2


# Signs of a negative event have no preimage, so a positive map comes first.
POSITIVE = T.on("event", T.sum_over_preimages(bases.normal((D,)), T.affine(0.0, 2.0), T.absolute()))

TABLE = (0, 3, 0, 2)


def table():
    net = lambda out, features: nets.column_made(out, features, width=WIDTH, depth=2)
    return Model(bases.logistic((4,)), T.autoregressive_columns(TABLE, T.scale_and_shift(), net))


def rows(rng, num):
    return np.stack([rng.integers(0, k, num) if k else rng.standard_normal(num) for k in TABLE], 1).astype(float)


def mixed_process():
    """A network over a row on a path of one process for each column, as `init` and a prediction."""
    path = paths.mixed_path(TABLE, paths.vp_log_snr(-4.0, 3.0))
    net = nets.time_mlp(sum(max(1, k) for k in TABLE), width=4, depth=1)
    init = lambda key, z, cond=None: net.init(key, jnp.zeros(path.widths[0], z.dtype), jnp.zeros((), z.dtype), cond)
    return init, paths.mixed_prediction(path, net.apply)


def gaussians(num_kernels):
    """Two components and a few kernels, chosen by a uniform number: which one it was is forgotten."""
    return lambda: Model(bases.joint({"choice": bases.uniform(()), "noise": bases.normal((D,))}), T.mixture_affine(2, num_kernels))


def mixed():
    parts = on_normal(T.coupling(T.scale_and_shift(), mlp)), on_normal(T.triangular_affine())
    return Model(bases.mixture_noise(*(part.base for part in parts)), T.mixture(*parts))


def gated():
    """The last two numbers have indicators before them."""
    net = lambda out, features: nets.column_made(out, features, width=WIDTH, depth=2)
    return Model(bases.logistic((5,)), T.autoregressive_columns((2, 0, 0, 2, 0), T.scale_and_shift(), net, gates=(-1, 0, -1, -1, 3)))


def questioned():
    """Whatever the condition, nothing is given and everything asked for; `tests/test_questions.py` asks the questions."""
    net = lambda out, features: nets.column_made(out, features, width=WIDTH, depth=2)
    answering = T.answering(T.autoregressive_columns(TABLE, T.scale_and_shift(), net, roles=True))
    return Model(bases.logistic((4,)), T.on_condition(lambda cond: jnp.full(4, jnp.nan, cond.dtype), answering))


def rows_with_gaps(rng, num):
    x = np.stack([rng.integers(0, k, num) if k else rng.standard_normal(num) for k in (2, 0, 0, 2, 0)], 1).astype(float)
    x[:, 1] *= 1 - x[:, 0]
    x[:, 4] *= 1 - x[:, 3]
    return x


CELLS = (
    T.Cell(T.above(), (0.3, 0.2, -1.0, 0.7)),
    T.Cell(T.between(), (-0.2, 0.1, 2.0, 1.0)),
    T.Cell(T.student_tails(), (0.5, 0.2, 0.1, 0.3)),
)


WHOLE = [cell._replace(whole=True) for cell in CELLS]


def codes(k, m):
    return lambda rng, num: rng.integers(0, k, (num, m)).astype(float)


def supported(rng, num):
    """Numbers above -1, from 2 to 2 + e, and on the line."""
    return np.stack([rng.exponential(size=num) - 0.9, 2 + rng.uniform(0.05, 2.6, num), rng.standard_t(3, num)], 1)


CASES = {
    "autoregressive_columns": Case(table, surjective=True, data=rows),
    "mixed_ancestral": Case(
        lambda: Model(bases.mixed_noise(2, 2, 2), T.mixed_ancestral(*mixed_process(), 2)), surjective=True, data=rows
    ),
    "categories_first": Case(
        lambda: Model(bases.normal((4,)), T.categories_first(*mixed_process(), solver=numerics.fixed(4, "rk4"))),
        surjective=True,
        data=rows,
        tol=1e-3,
    ),
    "mixture": Case(mixed, surjective=True),
    "mixture_affine": Case(gaussians(0), surjective=True, network=False),
    "mixture_affine-kernels": Case(gaussians(3), surjective=True, network=False),
    "diagonal_affine": Case(behind(T.diagonal_affine())),
    "autoregressive_columns-gates": Case(gated, surjective=True, data=rows_with_gaps),
    "answering": Case(questioned, surjective=True, data=rows, network=False),
    "table_cells": Case(behind(T.table_cells(CELLS)), data=supported),
    "table_cells-whole": Case(behind(T.table_cells(WHOLE)), surjective=True, data=lambda rng, num: np.floor(supported(rng, num))),
    "argmax_codes": Case(
        lambda: Model(bases.normal((2 * D,)), T.chain(FLOW, T.argmax_codes(3, 2))), surjective=True, data=codes(3, 2)
    ),
    "argmax_codes-two": Case(behind(T.argmax_codes(2, D)), surjective=True, data=codes(2, D)),
    "uniform_dequantisation": Case(behind(T.uniform_dequantisation()), surjective=True, data=integers),
    "variational_dequantisation": Case(behind(T.variational_dequantisation(FLOW)), surjective=True, data=integers),
    "rounding": Case(with_uniform("place", T.on("event", FLOW), T.rounding()), surjective=True),
    "absolute": Case(behind(T.absolute()), surjective=True, data=positive),
    "absolute-summed": Case(summed(T.absolute()), surjective=True, data=lambda rng, num: positive(rng, num, 2)),
    "sorting": Case(behind(T.sorting()), surjective=True, data=in_order),
    "sorting-summed": Case(summed(T.sorting()), surjective=True, data=lambda rng, num: in_order(rng, num, 2)),
    "signs": Case(with_uniform("side", POSITIVE, T.signs(mlp)), surjective=True),
    "shuffling": Case(with_uniform("order", T.on("event", T.chain(FLOW, T.ascending())), T.shuffling()), surjective=True),
    "ascending": Case(behind(T.ascending()), noise=lambda rng, num: rng.standard_normal((num, D)), data=in_order),
    "max_pooling": Case(lambda: Model(bases.normal((2 * D,)), T.chain(FLOW, T.max_pooling(2))), surjective=True),
    "slicing": Case(behind(T.slicing(1, FLOW)), surjective=True),
    "augmentation": Case(with_extra),
    "indexed": Case(with_index, surjective=True),
}  # fmt: skip
