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
# # From a simulator to a posterior, and whether to believe it
#
# A simulator turns parameters into data. We want the parameters behind data that we have observed: the posterior. A conditional model that is
# trained on simulations gives it, and a second set of simulations says whether its probabilities are right.
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/jaxgen/jaxgen/blob/gh-pages/notebooks/02_posterior_and_calibration.ipynb)

# %%
import jax
import matplotlib.pyplot as plt
import numpy as np

import jaxgen
from jaxgen.evaluation.calibration import calibration, posterior_draws

rng = np.random.default_rng(0)

# %% [markdown]
# ## The simulator
#
# A ball is thrown with an unknown speed (m/s) and angle (rad). We see where it lands (m) and how long it flies (s), both with noise.


# %%
def prior(n):
    return np.stack([rng.uniform(5.0, 15.0, n), rng.uniform(0.3, 1.2, n)], 1)


def simulate(theta):
    speed, angle = theta.T
    time = 2 * speed * np.sin(angle) / 9.81
    distance = speed * np.cos(angle) * time
    noise = rng.standard_normal((2, len(theta)))
    return np.stack([distance + 0.5 * noise[0], time + 0.1 * noise[1]], 1)


# %% [markdown]
# ## Simulations, standardised
#
# Training wants numbers of order one. We keep the mean and the standard deviation, to return to the units of the simulator.

# %%
theta = prior(5_000)
x = simulate(theta)
theta_loc, theta_scale, x_loc, x_scale = theta.mean(0), theta.std(0), x.mean(0), x.std(0)


def standardised(theta, x):
    return ((theta - theta_loc) / theta_scale).astype(np.float32), ((x - x_loc) / x_scale).astype(np.float32)


# %% [markdown]
# ## The model
#
# A spline flow of the two parameters, given the two numbers that we see. A tenth of the simulations is held out: training takes the loss
# on them on a geometric grid of steps, stops if it no longer falls, and returns the params that predict them best.

# %%
entry = jaxgen.zoo.build("nsf_ar", event_shape=(2,), cond_shape=(2,), width=32, num_layers=3)
t, c = standardised(theta, x)
held_out = {"valid": t[:500], "valid_cond": c[:500], "patience": jaxgen.training.PATIENCE}
fitted = jaxgen.fit(jax.random.key(0), entry, t[500:], 1_500, cond=c[500:], **held_out, progress=False)

# %%
print(fitted.status, "-", jaxgen.training.verdict(fitted.history))

# %% [markdown]
# The losses of the training and of the held-out simulations:

# %%
plt.plot(fitted.history["loss"], alpha=0.3, label="training")
plt.plot(fitted.history["valid_step"], fitted.history["valid_loss"], label="held out")
plt.xscale("log")
plt.xlabel("step")
plt.ylabel("negative log-likelihood (nats)")
plt.legend()

# %% [markdown]
# ## One observation
#
# A steep throw and a flat one can land at the same place; the time of flight tells them apart, as far as the noise allows.

# %%
truth = np.array([[10.0, 0.9]])
observed = simulate(truth)
_, condition = standardised(truth, observed)
draws = posterior_draws(jax.random.key(1), entry.model, fitted.params, condition, 2_000)[0] * theta_scale + theta_loc

# %%
plt.scatter(*draws.T, s=3, alpha=0.3)
plt.scatter(*truth.T, color="black", marker="x")
plt.xlabel("speed (m/s)")
plt.ylabel("angle (rad)")

# %% [markdown]
# ## Is it calibrated?
#
# Fresh simulations answer this question. The true parameters must lie in a region of 90 % probability in 90 % of the cases. Each check has
# a p-value that is uniform for a perfect posterior; one of twenty perfect posteriors is below 0.05.

# %%
fresh = prior(400)
checked = calibration(jax.random.key(2), entry.model, fitted.params, *standardised(fresh, simulate(fresh)))
print(checked)

# %% [markdown]
# The histogram of ranks is flat for a right posterior, shaped like a U for one that is too narrow, and a slope for one that is shifted. The grey
# band holds the count of a bin in 95 of 100 cases.

# %%
counts, low, high = checked.ranks.histogram(num_bins=15)
figure, axes = plt.subplots(1, 2, figsize=(8, 3), sharey=True)
for axis, count, name in zip(axes, counts, ("speed", "angle"), strict=True):
    axis.axhspan(low, high, color="0.85")
    axis.bar(np.arange(len(count)), count)
    axis.set_title(name)

# %% [markdown]
# ## The coverage
#
# The curves of a right posterior stay in the band around the diagonal. If a posterior is too sure of itself, they lie
# below the diagonal, TARP's at all but small levels.

# %%
figure, axes = plt.subplots(1, 2, figsize=(8, 4), sharey=True)
for axis, test, name in zip(axes, (checked.coverage, checked.tarp), ("highest density", "TARP"), strict=True):
    axis.fill_between(test.grid, test.low, test.high, color="0.85")
    axis.plot(test.grid, test.ecdf)
    axis.plot([0, 1], [0, 1], "k:")
    axis.set_title(f"{name}, p = {test.p_value:.3f}")

# %% [markdown]
# ## What a fault looks like
#
# We make the same model too sure of itself: its draws are pulled half the way to their mean.

# %%
t, c = standardised(fresh, simulate(fresh))
draws = posterior_draws(jax.random.key(3), entry.model, fitted.params, c, 99)
mean = draws.mean(1, keepdims=True)
narrow = jaxgen.evaluation.calibration.simulation_based_calibration(mean + 0.5 * (draws - mean), t)
print("p-values of the ranks:", narrow.p_values)
