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
# # Base, transform, objective
#
# A deep generative model is a *probability transformation function* (arXiv 2506.17171): draw noise `z` from a simple distribution, return
# `x = forward(params, z)`. Families differ in how `params` are found, not in what happens when you sample.
#
# So a model is three choices, and this library has three nouns for them:
#
# | noun | question it answers |
# |---|---|
# | base | what noise is consumed? |
# | transform | how does noise become data? |
# | objective | how are the params found? |
#
# This notebook builds each of them from nothing, then swaps them one at a time. It takes a minute or two on two cores.
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/jaxgen/jaxgen/blob/gh-pages/notebooks/01_base_transform_objective.ipynb)

# %%
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

import jaxgen
from jaxgen import Preimage, bijection, chain, invert, on
from jaxgen.objectives import energy, flow_matching, maximum_likelihood
from jaxgen.training import adam

key = jax.random.key(0)
data = jaxgen.data.load("two_moons", num_train=20_000, num_test=2_000)


def scatter(**clouds):
    """One square panel for each named array of points (n, 2)."""
    figure, panels = plt.subplots(1, len(clouds), figsize=(3 * len(clouds), 3), sharex=True, sharey=True, squeeze=False)
    for panel, (name, points) in zip(panels[0], clouds.items(), strict=True):
        panel.scatter(*np.asarray(points[:1_500]).T, s=2)
        panel.set(title=name.replace("_", " "), xlim=(-3, 3), ylim=(-3, 3), aspect="equal")
    plt.close(figure)
    return figure


# %% [markdown]
# ## The first noun: base
#
# A base is a distribution *without parameters*. It answers two questions: `sample` and `log_prob`.

# %%
base = jaxgen.bases.normal((2,))
z = base.sample(seed=key, sample_shape=(3,))
by_hand = -0.5 * jnp.sum(z**2, axis=-1) - jnp.log(2 * jnp.pi)
np.testing.assert_allclose(base.log_prob(z), by_hand, rtol=1e-5)
z, base.log_prob(z)

# %% [markdown]
# Noise is a pytree. A stochastic sampler consumes a start *and* an increment at every step, so its base holds both. All randomness that shapes
# a sample is in the base; that is why `forward` needs no key and a sampler is a function one can plot, invert or export.

# %%
jax.tree.map(jnp.shape, jaxgen.bases.diffusion_noise((2,), num_steps=100).sample(seed=key))

# %% [markdown]
# ## The second noun: transform
#
# A transform is a tuple of pure functions of explicit params, and it sees *one* event; batching happens elsewhere. This one bends the plane:
# the second coordinate is lifted by a multiple of the first one squared.


# %%
def bend():
    def lift(params, x):
        return params["curve"] * x[0] ** 2

    return bijection(
        init=lambda key, z, cond=None: {"curve": jnp.ones((), z.dtype)},
        # The image, and the log-determinant beside it: a shear keeps areas, so it is zero.
        forward_and_log_det=lambda params, z, cond=None: (z.at[1].add(lift(params, z)), jnp.zeros((), z.dtype)),
        # The preimage, and the log-determinant of the inverse map.
        inverse=lambda params, x, cond=None, key=None: Preimage(x.at[1].add(-lift(params, x)), log_det=jnp.zeros((), x.dtype)),
    )


f = bend()
params = f.init(key, z[0])
x = f.forward(params, z[0])
np.testing.assert_allclose(f.inverse(params, x).z, z[0], atol=1e-6)
z[0], x

# %% [markdown]
# ### Chain, invert, on
#
# Three combinators build larger transforms from small ones. `chain` applies its first argument first, and its params are the tuple of the
# parts' params. Here a learnable Gaussian (`triangular_affine`: a shift and a triangular matrix) goes in front of the bend.

# %%
banana = chain(jaxgen.transforms.triangular_affine(), bend())
params = banana.init(key, z[0])
gaussian, curve = params
gaussian["tril"] = jnp.array([[1.0, 0.0], [0.3, 0.25]])
params = (gaussian, {"curve": jnp.array(0.4)})
model = jaxgen.Model(base, banana)
x = jaxgen.sample(key, model, params, 1_500)
scatter(noise=base.sample(seed=key, sample_shape=(1_500,)), banana=x)

