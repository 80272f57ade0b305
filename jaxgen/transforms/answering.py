"""A transform that answers any question of its event: whatever is given stands in the sample, and the density is that of the rest."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxgen.lifting import lifted
from jaxgen.lifting import nfe as nfe_of
from jaxgen.refusals import require_transform
from jaxgen.roles import coded, roles_of
from jaxgen.transform import Forward, Hooks, Maps, Part, Preimage, Questions, Transform
from jaxgen.types import Cond, Event, Key, Noise, Params

Rest = Callable[[jax.Array], jax.Array]
"""A function `z -> log density` of one coordinate's noise, elementwise."""


def answering(f: Transform, rest: Rest | None = None) -> Transform:
    """Build the transform whose condition is a partly known row, from one that is told the roles of the coordinates.

    The condition is a row `(d,)` with NaN where nothing is given. A sample has the given values in their places. The log density of an event
    is that of the coordinates that are neither given nor NaN in the event, given the given ones; so the density of a row with gaps is the
    marginal density of what stands in it. Without a condition nothing is given.

    Args:
        f: A transform of vectors `(d,)` whose condition is `jaxgen.roles.coded` of the roles, and which lets nothing but given values reach
            the coordinates that are asked for. `objectives.any_subset` trains it.
        rest: What `f` and the base count for a coordinate that is not asked for and has the noise z, whose event is then z times a
            constant: a log density. None if they count nothing for it, as `autoregressive_columns(roles=True)`.

    Returns:
        A transform with the params and the kind of density of `f`, which `jaxgen.sample(..., given=)` and `jaxgen.log_prob(..., of=,
        given=)` ask.

    Source: arXiv 1806.02382, for one model of all conditionals.

    >>> import jax.numpy as jnp
    >>> from jaxgen import transforms
    >>> f = transforms.answering(transforms.affine(0.0, 1.0), lambda z: -0.5 * z**2)
    >>> f.forward((), jnp.asarray([0.3, 0.4]), jnp.asarray([jnp.nan, 5.0])).round(1).tolist()
    [0.3, 5.0]
    """
    require_transform("answering: f", f)

    def init(key: Key, z: Noise, /, cond: Cond = None) -> Params:
        return f.init(key, z, coded(roles_of(cond, z)))

    def forgotten(z: jax.Array, asked: jax.Array) -> jax.Array:
        """What is counted for coordinates that are not asked for."""
        return jnp.zeros((), z.dtype) if rest is None else jnp.sum(jnp.where(asked, 0, rest(z)), -1)

    def lift(batched: bool, g: Maps) -> Maps:
        g_inverse, g_log_det = g.inverse, g.forward_and_log_det

        def forward(params: Params, z: Noise, /, cond: Cond = None) -> Event:
            roles = roles_of(cond, z)
            return jnp.where(roles.given, roles.values, g.forward(params, z, coded(roles)))

        def inverse(params: Params, x: Event, /, cond: Cond = None, key: Key | None = None) -> Preimage:
            assert g_inverse is not None
            roles = roles_of(cond, x)
            pre = g_inverse(params, jnp.where(roles.asked, x, 0), coded(roles), key)
            return pre._replace(log_det=pre.log_det - forgotten(jnp.zeros_like(x), roles.asked))

        def forward_and_log_det(params: Params, z: Noise, /, cond: Cond = None) -> tuple[Event, jax.Array]:
            assert g_log_det is not None
            roles = roles_of(cond, z)
            x, log_det = g_log_det(params, z, coded(roles))
            return jnp.where(roles.given, roles.values, x), log_det + forgotten(z, roles.asked)

        return Maps(forward, inverse if g_inverse else None, forward_and_log_det if g_log_det else None)

    def nfe(params: Params, z: Noise, /, cond: Cond = None) -> jax.Array | int:
        return nfe_of(f)(params, z, coded(roles_of(cond, z)))

    return lifted(
        lambda change: answering(change(f), rest),
        lift,
        init,
        f,
        hooks=Hooks(_pinned_stages(f.hooks.stages), nfe, questions=Questions()),
        parts={name: _told(part) for name, part in f.parts.items()},
    )


def _pinned_stages(stages: Forward | None) -> Forward | None:
    """Return the states on the way, in which the given values stand from the beginning."""
    if stages is None:
        return None

    def pinned(params: Params, z: Noise, /, cond: Cond = None) -> jax.Array:
        roles = roles_of(cond, z)
        return jnp.where(roles.given[None], roles.values[None], stages(params, z, coded(roles)))

    return pinned


def _told(part: Part) -> Part:
    def function(params: Params, x: Event, *args: Any, cond: Cond = None, **named: Any) -> Any:
        return part(params, x, *args, cond=coded(roles_of(cond, x)), **named)

    return part._replace(function=function)
