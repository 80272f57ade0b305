"""The registry of combinators: each is applied to a coarse ODE flow, which has everything that a combinator could forget to forward."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen import bases, numerics
from jaxgen import transforms as T
from jaxgen.combinators import chain, invert, on
from jaxgen.model import Model
from jaxgen.transform import Preimage, Transform, bijection, no_params

D = 2


class Combinator(NamedTuple):
    """A combinator and what it takes.

    make:    `f -> Transform`, of a flow of events `(D,)` whose condition, if it has one, is a vector.
    base:    The base of the whole.
    wrap:    `params -> params` of the whole from those of the flow.
    data:    `(rng, num) -> events` of the whole.
    needs:   "own density" for one that refuses a transform that reports another's, "any" otherwise.
    """

    make: Callable[[Transform], Transform]
    base: Any
    wrap: Callable[[Any], Any] = lambda params: params
    data: Callable[..., np.ndarray] = lambda rng, num: rng.standard_normal((num, D)).astype(np.float32)
    needs: str = "any"


def velocity(params, x, t, cond=None):
    """Linear in the state, so that its flow is known; it turns and grows, and the first number of a condition pushes."""
    push = 0.0 if cond is None else 0.1 * jnp.ravel(cond)[0]
    return jnp.asarray([[0.6, -1.0], [1.0, 0.4]], x.dtype) @ x * params.astype(x.dtype) + jnp.asarray(push, x.dtype)


def init(key, z, cond=None):
    return jnp.full((), 0.8, z.dtype)


@functools.cache
def flow(num_steps: int, method: str = "euler") -> Transform:
    return T.ode_flow(init, velocity, solver=numerics.fixed(num_steps, method))


def sampler() -> Transform:
    """Two jumps that are labelled by the density of the flow."""
    mean_velocity = lambda params, x, t, s, cond=None: velocity(params, x, t, cond)
    return T.flow_map(init, mean_velocity, 2, density="ode", solver=numerics.fixed(2, "euler"))


def images(rng, num):
    return rng.standard_normal((num, 2, 1, D)).astype(np.float32)


def stacked(params):
    return jnp.stack([params, 0.5 * params])


BEHIND, BEFORE = T.affine([0.3, -0.2], [1.5, 0.7]), T.affine(0.1, 0.9)
BOTH = bases.joint({"event": bases.normal((D,)), "extra": bases.normal((D,))})

OPENED = bijection(
    no_params,
    lambda params, z, cond=None: (z["event"], jnp.zeros((), z["event"].dtype)),
    lambda params, x, cond=None, key=None: Preimage({"event": x}, jnp.zeros((), x.dtype)),
)

COMBINATORS = {
    "chain": Combinator(lambda f: chain(BEFORE, f, BEHIND), bases.normal((D,)), lambda p: ((), p, ())),
    "invert": Combinator(invert, bases.normal((D,)), needs="own density"),
    # Opened again, because a certificate is about events that are arrays.
    "on": Combinator(lambda f: chain(on("event", f), OPENED), bases.joint({"event": bases.normal((D,))}), lambda p: (p, ())),
    "in_parallel": Combinator(
        lambda f: T.in_parallel(T.Piece(f, [0, 2], [2, 1]), T.Piece(T.affine(0.1, 0.9), [1], [0])), bases.normal((D + 1,)), lambda p: (p, ()),
        data=lambda rng, num: rng.standard_normal((num, D + 1)).astype(np.float32),
    ),
    "repeat": Combinator(lambda f: T.repeat(f, 2), bases.normal((D,)), stacked),
    "on_condition": Combinator(lambda f: T.on_condition(lambda c: 10 * c, f), bases.normal((D,))),
    "pixelwise": Combinator(T.pixelwise, bases.normal((2, 1, D)), data=images, needs="own density"),
    "on_channels": Combinator(
        lambda f: T.on_channels(T.pixelwise(f), D), bases.normal((2, 1, D + 1)), needs="own density",
        data=lambda rng, num: rng.standard_normal((num, 2, 1, D + 1)).astype(np.float32),
    ),
    "learned_path": Combinator(
        lambda f: T.learned_path(lambda numbers: f, jnp.ones(1)), bases.normal((D,)), lambda p: {"path": jnp.ones(1, p.dtype), "network": p}
    ),
    "augmentation": Combinator(
        lambda f: T.augmentation(D, f), BOTH, data=lambda rng, num: rng.standard_normal((num, 2 * D)).astype(np.float32)
    ),
    "sum_over_preimages": Combinator(
        lambda f: T.sum_over_preimages(bases.normal((D,)), f, T.absolute()), bases.normal((D,)),
        data=lambda rng, num: np.abs(rng.standard_normal((num, D))).astype(np.float32) + 0.1,
    ),
    "indexed": Combinator(
        lambda f: T.indexed(bases.normal((D,)), f, 2), bases.joint({"event": bases.normal((D,)), "index": bases.uniform(())}),
        lambda p: {"inner": p, "logits": jnp.zeros(2, p.dtype)},
    ),
    "mixture": Combinator(
        lambda f: T.mixture(Model(bases.normal((D,)), f), Model(bases.normal((D,)), BEHIND)),
        bases.mixture_noise(bases.normal((D,)), bases.normal((D,))), lambda p: {"logits": jnp.zeros(2, p.dtype), "parts": (p, ())},
    ),
    "slicing": Combinator(
        lambda f: T.slicing(D, f), bases.normal((2 * D,)), needs="own density",
        data=lambda rng, num: rng.standard_normal((num, D)).astype(np.float32),
    ),
    "variational_dequantisation": Combinator(
        T.variational_dequantisation, bases.normal((D,)), needs="own density",
        data=lambda rng, num: rng.integers(-2, 3, (num, D)).astype(np.float32),
    ),
}  # fmt: skip


def params_of(name: str, dtype=jnp.float32) -> Any:
    return COMBINATORS[name].wrap(jnp.full((), 0.8, dtype))


def noise_of(name: str, num: int) -> Any:
    return COMBINATORS[name].base.sample(seed=jax.random.key(3), sample_shape=(num,))
