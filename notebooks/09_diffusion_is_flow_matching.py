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
# # Diffusion is flow matching
#
# Mix data and noise, `x_t = alpha(t) x + sigma(t) z`, and train a network to guess what was mixed. Whether it guesses the noise
# (diffusion), the clean data (a denoiser), the score, or the velocity (flow matching) is a choice of coordinates: each is a linear function
# of any other and of `x_t`, so **one network has every reading**. Which path it was trained on can be changed afterwards, and a sampler is
# a way to solve the ODE or the SDE that the reading defines. The losses differ in one thing, the weight of each time.
#
# This notebook trains one network by flow matching and then samples it by every sampler of the diffusion literature. It takes a minute on
# two cores.
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/jaxgen/jaxgen/blob/gh-pages/notebooks/09_diffusion_is_flow_matching.ipynb)

# %%
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

import jaxgen
from jaxgen import objectives, paths, transforms
from jaxgen.training import adam

key = jax.random.key(0)
data = jaxgen.data.load("two_moons", num_train=20_000, num_test=2_000)

# %% [markdown]
# ## One network, trained by flow matching
#
# On the straight path `alpha = t`, `sigma = 1 - t`, the velocity of a point that moves from its noise to its data is `x - z`. Flow matching
# regresses on it.

# %%
net = jaxgen.nets.time_mlp(2, width=96, depth=3)


def init(key, z, cond=None):
    """Params of the network, which sees points of the plane whatever the noise of a sampler is."""
    return net.init(key, jnp.zeros(2), jnp.zeros(()), cond)


straight = paths.linear()
learned = paths.prediction(straight, net.apply, "velocity")
flow = jaxgen.Model(jaxgen.bases.normal((2,)), transforms.probability_flow(init, learned))
fitted = jaxgen.fit(key, jaxgen.Entry(flow, objectives.flow_matching(flow), adam(5e-3)), data.train, num_steps=4_000)
params = fitted.params
jaxgen.viz.training(fitted)

# %% [markdown]
# ## Every reading
#
# `paths.prediction` solves two equations with two unknowns: `x_t = alpha x + sigma z` and the network's own guess. Here are all readings at
# one point and time, and the equations that tie them together.

# %%
point, t = jnp.array([0.3, -0.6]), jnp.asarray(0.7)
alpha, sigma = straight.alpha(t), straight.sigma(t)
denoiser, eps = learned.denoiser(params, point, t), learned.eps(params, point, t)
np.testing.assert_allclose(alpha * denoiser + sigma * eps, point, atol=1e-5)
np.testing.assert_allclose(denoiser - eps, learned.velocity(params, point, t), atol=1e-5)
np.testing.assert_allclose(-eps / sigma, learned.score(params, point, t), atol=1e-4)
{name: getattr(learned, name)(params, point, t).round(3).tolist() for name in ("velocity", "denoiser", "eps", "score", "v")}

# %% [markdown]
# Is the reading as a score really the gradient of a log density? The density at time t is the data's, shrunk by alpha and blurred by sigma;
# for many data points it is a mixture of that many Gaussians, whose score JAX computes.

# %%
centres = alpha * data.train[:5_000]


def log_density(x):
    return jax.nn.logsumexp(-0.5 * jnp.sum((x - centres) ** 2, -1) / sigma**2)


places = np.asarray(alpha * data.test[:200] + sigma * jax.random.normal(key, (200, 2)))
truth = jax.vmap(jax.grad(log_density))(places)
reading = jax.vmap(lambda x: learned.score(params, x, t))(places)
explained = 1 - np.mean((reading - truth) ** 2) / np.var(truth)
print(f"share of the score's variance that the network explains: {explained:.3f}")
assert explained > 0.9

# %% [markdown]
# ## Every loss is the same loss
#
# Predict the noise instead of the velocity, on the same path, and the error is the same error times a known factor, because the readings
# are linear in each other: `eps - z = -alpha (velocity - u)` here. So DDPM's loss is flow matching with the weight `alpha^2`, and its
# minimum is the same network.

# %%
clean = jnp.asarray(data.test[:512])
noise = jax.random.normal(key, clean.shape)
times = jnp.linspace(0.05, 0.95, 512)
mixed = straight.alpha(times)[:, None] * clean + straight.sigma(times)[:, None] * noise
error_of_eps = jax.vmap(learned.eps, (None, 0, 0))(params, mixed, times) - noise
error_of_velocity = jax.vmap(learned.velocity, (None, 0, 0))(params, mixed, times) - (clean - noise)
np.testing.assert_allclose(error_of_eps, -straight.alpha(times)[:, None] * error_of_velocity, atol=1e-4)
float(jnp.mean(error_of_eps**2)), float(jnp.mean(straight.alpha(times)[:, None] ** 2 * error_of_velocity**2))

