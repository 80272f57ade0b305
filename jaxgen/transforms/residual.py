"""The residual flow: the map from data to noise is the identity plus a contraction."""

import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.nets import Net
from jaxgen.numerics import contraction_root, contraction_steps, roulette_log_det
from jaxgen.numerics.small_matrices import log_abs_det
from jaxgen.transform import Density, Hooks, Maps, Preimage, Transform, require_key
from jaxgen.types import Cond, Event, Key, Noise, Params


def residual(net: Net, *, lipschitz: float = 0.9, log_det: str = "exact", num_terms: int = 4, survival: float | None = None) -> Transform:
    """Build a residual flow `z = x + g(x)` on events `(d,)`, with a contraction `g`.

    The density of data, and so training, costs one network evaluation and a log-determinant. `forward` solves `x + g(x) = z` by iteration
    to the precision of the dtype; its derivatives follow from the implicit function theorem.

    Args:
        net: The network `g(x, cond)`, whose Lipschitz constant in `x` is at most `lipschitz`, such as `nets.lipschitz_mlp`.
        lipschitz: The Lipschitz constant of `g`, between 0 and 1.
        log_det: How `log|det(I + dg/dx)|` is computed. "exact" takes d forward-mode products. "roulette" takes a randomly truncated power
            series with one probe; its value and its gradients are unbiased, see `numerics.roulette_log_det`.
        num_terms: How many terms of the series "roulette" always takes.
        survival: The probability with which "roulette" takes each further term, between `lipschitz^2`, below which the variance may be
            infinite, and 1. None takes `lipschitz^1.5`.

    Returns:
        A transform whose params are the network's. It is EXACT with the exact log-determinant. With "roulette" it is UNBIASED, needs a key
        and has no `forward_and_log_det`; `refine(level, exact=True)` returns the exact one.

    Raises:
        ValueError: `log_det` is unknown, `lipschitz` or `survival` is out of range, or `num_terms` is below 1.

    Source: arXiv 1811.00995, algorithm 1; arXiv 1906.02735, equation 6.

    >>> import jax, jax.numpy as jnp
    >>> from jaxgen import nets, transforms
    >>> f = transforms.residual(nets.lipschitz_mlp(2, width=4, depth=1))
    >>> params = f.init(jax.random.key(0), jnp.zeros(2))
    >>> f.inverse(params, jnp.ones(2)).z.tolist()
    [1.0, 1.0]
    """
    survival = _checked(lipschitz, log_det, num_terms, survival)

    def g(theta: tuple[Params, Cond], x: jax.Array) -> jax.Array:
        return net.apply(theta[0], x, theta[1])

    def with_exact_log_det(theta: tuple[Params, Cond], x: jax.Array) -> tuple[jax.Array, jax.Array]:
        y, jvp = jax.linearize(lambda x: g(theta, x), x)
        unit = jnp.eye(x.shape[0], dtype=x.dtype)
        return x + y, log_abs_det(unit + jax.vmap(jvp)(unit))

    def init(key: Key, z: Noise, /, cond: Cond = None) -> Params:
        return net.init(key, z, cond)

    def forward(params: Params, z: Noise, /, cond: Cond = None) -> Event:
        return contraction_root(lambda x: g((params, cond), x), z, lipschitz)

    def exact_inverse(params: Params, x: Event, /, cond: Cond = None, key: Key | None = None) -> Preimage:
        return Preimage(*with_exact_log_det((params, cond), x))

    def estimated_inverse(params: Params, x: Event, /, cond: Cond = None, key: Key | None = None) -> Preimage:
        key = require_key("residual", key, "the log-determinant is estimated")
        y, estimate = roulette_log_det(g, (params, cond), x, key, num_terms, survival)
        return Preimage(x + y, estimate)

    def forward_and_log_det(params: Params, z: Noise, /, cond: Cond = None) -> tuple[Event, jax.Array]:
        x = forward(params, z, cond)
        return x, -with_exact_log_det((params, cond), x)[1]

    def refine(level: int, exact: bool = False) -> Transform:
        how = "exact" if exact else log_det
        return residual(net, lipschitz=lipschitz, log_det=how, num_terms=num_terms, survival=survival)

    def nfe(params: Params, z: Noise, /, cond: Cond = None) -> jax.Array:
        return contraction_steps(lambda x: g((params, cond), x), z, lipschitz)

    if log_det == "exact":
        return Transform(init, Maps(forward, exact_inverse, forward_and_log_det), Density.EXACT, hooks=Hooks(nfe=nfe))
    return Transform(init, Maps(forward, estimated_inverse), Density.UNBIASED, hooks=Hooks(nfe=nfe, refine=refine))


def _checked(lipschitz: float, log_det: str, num_terms: int, survival: float | None) -> float:
    if log_det not in ("exact", "roulette"):
        raise ValueError(f'residual: log_det={log_det!r}; accepted: "exact", "roulette".')
    checks.number("residual: lipschitz", lipschitz, above=0, below=1)
    checks.count("residual: num_terms", num_terms)
    if survival is None:
        return lipschitz**1.5
    checks.number("residual: survival", survival, above=lipschitz**2, below=1)
    return survival