# %% [markdown]
# `invert` turns a bijection around: data becomes noise. Applied to samples it gives the standard Gaussian back.

# %%
back = jax.vmap(lambda x: invert(banana).forward(params, x))(x)
np.testing.assert_allclose(np.cov(back.T), np.eye(2), atol=0.15)
back.mean(0).round(2), back.std(0).round(2)

# %% [markdown]
# `on` applies a transform to one leaf of a noise that is a dict. A learnable base is nothing but a transform in front of a fixed one.

# %%
two_leaves = jaxgen.bases.latent_and_noise((2,), (3,)).sample(seed=key)
shifted = on("latent", jaxgen.transforms.affine(10.0, 1.0))
jax.tree.map(lambda a: a.round(1), shifted.forward((), two_leaves))

# %% [markdown]
# ## One density identity
#
# If `x = forward(z)` then `log p(x) = log p(z) + log|det d inverse / dx|`. Every density in the library is this sum,
#
#     base.log_prob(z) + log_det - log_q
#
# where `log_q` is the density of whatever `inverse` had to draw (zero here). A wrong sign of `log_det` survives any round trip, so the check
# that counts is against the determinant of the Jacobian itself, in float64:

# %%
with jax.enable_x64(True):
    exact_params = jax.tree.map(lambda a: np.asarray(a, np.float64), params)
    point = np.array([0.4, -0.7])
    jacobian = jax.jacfwd(banana.forward, argnums=1)(exact_params, point)
    claimed = banana.forward_and_log_det(exact_params, point)[1]
    np.testing.assert_allclose(claimed, np.linalg.slogdet(jacobian).logabsdet, rtol=1e-12)
    print(float(claimed), np.log(1.0 * 0.25))

# %% [markdown]
# And a density integrates to one:

# %%
side = jnp.linspace(-6, 14, 400)
cells = jnp.stack(jnp.meshgrid(side, side, indexing="ij"), -1).reshape(-1, 2)
lp = jaxgen.log_prob(model, params, cells)
mass = float(jnp.exp(lp.value).sum() * (side[1] - side[0]) ** 2)
np.testing.assert_allclose(mass, 1, atol=1e-3)
mass, lp.density

# %% [markdown]
# `lp.density` says which kind of number it is: `exact`, `unbiased` (an estimate), a `lower bound`, or `implicit`: none at all.
#
# ## The third noun: objective
#
# An objective takes a model and says how its params are found. An `Entry` binds model, objective and optimiser, and `fit` trains it.

# %%
entry = jaxgen.Entry(model, maximum_likelihood(model), adam(3e-2))
fitted = jaxgen.fit(jax.random.key(1), entry, x, num_steps=300)
learned_gaussian, learned_curve = fitted.params
print("curve", float(learned_curve["curve"]), "of 0.4")
assert abs(learned_curve["curve"] - 0.4) < 0.05

# %% [markdown]
# ### One transform, two objectives
#
# A neural velocity field, integrated from t = 0 (noise) to t = 1 (data), is a transform. There are two well-known ways to find its params:
#
# - maximise the likelihood *through* the ODE: a continuous normalizing flow (`cnf`);
# - regress the velocity on that of straight lines between noise and data: flow matching (`cfm`).
#
# Base and transform are the same object below. Only the line with the objective differs.

# %%
net = jaxgen.nets.time_mlp(2, width=64, depth=3)


def flow(solver=None):
    return jaxgen.transforms.ode_flow(lambda key, z, cond=None: net.init(key, z, jnp.zeros(()), cond), net.apply, solver=solver)


model = jaxgen.Model(base, flow())
while_training = jaxgen.Model(base, flow(jaxgen.numerics.fixed(6, "midpoint")))  # the same params, on a grid of known cost

objectives = {
    "flow matching": (flow_matching(model), 3_000),
    "maximum likelihood": (maximum_likelihood(while_training), 300),
}
ode_params = {}
for name, (objective, num_steps) in objectives.items():
    entry = jaxgen.Entry(model, objective, adam(5e-3))
    fitted = jaxgen.fit(key, entry, data.train, num_steps)
    ode_params[name] = fitted.params
    nll = -jaxgen.log_prob(model, fitted.params, data.test).value.mean()
    print(f"{name}: {num_steps} steps in {fitted.history['train_seconds']:.0f} s, test NLL {nll:.3f} of {data.entropy:.3f} nats")
    assert nll < 2.2

