# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Write your own objective
#
# An objective is a tuple of pure functions, and two of them are enough: `init` returns the params and whatever is trained beside them, and
# `loss` returns one scalar for a batch. A good loss is smallest where the model's law is that of the data; check that before you train, by
# giving it samples of the model itself. A game is one scalar too: let each player's loss stop the gradient of the other.
#
# This notebook writes a loss from characteristic functions, then a critic with its game, and trains one generator by both. It takes a
# minute.
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/jaxgen/jaxgen/blob/gh-pages/notebooks/07_write_your_own_objective.ipynb)

# %%
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

import jaxgen
from jaxgen import Objective
from jaxgen.training import adam

key = jax.random.key(0)
data = jaxgen.data.load("two_moons", num_train=20_000, num_test=2_000)


def scatter(**clouds):
    """One square panel for each named array of points (n, 2)."""
    figure, panels = plt.subplots(1, len(clouds), figsize=(2.8 * len(clouds), 2.8), squeeze=False, layout="constrained")
    for panel, (name, points) in zip(panels[0], clouds.items(), strict=True):
        panel.scatter(*np.asarray(points[:1_500]).T, s=2)
        panel.set(title=name.replace("_", " "), xlim=(-3, 3), ylim=(-3, 3), aspect="equal")
    plt.close(figure)
    return figure


# %% [markdown]
# ## A loss
#
# The characteristic function of a law is `φ(w) = E[exp(i w·x)]`, a wave's mean over the law. Two laws are equal if and only if these means
# agree for every `w`. So draw some frequencies, and let the loss be the mean squared difference between the means over samples and over
# data.
#
# The estimate from a batch should be unbiased, or the loss would not be smallest at the truth. The square of a mean over n points is too
# large by its variance / n, which is subtracted.


# %%
def mean_squared_difference(x, y, frequencies):
    """Unbiased estimate of `E_w |φ_X(w) - φ_Y(w)|^2` from two samples of one size."""

    def waves(points):
        phase = points @ frequencies.T
        return jnp.concatenate([jnp.cos(phase), jnp.sin(phase)], axis=1)

    a, b, n = waves(x), waves(y), x.shape[0]
    difference = a.mean(0) - b.mean(0)
    return jnp.sum(difference**2 - (a.var(0, ddof=1) + b.var(0, ddof=1)) / n) / frequencies.shape[0]


# %% [markdown]
# Is it zero where it should be, on average, and positive elsewhere? Two samples of one law, and two of different laws:

# %%
frequencies = 2 * jax.random.normal(key, (128, 2))
pairs = [jax.random.normal(jax.random.key(i), (2, 256, 2)) for i in range(200)]
same = np.array([mean_squared_difference(x, y, frequencies) for x, y in pairs])
other = np.array([mean_squared_difference(x, 1.3 * y, frequencies) for x, y in pairs])
assert abs(same.mean()) < 4 * same.std() / np.sqrt(len(same)) < 0.1 * other.mean()
print(f"one law {same.mean():.5f} +- {same.std() / np.sqrt(len(same)):.5f}; two laws {other.mean():.5f}")

# %% [markdown]
# ## An objective
#
# `loss(params, aux, key, batch, clock)` gets the params, the auxiliaries, a key of its own, the batch, and the time of training. It draws
# noise from the model's base and moves it with the model's transform, which sees one event, so `vmap` is ours to write. It returns the loss
# and numbers to record.


# %%
def characteristic(model, num_frequencies=128, scale=2.0):
    def init(key, params, batch):
        return params, ()

    def loss(params, aux, key, batch, clock):
        key_noise, key_waves = jax.random.split(key)
        z = model.base.sample(seed=key_noise, sample_shape=(len(batch.x),))
        x = jax.vmap(model.transform.forward, (None, 0))(params, z)
        frequencies = scale * jax.random.normal(key_waves, (num_frequencies, x.shape[1]))
        value = mean_squared_difference(x, batch.x, frequencies)
        return value, {"characteristic": value}

    return Objective(init, loss)


# %% [markdown]
# It goes where any objective goes. The transform is a free network from noise to data, which has no density and needs none.

# %%
model = jaxgen.Model(jaxgen.bases.normal((2,)), jaxgen.transforms.generator(jaxgen.nets.mlp(2, width=64, depth=3)))
entry = jaxgen.Entry(model, characteristic(model), adam(5e-3))
fitted = jaxgen.fit(key, entry, data.train, num_steps=2_000)
by_waves = jaxgen.sample(key, model, fitted.params, 2_000)
jaxgen.viz.training(fitted)

