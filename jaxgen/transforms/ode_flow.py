"""The flow of an ODE: dx/dt = velocity(x, t) from noise at t = 0 to data at t = 1 (arXiv 1806.07366, 2011.13456)."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.numerics import Solver, adaptive, divergence, hutch_plus_plus, hutchinson, refined, solve
from jaxgen.paths import Prediction
from jaxgen.transform import Density, Field, Hooks, Init, Maps, Part, Preimage, Transform, field_part, require_key
from jaxgen.transforms.parts import prediction_parts
from jaxgen.types import Cond, Key, Params, PyTree

NUM_STAGES = 32
TRACES = ("exact", "hutchinson", "hutchinson_gaussian", "hutch++")


def ode_flow(
    init: Init,
    velocity: Field,
    *,
    solver: Solver | None = None,
    trace: str = "exact",
    num_probes: int | None = None,
    scale: float = 1.0,
    energy: float = 0.0,
    parts: Mapping[str, Part] = MappingProxyType({}),
) -> Transform:
    """Build the flow of an ODE, started at `scale * z` and driven by `velocity` from t = 0 to t = 1.

    The log-determinant of the inverse is minus the integral of the velocity's divergence. The maps over a batch share one step for all
    events, chosen in the solver's `norm`. The solver's `adjoint` says how gradients pass through an adaptive solve.

    Args:
        init: `(key, z, cond=None) -> params`.
        velocity: `(params, x, t, cond=None) -> rate`, shaped as the event `x`.
        solver: How the ODE is solved; None is `numerics.adaptive()`.
        trace: How the divergence is computed. "exact" takes d = x.size Jacobian-vector products an evaluation (EXACT). "hutchinson"
            averages `num_probes` (default 1) Rademacher probes, held fixed along the trajectory, with one product each (UNBIASED, arXiv
            1810.01367). "hutchinson_gaussian" takes Gaussian probes, whose variance is never smaller. "hutch++" takes `num_probes` products
            (default 3, a multiple of 3), two thirds of them for the directions in which the Jacobian is large (UNBIASED, arXiv 2010.09649).
        num_probes: How many probes an estimated trace takes.
        scale: The standard deviation of the state at t = 0, for noise of unit variance.
        energy: The price of the path's kinetic energy. `inverse` then returns `log_q = energy * integral of |velocity|^2 dt`, so that the
            value is a LOWER_BOUND of the log density. It is for training on a coarse grid (arXiv 2002.02798): without a price, maximum
            likelihood finds paths that the grid cannot follow and overrates their log density.
        parts: Further functions of the params by name.

    Returns:
        The transform, with the part `velocity`.

    Raises:
        ValueError: `trace` is unknown, `num_probes` does not fit it, or a number is out of range.

    >>> import jax.numpy as jnp
    >>> growth = ode_flow(lambda key, z, cond=None: (), lambda params, x, t, cond=None: x)
    >>> x, log_det = growth.forward_and_log_det((), jnp.ones(2))
    >>> round(float(x[0]), 3), round(float(log_det), 3)
    (2.718, 2.0)
    """
    checks.number("ode_flow: scale", scale, above=0)
    checks.number("ode_flow: energy", energy, least=0)
    flow = _Flow(velocity, adaptive() if solver is None else solver, trace, _num_probes(trace, num_probes), scale, energy)

    def refine(level: int, exact: bool = False) -> Transform:
        how: Any = {"trace": "exact"} if exact else {"trace": trace, "num_probes": num_probes}
        return ode_flow(init, velocity, solver=refined(flow.solver, level), **how, scale=scale, energy=energy, parts=parts)

    kind = Density.LOWER_BOUND if energy else Density.EXACT if trace == "exact" else Density.UNBIASED
    exact = kind is Density.EXACT
    return Transform(
        init,
        Maps(flow.forward, flow.inverse, flow.forward_and_log_det if exact else None),
        kind,
        many=Maps(flow.batched_forward, flow.batched_inverse, flow.batched_forward_and_log_det if exact else None),
        hooks=Hooks(flow.stages, flow.evaluations, refine=refine),
        parts={**parts, "velocity": field_part(velocity)},
    )


def probability_flow(
    init: Init,
    prediction: Prediction,
    *,
    solver: Solver | None = None,
    trace: str = "exact",
    num_probes: int | None = None,
) -> Transform:
    """Build the probability-flow ODE of a diffusion, started at `sigma(0) z`.

    Args:
        init: `(key, z, cond=None) -> params`.
        prediction: The network read on its path.
        solver: How the ODE is solved; None is `numerics.adaptive()`.
        trace: How the divergence is computed, as in `ode_flow`.
        num_probes: How many probes an estimated trace takes.

    Returns:
        The transform, with the parts `eps`, `denoiser`, `velocity`, `score` and `v`.

    Source: arXiv 2011.13456, eq. 13.

    >>> import jax.numpy as jnp, jaxgen
    >>> ones = jaxgen.paths.prediction(jaxgen.paths.linear(), lambda params, x, t, cond=None: jnp.ones_like(x), "denoiser")
    >>> flow = probability_flow(lambda key, z, cond=None: (), ones, solver=jaxgen.numerics.fixed(8))
    >>> round(float(flow.forward((), jnp.zeros(1))[0]), 2)
    1.0
    """
    scale = float(prediction.path.sigma(jnp.zeros(())))
    parts = prediction_parts(prediction)
    return ode_flow(init, prediction.velocity, solver=solver, trace=trace, num_probes=num_probes, scale=scale, parts=parts)


def _num_probes(trace: str, num_probes: int | None) -> int:
    if trace not in TRACES:
        raise ValueError(f"ode_flow: trace={trace!r}; accepted: {', '.join(repr(t) for t in TRACES)}.")
    step = 3 if trace == "hutch++" else 1
    if num_probes is not None and (trace == "exact" or not isinstance(num_probes, int) or num_probes < 1 or num_probes % step):
        accepted = "None" if trace == "exact" else f"a positive multiple of {step}"
        raise ValueError(f"ode_flow: num_probes={num_probes!r} with trace={trace!r}; accepted: {accepted}.")
    return step if num_probes is None else num_probes


@dataclass(frozen=True)
class _Flow:
    """The maps of an ODE's flow, over one event and over a batch."""

    velocity: Field
    solver: Solver
    trace: str
    num_probes: int
    scale: float
    energy: float

    def forward(self, params: Params, z: jax.Array, /, cond: Cond = None) -> jax.Array:
        return self._trajectory(params, z, cond)[0]

    def batched_forward(self, params: Params, z: jax.Array, /, cond: Cond = None) -> jax.Array:
        def field(t: jax.Array, x: jax.Array) -> jax.Array:
            return jax.vmap(lambda x, c: self.velocity(params, x, t, c))(x, cond)

        return solve(field, self.scale * z, 0.0, 1.0, self.solver, batched=True)[0]

    def stages(self, params: Params, z: jax.Array, /, cond: Cond = None) -> jax.Array:
        return self._trajectory(params, z, cond, jnp.linspace(0.0, 1.0, NUM_STAGES + 1, dtype=z.dtype)[1:])[0]

    def evaluations(self, params: Params, z: jax.Array, /, cond: Cond = None) -> jax.Array:
        return self._trajectory(params, z, cond)[1]

    def inverse(self, params: Params, x: jax.Array, /, cond: Cond = None, key: Key | None = None) -> Preimage:
        return self._back(False, params, x, cond, key)

    def batched_inverse(self, params: Params, x: jax.Array, /, cond: Cond = None, key: Key | None = None) -> Preimage:
        return self._back(True, params, x, cond, key)

    def forward_and_log_det(self, params: Params, z: jax.Array, /, cond: Cond = None) -> tuple[jax.Array, jax.Array]:
        return self._forth(False, params, z, cond)

    def batched_forward_and_log_det(self, params: Params, z: jax.Array, /, cond: Cond = None) -> tuple[jax.Array, jax.Array]:
        return self._forth(True, params, z, cond)

    def _back(self, batched: bool, params: Params, x: jax.Array, cond: Cond, key: Key | None) -> Preimage:
        if self.trace != "exact":
            key = require_key("ode_flow", key, f"the divergence is estimated ({self.trace})")
        z, log_det, *paid = self._integrate(batched, params, x, cond, key, 1.0, 0.0)
        # Backwards in time the energy's integral is negative.
        return Preimage(z / self.scale, log_det - self._log_scale(x[0] if batched else x), -paid[0] if paid else 0.0)

    def _forth(self, batched: bool, params: Params, z: jax.Array, cond: Cond) -> tuple[jax.Array, jax.Array]:
        x, log_det, *_ = self._integrate(batched, params, self.scale * z, cond, None, 0.0, 1.0)
        return x, log_det + self._log_scale(z[0] if batched else z)

    def _log_scale(self, event: jax.Array) -> jax.Array:
        return event.size * jnp.log(jnp.asarray(self.scale, event.dtype))

    def _trajectory(self, params: Params, z: jax.Array, cond: Cond, times: jax.Array | None = None) -> tuple[jax.Array, jax.Array]:
        return solve(lambda t, x: self.velocity(params, x, t, cond), self.scale * z, 0.0, 1.0, self.solver, save_at=times)

    def _integrate(
        self, batched: bool, params: Params, x: jax.Array, cond: Cond, key: Key | None, t0: float, t1: float
    ) -> tuple[jax.Array, ...]:
        """From `x`: the other end, the integral of the divergence and, if it has a price, the integral of the energy."""
        zero = jnp.zeros(x.shape[:1] if batched else (), x.dtype)
        state = (x, zero, zero) if self.energy else (x, zero)
        exact = self.trace == "exact"
        if not batched:
            probe = None if exact else self._probes(key, x)
            return solve(lambda t, s: self._rates(params, t, s[0], cond, probe), state, t0, t1, self.solver)[0]
        probes = None if exact else jax.vmap(self._probes)(key, x)

        def field(t: jax.Array, state: PyTree) -> tuple[jax.Array, ...]:
            return jax.vmap(lambda x, c, p: self._rates(params, t, x, c, p))(state[0], cond, probes)

        return solve(field, state, t0, t1, self.solver, batched=True)[0]

    def _rates(self, params: Params, t: jax.Array, x: jax.Array, cond: Cond, probe: PyTree) -> tuple[jax.Array, ...]:
        """The velocity, its divergence and, if it has a price, the rate of the energy."""

        def at_t(x: jax.Array) -> jax.Array:
            return self.velocity(params, x, t, cond)

        if probe is None:
            v, rate = divergence(at_t, x)
        elif self.trace == "hutch++":
            v, rate = hutch_plus_plus(at_t, x, *probe)
        else:
            v, rate = hutchinson(at_t, x, probe)
        return (v, rate, self.energy * jnp.sum(v**2)) if self.energy else (v, rate)

    def _probes(self, key: Key | None, x: jax.Array) -> PyTree:
        """Probes shaped as x, or `num_probes` of them; for Hutch++ the pair of a sketch and probes `(., x.size)`, a third of the number each."""
        num = self.num_probes
        assert key is not None
        if self.trace == "hutch++":
            key_sketch, key_probes = jax.random.split(key)
            # Gaussian, as random signs repeat themselves in few dimensions and the sketch would then be of lower rank.
            sketch = jax.random.normal(key_sketch, (min(num // 3, x.size), x.size), x.dtype)
            return sketch, jax.random.rademacher(key_probes, (num // 3, x.size), x.dtype)
        shape = x.shape if num == 1 else (num, *x.shape)
        return jax.random.rademacher(key, shape, x.dtype) if self.trace == "hutchinson" else jax.random.normal(key, shape, x.dtype)