# %% [markdown]
# ## Every path
#
# Paths differ in when which ratio of data to noise is met. A point of one path, scaled, is a point of any other at the time with the same
# ratio, so the network can be read there without training. DDPM's samplers want a variance-preserving path, EDM's want sigma to grow
# without end.

# %%
as_ddpm, as_edm = paths.on_path(learned, paths.vp_cosine()), paths.on_path(learned, paths.edm())
figure, panel = plt.subplots(figsize=(4.6, 3), layout="constrained")
grid = jnp.linspace(0.002, 0.998, 300)
for name, path in {"linear": straight, "vp_cosine": paths.vp_cosine(), "edm": paths.edm()}.items():
    panel.plot(grid, jnp.log(path.alpha(grid) / path.sigma(grid)), label=name)
panel.set(xlabel="t", ylabel="log ratio of data to noise")
panel.legend()
plt.close(figure)
figure

# %% [markdown]
# ## Every sampler
#
# The same params in nine samplers. Those of an SDE consume a start and an increment for each step, so their base holds both. The figure
# over each panel is the sliced 2-Wasserstein distance to fresh data.

# %%
normal, noisy = jaxgen.bases.normal, jaxgen.bases.diffusion_noise
samplers = {
    "ODE, adaptive": flow,
    "Euler, 25": jaxgen.Model(normal((2,)), transforms.euler(init, learned, 25)),
    "DDIM, 25": jaxgen.Model(normal((2,)), transforms.ddim(init, as_ddpm, 25)),
    "Heun (EDM), 13": jaxgen.Model(normal((2,)), transforms.heun(init, as_edm, 13)),
    "DPM-Solver++, 25": jaxgen.Model(normal((2,)), transforms.dpm_solver(init, as_edm, 25)),
    "ancestral (DDPM), 100": jaxgen.Model(noisy((2,), 100), transforms.ancestral(init, as_ddpm, 100)),
    "Euler-Maruyama, 100": jaxgen.Model(noisy((2,), 100), transforms.euler_maruyama(init, as_ddpm, 100)),
    "predictor-corrector, 50": jaxgen.Model(noisy((2,), 98), transforms.predictor_corrector(init, as_ddpm, 50)),
    "EDM with churn, 25": jaxgen.Model(noisy((2,), 24), transforms.edm_stochastic(init, as_edm, 25)),
}
floor = jaxgen.evaluation.sliced_w2(data.train[:2_000], data.test)
figure, panels = plt.subplots(2, 5, figsize=(12, 5.2), layout="constrained")
panels.flat[0].scatter(*data.test.T, s=1, color="grey")
panels.flat[0].set(title=f"data, {floor:.3f}")
distances = {}
for panel, (name, sampler) in zip(panels.flat[1:], samplers.items(), strict=True):
    x = np.asarray(jaxgen.sample(jax.random.key(1), sampler, params, 2_000))
    distances[name] = jaxgen.evaluation.sliced_w2(x, data.test)
    panel.scatter(*x.T, s=1)
    panel.set(title=f"{name}, {distances[name]:.3f}")
for panel in panels.flat:
    panel.set(xlim=(-3, 3), ylim=(-3, 3), aspect="equal", xticks=[], yticks=[])
plt.close(figure)
assert max(distances.values()) < 0.3
figure

# %% [markdown]
# The points differ and the law is one. With the same noise, the ODE's samplers even give the same points, up to the error of their steps:
# that is what makes them functions.

# %%
z = normal((2,)).sample(seed=jax.random.key(2), sample_shape=(500,))


def moved(name):
    return jax.vmap(samplers[name].transform.forward, (None, 0))(params, z)


exact = moved("ODE, adaptive")
for name in ("Euler, 25", "DDIM, 25", "Heun (EDM), 13", "DPM-Solver++, 25"):
    print(f"{name}: median distance to the ODE's own point {np.median(np.linalg.norm(moved(name) - exact, axis=1)):.3f}")

# %% [markdown]
# ## Which density?
#
# The reading decides that as well: the ODE has an exact density, the ancestral chain a lower bound, and a sampler of few steps reports that
# of the ODE it approximates.

# %%
for name in ("ODE, adaptive", "ancestral (DDPM), 100"):
    lp = jaxgen.log_prob(samplers[name], params, data.test[:500], key=key)
    print(f"{name}: NLL {-lp.value.mean():.3f} nats, {lp.density}; entropy {data.entropy:.3f}")

# %% [markdown]
# So "diffusion or flow matching?" asks for a path, a weight and a sampler, and each can be chosen alone. The zoo's `ddpm`, `score_sde`,
# `edm` and `cfm` are four such choices, each in about twenty lines.
