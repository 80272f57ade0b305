"""A sampler whose noise schedule is learnt with its network: the schedule's numbers are params (arXiv 2107.00630, section 4)."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxgen.lifting import lifted, nfe, over_batch, stages
from jaxgen.transform import Hooks, Maps, Part, Transform
from jaxgen.types import Cond, Key, Noise, Params, PyTree


def learned_path(make: Callable[[PyTree], Transform], start: PyTree) -> Transform:
    """Build the sampler `make(numbers)` with its numbers as params.

    The params are `{"path": numbers, "network": params}`, with the params of `make(numbers)`.

    It is trained by `objectives.variational_bound` with `path` a function of the params.

    Args:
        make: Builds a sampler from a pytree of arrays, such as `ancestral` on `paths.vp_log_snr(*numbers)`. It is called while traced, so
            what it builds may not look at the numbers; `ancestral`, `euler_maruyama` and `dpm_solver_sde` do not.
        start: The numbers that `init` returns.

    Returns:
        A transform with the kind of density, the parts and the noise of `make(start)`.

    Source: arXiv 2107.00630, section 4.

    >>> import jax.numpy as jnp, jaxgen
    >>> scaled = learned_path(lambda scale: jaxgen.transforms.diagonal_affine(), 2.0)
    >>> sorted(scaled.init(jax.random.key(0), jnp.zeros(1)))
    ['network', 'path']
    """
    first = make(start)

    def init(key: Key, z: Noise, /, cond: Cond = None) -> Params:
        dtype = jnp.result_type(*jax.tree.leaves(z))
        return {"path": jax.tree.map(lambda a: jnp.asarray(a, dtype), start), "network": first.init(key, z, cond)}

    def of(function: Callable[[Transform], Any], exists: object = True) -> Any:
        """A function of the sampler at the params' numbers, with the network's params filled in; None if it does not exist."""
        return (lambda params, *args, **named: function(make(params["path"]))(params["network"], *args, **named)) if exists else None

    def lift(batched: bool, maps: Maps) -> Maps:
        here = over_batch if batched else lambda f: f.one
        return Maps(
            of(lambda f: here(f).forward),
            of(lambda f: here(f).inverse, maps.inverse),
            of(lambda f: here(f).forward_and_log_det, maps.forward_and_log_det),
        )

    return lifted(
        lambda change: learned_path(lambda numbers: change(make(numbers)), start),
        lift,
        init,
        first,
        hooks=Hooks(of(stages), of(nfe)),
        parts={name: Part(of(lambda f, name=name: f.parts[name]), part.space) for name, part in first.parts.items()},
    )
