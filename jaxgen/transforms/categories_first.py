"""A table's row with an exact density: one category after another, then the numbers given them by an ODE; the network of a mixed path."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax.scipy.special import ndtr, ndtri

from jaxgen.lifting import nfe, over_batch, stages
from jaxgen.numerics import Solver
from jaxgen.paths.discrete import drawn, middle
from jaxgen.paths.mixed import MixedPrediction, with_codes
from jaxgen.roles import decoded
from jaxgen.transform import Density, Hooks, Init, Maps, Preimage, Transform
from jaxgen.transforms.discrete.chain import codes_only
from jaxgen.transforms.mixed import mixed_part
from jaxgen.transforms.ode_flow import probability_flow
from jaxgen.types import Cond, Event, Key, Noise, Params


def categories_first(
    init: Init, prediction: MixedPrediction, *, solver: Solver | None = None, trace: str = "exact", roles: bool = False
) -> Transform:
    """Sample the categories one by one from their masked probabilities, then the numbers given them by the probability-flow ODE.

    All noise is standard normal and shaped as the row. A category takes the cell into which the normal distribution function of its noise
    falls; its network sees the categories before it and no number. The density is then the product of the categories' probabilities and of
    the ODE's density of the numbers. Missing numbers stay out of the ODE, and their noise is forgotten.

    Args:
        init: `(key, z, cond=None) -> params`, for z shaped as a row `(d,)`.
        prediction: The network read on its path; `objectives.mixed_bound(apart=True)` trains what is asked of it here.
        solver: How the ODE is solved; None is `numerics.adaptive()`.
        trace: How the divergence of the numbers is computed, as in `ode_flow`.
        roles: Whether the condition is `jaxgen.roles.coded`, as for `paths.mixed_prediction`. Coordinates that are not asked for are 0, with a
            standard normal density of their noise; `answering` makes a model of it.

    Returns:
        A transform of rows `(d,)` of the kind EXACT, or UNBIASED with an estimated trace and numbers, with the part `mixed` of
        `mixed_ancestral`. Its stages show the row after each category, and then along the ODE.

    Source: arXiv 2110.02037 for the categories in a fixed order; arXiv 2011.13456, equation 13.

    >>> import jax.numpy as jnp
    >>> from jaxgen import paths, transforms
    >>> path = paths.mixed_path((2, 0), paths.vp_linear())
    >>> read = paths.mixed_prediction(path, lambda params, h, t, cond=None: jnp.asarray([0.0, 9.0, -9.0]))
    >>> f = transforms.categories_first(lambda key, z, cond=None: (), read)
    >>> f.forward((), jnp.zeros(2)).tolist(), str(f.kind)
    ([0.0, 0.0], 'exact')
    """
    places = prediction.path.number_places
    flow = probability_flow(init, prediction.numbers(), solver=solver, trace=trace) if len(places) else None
    return _of_flow(init, _Row(prediction, roles), flow)


def _of_flow(init: Init, row: "_Row", flow: Transform | None) -> Transform:
    kind = Density.EXACT if flow is None else flow.kind

    def refine(level: int, exact: bool = False) -> Transform:
        assert flow is not None and flow.hooks.refine is not None
        return _of_flow(init, row, flow.hooks.refine(level, exact))

    def shown(params: Params, z: Noise, /, cond: Cond = None) -> jax.Array:
        return row.stages(params, z, cond, flow)

    def calls(params: Params, z: Noise, /, cond: Cond = None) -> jax.Array | int:
        z_numbers, codes, _ = row.start(params, z, cond)
        return len(row.prediction.path.counts) + (0 if flow is None else nfe(flow)(params, z_numbers, with_codes(codes, cond)))

    return Transform(
        init,
        _maps(row, flow, kind, batched=False),
        kind,
        many=None if flow is None else _maps(row, flow, kind, batched=True),
        hooks=Hooks(shown, calls, refine=None if flow is None else refine),
        parts={"mixed": mixed_part(row.prediction)},
    )


def _maps(row: "_Row", flow: Transform | None, kind: Density, *, batched: bool) -> Maps:
    """The maps over one event or a batch: the ODE of a batch shares its steps, everything else is mapped event by event."""
    of_flow = None if flow is None else over_batch(flow) if batched else flow.one
    log_scale = float(jnp.log(row.prediction.path.numbers.sigma(jnp.zeros(()))))

    def each(function: Callable[..., Any], *args: Any) -> Any:
        return jax.vmap(function)(*args) if batched else function(*args)

    def start(params: Params, z: Noise, cond: Cond) -> tuple[jax.Array, ...]:
        return each(lambda z, c: row.start(params, z, c), z, cond)

    def forward(params: Params, z: Noise, /, cond: Cond = None) -> Event:
        z_numbers, codes, _ = start(params, z, cond)
        y = z_numbers if of_flow is None else of_flow.forward(params, z_numbers, with_codes(codes, cond))
        return each(row.finish, y, codes, cond)

    def forward_and_log_det(params: Params, z: Noise, /, cond: Cond = None) -> tuple[Event, jax.Array]:
        z_numbers, codes, log_det = start(params, z, cond)
        y = z_numbers
        if of_flow is not None:
            assert of_flow.forward_and_log_det is not None
            y, more = of_flow.forward_and_log_det(params, z_numbers, with_codes(codes, cond))
            closed = each(row.closed, codes, cond)
            noise = row.noise(z)
            log_det = log_det + more + jnp.sum(jnp.where(closed, _log_normal(noise) - log_scale, 0), -1)
        return each(row.finish, y, codes, cond), log_det

    def inverse(params: Params, x: Event, /, cond: Cond = None, key: Key | None = None) -> Preimage:
        y, codes, sites, log_det = each(lambda x, c: row.back(params, x, c), x, cond)
        if of_flow is None:
            return Preimage(each(row.joined, y, sites), log_det)
        assert of_flow.inverse is not None
        pre = of_flow.inverse(params, y, with_codes(codes, cond), key)
        closed = each(row.closed, codes, cond)
        # The noise of what is not asked for is forgotten: it has no density.
        forgotten = jnp.sum(jnp.where(closed, log_scale - _log_normal(jnp.zeros_like(y)), 0), -1)
        z = each(row.joined, jnp.where(closed, 0, pre.z), sites)
        return Preimage(z, log_det + pre.log_det + forgotten, pre.log_q)

    return Maps(forward, inverse, forward_and_log_det if kind is Density.EXACT else None)


@dataclass(frozen=True)
class _Row:
    """What surrounds the ODE of a row's numbers, for one event."""

    prediction: MixedPrediction
    roles: bool

    def noise(self, z: jax.Array) -> jax.Array:
        """The noise of the numbers `(..., n)`."""
        return z[..., self.prediction.path.number_places]

    def closed(self, codes: jax.Array, cond: Cond) -> jax.Array:
        """Whether each number is missing or not asked for."""
        path = self.prediction.path
        if not self.roles:
            return path.missing(codes)
        assert isinstance(cond, jax.Array)
        return path.missing(codes) | ~path.split(decoded(cond).asked)[0]

    def probabilities(self, params: Params, codes: jax.Array, i: jax.Array, cond: Cond) -> jax.Array:
        """The probabilities of category i given those before it."""
        path = self.prediction.path
        num, places = len(path.number_places), jnp.arange(len(path.counts), dtype=jnp.int32)
        before = jnp.where(places < i, codes, path.sites.num_categories)
        none, zero = jnp.zeros(num, codes.dtype), jnp.zeros((), codes.dtype)
        return self.prediction.read(params, none, before, zero, cond, False)[1][i]

    def start(self, params: Params, z: jax.Array, cond: Cond) -> tuple[jax.Array, jax.Array, jax.Array]:
        """The noise of the numbers, 0 where there is none, the codes, and the log-determinant of the categories."""
        z_numbers, z_sites = self.prediction.path.split(z)

        def one(codes: jax.Array, i: jax.Array) -> tuple[jax.Array, jax.Array]:
            p = self.probabilities(params, codes, i, cond)
            u = jnp.minimum(ndtr(z_sites[i]), 1 - jnp.finfo(z.dtype).epsneg)
            code = drawn(p, u)
            return codes.at[i].set(code), _log_normal(z_sites[i]) - middle(p, code)[1]

        codes, log_dets = z_sites, z_sites
        if z_sites.size:
            codes, log_dets = jax.lax.scan(one, jnp.zeros_like(z_sites), jnp.arange(z_sites.size, dtype=jnp.int32))
        return jnp.where(self.closed(codes, cond), 0, z_numbers), codes, jnp.sum(log_dets)

    def back(self, params: Params, x: jax.Array, cond: Cond) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
        """The numbers, the codes, the noise of the categories, and their log-determinant, -inf for a row that cannot be."""
        path = self.prediction.path
        y, codes = path.split(x)
        codes, known = codes_only(codes, path.sites.num_categories)

        def one(_: tuple[()], i: jax.Array) -> tuple[tuple[()], tuple[jax.Array, jax.Array]]:
            u, log_p = middle(self.probabilities(params, codes, i, cond), codes[i])
            z = ndtri(jnp.maximum(u, jnp.finfo(u.dtype).tiny))
            return (), (z, log_p - _log_normal(z))

        sites, log_dets = codes, codes
        if codes.size:
            _, (sites, log_dets) = jax.lax.scan(one, (), jnp.arange(codes.size, dtype=jnp.int32))
        closed = self.closed(codes, cond)
        known = known & jnp.all(jnp.where(closed, y == 0, True))
        return jnp.where(closed, 0, y), codes, sites, jnp.where(known, jnp.sum(log_dets), -jnp.inf)

    def finish(self, y: jax.Array, codes: jax.Array, cond: Cond) -> jax.Array:
        """The row of numbers at the end of the ODE and of codes."""
        return self.joined(jnp.where(self.closed(codes, cond), 0, y), codes)

    def joined(self, numbers: jax.Array, sites: jax.Array) -> jax.Array:
        """The row, or its noise."""
        return self.prediction.path.joined(numbers, sites)

    def stages(self, params: Params, z: jax.Array, cond: Cond, flow: Transform | None) -> jax.Array:
        """The row after each category, with the noise of the numbers, and then along the ODE."""
        z_numbers, codes, _ = self.start(params, z, cond)
        places = jnp.arange(codes.size, dtype=jnp.int32)
        # A category that is yet to come is shown as the first one.
        rows = jax.vmap(lambda i: self.joined(z_numbers, jnp.where(places <= i, codes, 0)))(places)
        if flow is None:
            return rows
        numbers = stages(flow)(params, z_numbers, with_codes(codes, cond))
        return jnp.concatenate([rows, jax.vmap(lambda y: self.finish(y, codes, cond))(numbers)])


def _log_normal(z: jax.Array) -> jax.Array:
    return -0.5 * z**2 - 0.5 * math.log(2 * math.pi)
