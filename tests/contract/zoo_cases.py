"""The registry of zoo entries and their readings in small, and what the laws over them read, compiled once a reading."""

import functools
import zlib
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen import zoo
from jaxgen.model import Model, init, log_prob, sample, sample_and_log_prob
from jaxgen.pruning import sampling_params
from jaxgen.training import fit
from jaxgen.transform import Density, Maps


def small(name, event_shape=(2,), cond_shape=None):
    """The entry at the small sizes that it declares, whatever its defaults are."""
    return zoo.build(name, event_shape, cond_shape, **zoo.small(name, event_shape))


# Entries of one base and transform: test_zoo shows that their programs are the same, so a law over models that holds for one holds for all.
SHARED = {
    "cfm": "cnf", "ot_cfm": "cnf", "sb_cfm": "cnf", "vp_cfm": "cnf", "c2ot_cfm": "cnf",
    "beta_vae": "vae", "wgan_gp": "gan", "rpgan": "gan", "energy": "gan", "dsbm": "sf2m",
}  # fmt: skip
READINGS = [(name, reading) for name in zoo.NAMES if name not in SHARED for reading in small(name).readings]


KINKED = ("nsf", "nsf_ar", "ar_discrete", "tabular", "realnvp", "maf", "iaf")


def over_readings(law=lambda name, reading, model: True):
    found = [(n, r) for n, r in READINGS if law(n, r, small(n).readings[r])]
    marks = [pytest.param(n, r, id=f"{n}-{r}", marks=pytest.mark.xdist_group(f"zoo-{n}")) for n, r in found]
    return pytest.mark.parametrize(("name", "reading"), marks)


def over_entries():
    return pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.xdist_group(f"zoo-{n}")) for n in zoo.NAMES])


def filled(name, model, cond=None, scale=0.3):
    """Params away from their initial values, by numpy, which compiles nothing."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    shapes = jax.eval_shape(lambda: init(jax.random.key(0), model, cond))
    return jax.tree.map(lambda s: jnp.asarray((scale * rng.standard_normal(s.shape)).astype(s.dtype)), shapes)


@functools.cache
def params_of(name):
    """Params at which an entry's densities are mild: a noise predictor's are so once it is trained, the others' at random."""
    entry = small(name)
    if name not in ("ddpm", "score_sde"):
        return filled(name, entry.model)
    data = np.random.default_rng(0).standard_normal((2_000, 2)).astype(np.float32) * [1.0, 0.6] + [0.5, 0.0]
    return fit(jax.random.key(0), entry, data.astype(np.float32), 600, batch_size=128, ema=0.95).params


class Counter:
    """A model whose transform's functions count how often Python runs them, which under jit is once a trace."""

    def __init__(self, model: Model):
        self.calls = 0
        transform = model.transform
        self.model = Model(model.base, self.counting(transform))

    def counting(self, f):
        many = f.many and Maps(*map(self.count, f.many))
        return f._replace(one=Maps(*map(self.count, f.one)), many=many, proxy=f.proxy and self.counting(f.proxy))

    def count(self, function):
        if function is None:
            return None

        def counted(*args, **kwargs):
            self.calls += 1
            return function(*args, **kwargs)

        return counted


class Outputs(NamedTuple):
    """`x` are `n` samples with their log density by both ways; `grid` covers them, with `area` a point and `on_grid` the log density there."""

    model: Model
    params: Any
    kept: Any
    x: np.ndarray
    x_without_dropped: np.ndarray
    drawn: np.ndarray
    log_prob_drawn: np.ndarray
    log_prob_of_drawn: np.ndarray
    grid: np.ndarray
    area: np.ndarray
    on_grid: np.ndarray
    traces: int
    traces_of_second_calls: int


def grid_over(x, side):
    """Points around the samples, dense in the middle and sparse in the tails (a hyperbolic sine of an even grid), and their areas."""
    centre, spread = np.median(x, 0), x.std(0)
    u = np.linspace(-1, 1, side)
    stretch = np.arcsinh(2 * np.ptp(x, 0) / spread)
    axes = [c + s * np.sinh(k * u) for c, s, k in zip(centre, spread, stretch, strict=True)]
    lengths = [s * k * np.cosh(k * u) * (u[1] - u[0]) for s, k in zip(spread, stretch, strict=True)]
    return np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 2).astype(np.float32), np.outer(*lengths).ravel()


def cells_of(num_bins, bound, side):
    """Points of `ar_discrete`'s own cells and the lengths they stand for: midpoints, and in a tail the one node whose quadrature is exact."""
    width = 2 * bound / num_bins
    inner = -bound + width * (np.arange(1, num_bins - 1) + 0.5)
    points = np.concatenate([[-bound], inner, [bound]])
    # Density exp(-distance / width) from the inner edge, taken at distance `width`: the integral is e times value times width.
    lengths = np.concatenate([[width * np.e], np.full(num_bins - 2, width), [width * np.e]])
    grid = np.stack(np.meshgrid(points, points, indexing="ij"), -1).reshape(-1, 2).astype(np.float32)
    area = np.outer(lengths, lengths).ravel()
    rows = np.arange(side**2) % len(grid)
    return grid[rows], np.where(np.arange(side**2) < len(grid), area[rows], 0.0)


@functools.cache
def outputs(name, reading):
    """Samples, densities and traces of one reading through the public functions, float32."""
    model = small(name).readings[reading]
    params = params_of(name)
    counter = Counter(model)
    # Splines and bins have kinks, which a coarse grid does not see; an ODE's or a network's density is smooth.
    side = 120 if name in KINKED else 72
    # Some solve to sample, so draws are fewer than the points of the grid; but not where log_prob sees them in that number and compiles again.
    num = side**2 if model.transform.forward_and_log_det is None else 1_000
    counted, key = counter.model, jax.random.key(1)
    has_density = model.transform.kind is not Density.IMPLICIT
    x = np.asarray(sample(key, counted, params, num))
    drawn = log_prob_drawn = log_prob_of_drawn = grid = area = on_grid = np.zeros(0)
    if has_density:
        grid, area = cells_of(zoo.small(name)["num_bins"], 3.0, side) if name == "ar_discrete" else grid_over(x, side)
        drawn, log_prob_drawn = sample_and_log_prob(jax.random.key(2), counted, params, num)
        on_grid = log_prob(counted, params, grid, key=jax.random.key(3)).value
        log_prob_drawn = log_prob_drawn.value
    traces = counter.calls
    kept = sampling_params(model, params)
    poisoned = jax.tree.map(lambda a, k: a if k else jnp.full_like(a, jnp.nan), params, kept)
    traces_before = counter.calls
    x_without_dropped = np.asarray(sample(key, counted, poisoned, num))
    if has_density:
        sample_and_log_prob(jax.random.key(5), counted, params, num)
        log_prob_of_drawn = log_prob(counted, params, np.resize(drawn, grid.shape), key=jax.random.fold_in(jax.random.key(2), 1)).value[
            :num
        ]
    again = counter.calls - traces_before
    arrays = [np.asarray(a) for a in (drawn, log_prob_drawn, log_prob_of_drawn, grid, area, on_grid)]
    return Outputs(model, params, kept, x, x_without_dropped, *arrays, traces, again)
