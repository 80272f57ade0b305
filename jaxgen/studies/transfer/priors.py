"""A prior fitted to the codes of a variational autoencoder: a flow, flow matching or a diffusion in place of the standard Gaussian."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen import data, zoo
from jaxgen.model import Model, encode, log_prob
from jaxgen.objectives import with_prior
from jaxgen.studies.effects import figure_rows
from jaxgen.studies.fits import EQUAL_STEPS, SAME_STAGE
from jaxgen.studies.predicted import predicted
from jaxgen.studies.study import Row, completed
from jaxgen.studies.transfer.transfer import Transfer, distance, plane
from jaxgen.training import Entry, fit
from jaxgen.types import Params

BOUND, SW2, BETWEEN = "negative bound in nats", "SW2", "between priors"
GAUSSIAN, FLOW, MATCHING, DIFFUSION = "standard Gaussian", "flow", "flow matching", "diffusion"


class _Codes(NamedTuple):
    """One autoencoder that has been trained: its params, and its codes in units of mean 0 and standard deviation 1."""

    params: Params
    units: dict[str, jax.Array]
    codes: np.ndarray


class _Setting(NamedTuple):
    """One data set: its events, its autoencoder, the width of the priors' networks and how a model is judged."""

    train: np.ndarray
    vae: Entry
    width: int
    judge: Callable[[Model, Params], dict[str, float]]


def compare_priors(setting: _Setting, seed: int, steps: int) -> list[Row]:
    """Train an autoencoder, then each prior on its codes for as many steps, and an autoencoder for all these steps.

    Args:
        setting: The data set.
        seed: The seed.
        steps: The number of steps of each stage.
    """
    keys = jax.random.split(jax.random.key(seed), 4)
    first = _codes(keys[1], setting, completed(fit(keys[0], setting.vae, setting.train, steps, progress=False)).params)
    longer = completed(fit(keys[0], setting.vae, setting.train, 2 * steps, progress=False)).params
    figures = {GAUSSIAN: setting.judge(setting.vae.model, first.params)}
    for name, entry in _priors(first.codes.shape[1:], setting.width).items():
        prior = completed(fit(keys[2], entry, first.codes, steps, progress=False)).params
        model = with_prior(setting.vae.model, entry.models["ode"] if name == DIFFUSION else entry.model)
        figures[name] = setting.judge(model, (prior, first.units, first.params))
    rows = figure_rows(setting.judge(setting.vae.model, longer), protocol=EQUAL_STEPS, arm=GAUSSIAN, differences=(BOUND,))
    for protocol in (SAME_STAGE, EQUAL_STEPS, BETWEEN):
        reference = MATCHING if protocol == BETWEEN else GAUSSIAN
        for name, values in figures.items():
            if name == GAUSSIAN and protocol != SAME_STAGE:
                continue
            against = None if name == reference else reference
            rows += figure_rows(values, protocol=protocol, arm=name, against=against, differences=(BOUND,))
    return rows


def _codes(key: jax.Array, setting: _Setting, params: Params) -> _Codes:
    """Draw one code of each training event, a slice of them at a time."""
    slices = np.array_split(np.arange(len(setting.train)), max(1, len(setting.train) // 10_000))
    keys = jax.random.split(key, len(slices))
    codes = [encode(setting.vae.model, params, setting.train[s], key=k)["latent"] for s, k in zip(slices, keys, strict=True)]
    z = np.concatenate([np.asarray(code) for code in codes])
    loc, scale = z.mean(0), z.std(0)
    return _Codes(params, {"loc": jnp.asarray(loc), "log_scale": jnp.log(jnp.asarray(scale))}, (z - loc) / scale)


def _priors(shape: tuple[int, ...], width: int) -> dict[str, Entry]:
    return {
        FLOW: zoo.build("nsf", event_shape=shape, width=width, num_layers=4),
        MATCHING: zoo.build("cfm", event_shape=shape, width=width, num_steps=16),
        DIFFUSION: zoo.build("edm", event_shape=shape, width=width, num_ode_steps=24),
    }


def run_plane(seed: int, steps: int) -> list[Row]:
    """Compare priors behind the autoencoder of eight modes in the plane.

    Args:
        seed: The seed.
        steps: The number of steps of each stage.
    """
    name, test = "eight_gaussians", data.draw("eight_gaussians", seed + 500, 2_000)

    def judge(model: Model, params: Params) -> dict[str, float]:
        return {BOUND: _negative_bound(model, params, test, seed), SW2: distance(model, params, name, seed)}

    vae = zoo.build("vae", event_shape=(2,), latent_dim=2, width=64, depth=3)
    return compare_priors(_Setting(plane(name, seed), vae, 64, judge), seed, steps)


def run_mnist(seed: int, steps: int) -> list[Row]:
    """Compare priors behind the autoencoder of binarised MNIST.

    Args:
        seed: The seed.
        steps: The number of steps of each stage.
    """
    try:
        images = data.load("binarised_mnist", pixels="discrete")
    except data.DataError as error:
        return [{"status": f"not run: {error}"}]
    test = images.test[:1_000]
    vae = zoo.build("vae", event_shape=images.train.shape[1:], latent_dim=16, width=256, depth=1)

    def judge(model: Model, params: Params) -> dict[str, float]:
        return {BOUND: _negative_bound(model, params, test, seed)}

    return compare_priors(_Setting(images.train, vae, 128, judge), seed, steps)


def _negative_bound(model: Model, params: Params, test: np.ndarray, seed: int) -> float:
    """Return minus the evidence lower bound, of one draw an event: all models of a seed see the same draws of the posterior."""
    return -float(np.mean(np.asarray(log_prob(model, params, test, key=jax.random.key(seed)).value, np.float64)))


def _pick(name: str, protocol: str, arm: str) -> dict[str, Any]:
    return {"transfer": name, "protocol": protocol, "arm": arm, "figure": BOUND}


_PLANE, _MNIST = "priors of codes, eight modes", "priors of codes, binarised MNIST"

PRIORS_PLANE = Transfer(
    _PLANE,
    200,
    2_000,
    run_plane,
    (
        predicted(
            "In the plane a flow-matching prior on the same autoencoder lowers the negative bound, from the same first stage.",
            "The interval of the difference is not below 0.",
            lambda c: c.effect.high < 0,
            _pick(_PLANE, SAME_STAGE, MATCHING),
        ),
    ),
)
PRIORS_MNIST = Transfer(
    _MNIST,
    60,
    1_500,
    run_mnist,
    (
        predicted(
            "On binarised MNIST a flow-matching prior on the same autoencoder gains at least 2 nats, from the same first stage.",
            "The mean difference of the negative bound is above -2.",
            lambda c: c.effect.mean <= -2,
            _pick(_MNIST, SAME_STAGE, MATCHING),
        ),
        predicted(
            "It loses against an autoencoder that is trained for all these steps, if that one has not converged.",
            "The interval of the difference is not above 0, in equal steps.",
            lambda c: c.effect.low > 0,
            _pick(_MNIST, EQUAL_STEPS, MATCHING),
        ),
        predicted(
            "Flow, flow matching and diffusion are within 1 nat of each other as priors of one autoencoder.",
            "A mean difference to flow matching is beyond 1 nat.",
            lambda flow, diffusion: max(abs(flow.effect.mean), abs(diffusion.effect.mean)) <= 1,
            _pick(_MNIST, BETWEEN, FLOW),
            _pick(_MNIST, BETWEEN, DIFFUSION),
        ),
    ),
)
