"""A game on a flow whose density is known (Flow-GAN): what becomes of the likelihood, and what the sum of both objectives does."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen import data, zoo
from jaxgen.model import log_prob
from jaxgen.nets import mlp
from jaxgen.objectives import adversarial, maximum_likelihood, weighted_sum
from jaxgen.studies.fits import EQUAL_STEPS, SAME_STAGE, Arm, Training, two_protocols
from jaxgen.studies.predicted import predicted
from jaxgen.studies.study import Row
from jaxgen.studies.transfer.transfer import Transfer, distance, plane
from jaxgen.training import Entry, adam, players
from jaxgen.types import Params

DATA, NAME, SW2, NLL, SINGULAR = "eight_gaussians", "game on a flow", "SW2", "NLL in nats", "log10 smallest singular value"
MOST = 1e6
"""Nats that an event counts at most: a density that underflows in float32 is not infinitely improbable."""
LIKELIHOOD, GAME, HYBRID = "likelihood", "game", "likelihood + game"


def run(seed: int, steps: int) -> list[Row]:
    """Train one flow by its likelihood, by a game alone and by the sum of both.

    Args:
        seed: The seed.
        steps: The number of steps from scratch.
    """
    test = data.draw(DATA, seed + 500, 4_000)

    def judge(entry: Entry, params: Params) -> Mapping[str, float]:
        log_density = np.nan_to_num(np.asarray(log_prob(entry.model, params, test).value, np.float64), nan=-MOST, neginf=-MOST)
        nll = -float(np.mean(np.maximum(log_density, -MOST)))
        return {SW2: distance(entry.model, params, DATA, seed), NLL: nll, SINGULAR: smallest_singular(entry, params, seed)}

    arms = [Arm(name, _entry(name)) for name in (LIKELIHOOD, GAME, HYBRID)]
    return two_protocols(arms, Training(seed, steps, plane(DATA, seed)), judge, differences=(NLL, SINGULAR))


def smallest_singular(entry: Entry, params: Params, seed: int, num: int = 2_000) -> float:
    """Return the median over noise of log10 of the Jacobian's smallest singular value, of a map of the plane.

    Args:
        entry: The flow.
        params: Its params.
        seed: The seed of the noise.
        num: The number of draws of noise.
    """

    def smallest(z: jax.Array) -> jax.Array:
        jacobian = jax.jacfwd(lambda z: entry.model.transform.forward(params, z))(z)
        # |det| over the largest one: of a nearly singular matrix the smallest singular value itself is lost in rounding.
        return (jnp.linalg.slogdet(jacobian)[1] - jnp.log(jnp.linalg.norm(jacobian, 2))) / jnp.log(10.0)

    z = entry.model.base.sample(seed=jax.random.key(seed), sample_shape=(num,))
    return float(jnp.median(jax.jit(jax.vmap(smallest))(z)))


def _entry(name: str) -> Entry:
    model = zoo.build("realnvp", event_shape=(2,), num_layers=8).model
    likelihood = maximum_likelihood(model)
    if name == LIKELIHOOD:
        return Entry(model, likelihood, adam(3e-3))
    game = adversarial(model, mlp(1, width=64, depth=3, activation="leaky_relu"), r1=0.1)
    objective = game if name == GAME else weighted_sum({"game": game, "nll": likelihood}, {"game": 1.0, "nll": 1.0})
    return Entry(model, objective, players(adam(1e-3, b1=0.0, b2=0.99), adam(2e-3, b1=0.0, b2=0.99)))


def _pick(protocol: str, arm: str, figure: str) -> dict[str, Any]:
    return {"transfer": NAME, "protocol": protocol, "arm": arm, "figure": figure}


FLOW_GAME = Transfer(
    NAME,
    200,
    2_000,
    run,
    (
        predicted(
            "A game alone costs a flow at least 100 nats of NLL on eight modes, in equal steps, while its SW2 stays within 5 times the one "
            "of likelihood.",
            "The mean difference is below 100 nats, or the SW2 ratio above 5.",
            lambda nll, sw2: nll.effect.mean >= 100 and sw2.effect.mean <= 5,
            _pick(EQUAL_STEPS, GAME, NLL),
            _pick(EQUAL_STEPS, GAME, SW2),
        ),
        predicted(
            "The Jacobian says why: its median smallest singular value is at least ten times smaller after the game.",
            "The mean difference of log10 is above -1.",
            lambda singular: singular.effect.mean <= -1,
            _pick(EQUAL_STEPS, GAME, SINGULAR),
        ),
        predicted(
            "The hybrid is a null against likelihood alone: neither its NLL nor its SW2 is better, from the same first stage.",
            "The interval of the NLL difference lies below 0, or that of the SW2 ratio below 1.",
            lambda nll, sw2: nll.effect.high >= 0 and sw2.effect.high >= 1,
            _pick(SAME_STAGE, HYBRID, NLL),
            _pick(SAME_STAGE, HYBRID, SW2),
        ),
    ),
)