# %%
scatter(data=data.test, **{name: jaxgen.sample(key, model, p, 1_500) for name, p in ode_params.items()})

# %% [markdown]
# ### The generator of a GAN, without a GAN
#
# A free generator is any network from noise to data. `gan` finds it by a game against a critic. The energy distance needs no opponent: replace the
# objective (and the optimiser, as there is one player now) and keep the rest. It is the duller teacher: a thin gap costs little distance, while a
# critic looks for exactly that.

# %%
gan = jaxgen.zoo.build("gan", event_shape=(2,), width=64)
alone = jaxgen.Entry(gan.model, energy(gan.model), adam(5e-3), card=jaxgen.Card("energy"))
clouds = {}
for entry, num_steps in ((gan, 3_000), (alone, 6_000)):
    fitted = jaxgen.fit(key, entry, data.train, num_steps)
    clouds[entry.card.name] = jaxgen.sample(key, entry.model, fitted.params, 1_500)
    print(f"{entry.card.name}: trained parts besides the generator: {jaxgen.zoo.count_params(fitted.aux)} parameters")
scatter(data=data.test, **clouds)

# %% [markdown]
# Its density is implicit. That is a fact about the transform, and the library says so instead of returning a number:

# %%
try:
    jaxgen.log_prob(gan.model, fitted.params, data.test)
except jaxgen.ImplicitDensityError as error:
    print(error)
try:
    maximum_likelihood(gan.model)
except jaxgen.PairingError as error:
    print(error)

# %% [markdown]
# ## One set of params, several models
#
# A diffusion model's params say how to remove noise. What that is *as a transformation* is a choice made afterwards: a stochastic chain whose
# base holds an increment for each step, a deterministic sampler of a few steps, an ODE. Each is a reading, with its own base and density kind.

# %%
ddpm = jaxgen.zoo.build("ddpm", event_shape=(2,), width=64)
fitted = jaxgen.fit(key, ddpm, data.train, num_steps=3_000)
clouds = {}
for name, reading in ddpm.readings.items():
    lp = jaxgen.log_prob(reading, fitted.params, data.test[:500], key=key)
    clouds[name] = jaxgen.sample(key, reading, fitted.params, 1_500)
    noise = jax.tree.map(jnp.shape, reading.base.sample(seed=key))
    whose = ", the density of the ODE that it approximates" if reading.transform.proxy is not None else ""
    print(f"{name}: noise {noise}; NLL {-lp.value.mean():.2f} ({lp.density}{whose})")
scatter(data=data.test, **clouds)

# %% [markdown]
# ## What sampling needs
#
# A variational autoencoder's encoder is part of the *inverse*: training and the density use it, sampling does not. Nobody has to declare that.
# `sampling_params` traces `forward`, and a parameter that the compiled program does not read is not needed.

# %%
vae = jaxgen.zoo.build("vae", event_shape=(2,), width=32)
vae_params = jaxgen.init(key, vae.model)
needed = jaxgen.sampling_params(vae.model, vae_params)
for part in needed:
    print(part, "needed for sampling:", sorted(set(jax.tree.leaves(needed[part]))))
print(jaxgen.zoo.count_params(vae_params, needed), "of", jaxgen.zoo.count_params(vae_params), "parameters")

# %% [markdown]
# So they can be thrown away, and the samples stay the same:

# %%
emptied = jax.tree.map(lambda a, keep: a if keep else jnp.zeros_like(a), vae_params, needed)
before, after = (jaxgen.sample(key, vae.model, p, 1_000) for p in (vae_params, emptied))
np.testing.assert_array_equal(before, after)

# %% [markdown]
# That is the whole idea. `jaxgen/transform.py`, `jaxgen/model.py` and `jaxgen/objective.py` are its specification, each zoo entry is about
# thirty lines of base, transform and objective, and `jaxgen compare --data two_moons` shows all of them side by side.