# %% [markdown]
# A loss near zero says that the laws agree *at these frequencies*. A distance that the training has not seen is the fair judge, beside that
# of two real samples.

# %%
floor = jaxgen.evaluation.sliced_w2(data.train[:2_000], data.test)
distance = jaxgen.evaluation.sliced_w2(by_waves, data.test)
print(f"sliced 2-Wasserstein distance {distance:.3f}; two real samples {floor:.3f}")
assert distance < 0.3

# %% [markdown]
# Because an objective knows nothing of the transform, the same line trains a flow, whose density can then be read off.

# %%
flow = jaxgen.zoo.build("realnvp", event_shape=(2,), width=32, num_layers=6).model
fitted_flow = jaxgen.fit(key, jaxgen.Entry(flow, characteristic(flow), adam(5e-3)), data.train, num_steps=1_000)
jaxgen.viz.density(flow, fitted_flow.params, data.test)

# %% [markdown]
# ## Two players, one scalar
#
# What is trained beside the params are the auxiliaries `aux`: here a critic D that gives high numbers to data y and low ones to samples x.
# Each player wants to lower its own loss,
#
#     loss of the critic      L_D = mean(softplus(D(x))) + mean(softplus(-D(y))) + a price on steep slopes at the data
#     loss of the generator   L_G = mean(softplus(-D(x)))
#
# and a trainer that takes one gradient of one scalar serves both, if `stop` hides from each loss the other player's params. Look at what
# the gradient of `L_G(theta, stop(phi)) + L_D(stop(theta), phi)` is with respect to `theta`: the second term has none, and the first is the
# generator's own loss.


# %%
def game(model, critic, price=0.1):
    stop, softplus = jax.lax.stop_gradient, jax.nn.softplus

    def score(phi, point):
        return critic.apply(phi, point, None)[0]

    scores = jax.vmap(score, (None, 0))
    slopes = jax.vmap(jax.grad(score, argnums=1), (None, 0))

    def init(key, params, batch):
        return params, critic.init(key, batch.x[0], None)

    def loss(params, aux, key, batch, clock):
        z = model.base.sample(seed=key, sample_shape=(len(batch.x),))
        x = jax.vmap(model.transform.forward, (None, 0))(params, z)
        generators = softplus(-scores(stop(aux), x)).mean()
        critics = softplus(scores(aux, stop(x))).mean() + softplus(-scores(aux, batch.x)).mean()
        steepness = jnp.mean(jnp.sum(slopes(aux, batch.x) ** 2, -1))
        return generators + critics + 0.5 * price * steepness, {"generator": generators, "critic": critics}

    return Objective(init, loss)


# %% [markdown]
# Momentum makes two players chase each other in circles, so their optimisers have none, and the critic takes the longer steps.

# %%
critic = jaxgen.nets.mlp(1, width=64, depth=3)
players = jaxgen.training.players(adam(1e-3, b1=0.0, b2=0.99), adam(2e-3, b1=0.0, b2=0.99))
entry = jaxgen.Entry(model, game(model, critic), players)
fitted = jaxgen.fit(key, entry, data.train, num_steps=3_000)
by_game = jaxgen.sample(key, model, fitted.params, 2_000)
print(f"sliced 2-Wasserstein distance {jaxgen.evaluation.sliced_w2(by_game, data.test):.3f}; two real samples {floor:.3f}")
assert jaxgen.evaluation.sliced_w2(by_game, data.test) < 0.5
scatter(data=data.test, by_waves=by_waves, by_a_game=by_game)

# %% [markdown]
# The critic is in `fitted.aux`. Sampling never reads it, and nobody had to say so.

# %%
print(jaxgen.zoo.count_params(fitted.params), "parameters sample,", jaxgen.zoo.count_params(fitted.aux), "were trained beside them")

# %% [markdown]
# ## What else an objective may say
#
# | field | what it is for |
# |---|---|
# | `update` | change the auxiliaries after a step without a gradient, such as a teacher that follows slowly |
# | `prepare` | pair noise with data on the host before a step, such as an optimal-transport plan |
# | `finish` | turn the trained params into the final ones, such as a Gaussian that is fitted to an autoencoder's codes |
# | `data_free` | learn from an unnormalised density instead of data |
# | `judge` | tell validation how good a model is if the loss does not, as in a game |
# | `additive` | say that a batch may be split over devices, because the loss is a mean over events |
#
# If the loss needs something of the transform, such as a velocity, ask for it with `jaxgen.objective.require`: a wrong pairing is then
# refused by name before anything is compiled. The files of `jaxgen/objectives/` are all written this way, about eighty lines each.
