"""A sampler whose noise schedule is learnt with its network: the schedule's numbers are params (arXiv 2107.00630, section 4)."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxgen.transform import Density, Preimage, Transform


def learned_path(make: Callable[[Any], Transform], start: Any) -> Transform:
    """`make(numbers)` with its numbers as params: the params are `{"path": numbers, "network": those of make(numbers)}`.

    make: builds a sampler from a pytree of arrays that it gives to a path, such as `ancestral` on `paths.vp_log_snr(*numbers)`; it is called
        while traced, so what it builds may not look at the numbers (`ancestral`, `euler_maruyama` and `dpm_solver_sde` do not).
    start: the numbers that `init` returns.

    Density, parts and noise are those of `make(start)`; trained by `objectives.variational_bound` with `path` a function of the params.
    """
    first = make(start)

    def init(key: jax.Array, z: Any, cond: Any = None) -> Any:
        dtype = jnp.result_type(*jax.tree.leaves(z))
        return {"path": jax.tree.map(lambda a: jnp.asarray(a, dtype), start), "network": first.init(key, z, cond)}

    def forward(params: Any, z: Any, cond: Any = None) -> Any:
        return make(params["path"]).forward(params["network"], z, cond)

    def inverse(params: Any, x: Any, cond: Any = None, key: Any = None) -> Preimage:
        back = make(params["path"]).inverse
        assert back is not None
        return back(params["network"], x, cond, key)

    def lifted(name: str) -> Callable[..., Any]:
        return lambda params, *args, **kwargs: make(params["path"]).parts[name](params["network"], *args, **kwargs)

    has_inverse = first.inverse is not None and first.density is not Density.IMPLICIT
    return Transform(
        init,
        forward,
        inverse if has_inverse else None,
        density=first.density,
        parts={name: lifted(name) for name in first.parts},
        note=first.note,
    )
