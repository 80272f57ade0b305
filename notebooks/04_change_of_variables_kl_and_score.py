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
# # Change of variables, divergence and score
#
# If `y = 2x`, then `p_Y(y) = p_X(y / 2) / 2`: what is spread over twice the length is half as dense. The Kullback-Leibler divergence (KL)
# is the mean of `log p(x) - log q(x)` over `x ~ p`; it is zero only if p and q are equal, because it is the integral of something that is
# never negative and vanishes only where `q = p`. The score is the gradient of `log p(x)` in `x`, and it points where the density grows
# fastest.
#
# Nearly everything in deep generative models is one of these three. This notebook checks each of them with numbers; it takes half a minute.
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/jaxgen/jaxgen/blob/gh-pages/notebooks/04_change_of_variables_kl_and_score.ipynb)

# %%
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from scipy import stats

import jaxgen

key = jax.random.key(0)


def panels(num, width=3.2):
    """One row of panels; the figure is closed, so that it is shown only where a cell returns it."""
    figure, axes = plt.subplots(1, num, figsize=(width * num, 2.8), squeeze=False, layout="constrained")
    plt.close(figure)
    return figure, axes[0]


# %% [markdown]
# ## Change of variables
#
# Take `x` standard normal and `y = 2x`. The histogram of `y` is as wide again and half as high.

# %%
x = np.asarray(jax.random.normal(key, (100_000,)))
y = 2 * x
grid = np.linspace(-6, 6, 300)
figure, (left, right) = panels(2)
left.hist(x, 80, density=True, color="lightgrey")
left.plot(grid, stats.norm.pdf(grid))
left.set(title="x", ylim=(0, 0.45), xlim=(-6, 6))
right.hist(y, 80, density=True, color="lightgrey")
right.plot(grid, stats.norm.pdf(grid / 2) / 2)
right.set(title="y = 2x, and p_X(y / 2) / 2", ylim=(0, 0.45), xlim=(-6, 6))
figure

# %% [markdown]
# Why the factor 1/2? Probability is not created by a map: the share of the points between 1 and 1.2 is, to the point, the share of their
# images between 2 and 2.4. The same share on an interval of twice the length is half the density.

# %%
share_of_x, share_of_y = np.mean((x >= 1) & (x < 1.2)), np.mean((y >= 2) & (y < 2.4))
assert share_of_x == share_of_y
share_of_x / 0.2, share_of_y / 0.4

# %% [markdown]
# A curved map stretches every place differently, and near `x` it is its own slope. So `p_Y(y) = p_X(x) / |f'(x)|` with `f(x) = y`. In
# logarithms, which is how a library counts, `log p_Y(y) = log p_X(x) - log|f'(x)|`, and slopes of maps that follow each other add up.
#
# In several dimensions lengths become volumes, and the slope becomes the determinant of the Jacobian: the area of the image of a small
# square.

# %%
matrix = jnp.array([[1.0, 0.8], [-0.3, 0.5]])


def bend(z):
    return matrix @ jnp.array([z[0], z[1] + 0.4 * z[0] ** 2])


point, side = jnp.array([0.6, -0.2]), 0.05
corners = jnp.stack([bend(point + side * jnp.array(corner)) for corner in ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))])
after = jnp.roll(corners, -1, axis=0)
area = 0.5 * abs(jnp.sum(corners[:, 0] * after[:, 1] - corners[:, 1] * after[:, 0]))  # the shoelace formula
determinant = abs(jnp.linalg.det(jax.jacfwd(bend)(point)))
np.testing.assert_allclose(area / side**2, determinant, rtol=2e-3)
float(area / side**2), float(determinant)

# %% [markdown]
# The library keeps both halves of the formula together: a transform's `inverse` returns the noise and the log-determinant beside it.

# %%
doubled = jaxgen.Model(jaxgen.bases.normal((1,)), jaxgen.transforms.affine(0.0, 2.0))
value = jaxgen.log_prob(doubled, (), y[:5, None]).value
np.testing.assert_allclose(value, stats.norm.logpdf(y[:5] / 2) - np.log(2), rtol=1e-5)
value

# %% [markdown]
# Is `y = x^2` in the same family? Two points, `x` and `-x`, have one image, so their densities add up: `p_Y(y) = (p_X(√y) + p_X(-√y)) /
# (2√y)`. A map that is not one-to-one needs to know all preimages; that is why flows are made of bijections.

# %%
cells = np.linspace(0.1, 4, 40)
middle = (cells[1:] + cells[:-1]) / 2
figure, (panel,) = panels(1, 4.5)
panel.stairs(np.histogram(x**2, cells)[0] / len(x) / np.diff(cells), cells, fill=True, color="lightgrey")
panel.plot(middle, 2 * stats.norm.pdf(np.sqrt(middle)) / (2 * np.sqrt(middle)), label="both preimages")
panel.plot(middle, stats.norm.pdf(np.sqrt(middle)) / (2 * np.sqrt(middle)), "--", label="one of them")
panel.legend()
panel.set(title="y = x squared")
figure

# %% [markdown]
# ## Divergence
#
# `KL(p, q) = E_p[log p(x) - log q(x)]` is how many nats of log density you lose, on average, if the truth is `p` and you say `q`. For two
# Gaussians it has a closed form; for any other pair the mean over samples of `p` will do.

# %%
p, q = stats.norm(0.0, 1.0), stats.norm(1.0, 1.5)
closed_form = np.log(1.5) + (1 + 1.0**2) / (2 * 1.5**2) - 0.5
by_samples = np.mean(p.logpdf(x) - q.logpdf(x))
the_other_way = np.mean(q.logpdf(1 + 1.5 * x) - p.logpdf(1 + 1.5 * x))
assert abs(closed_form - by_samples) < 0.02
closed_form, by_samples, the_other_way

# %% [markdown]
# The two directions differ, so it is no distance. But one property of a distance it has, and learning rests on it: **zero means equal**.
#
# Write `r = q / p`. Then `KL = E_p[-log r]`. Both densities integrate to one, so `E_p[r - 1] = 0`, and adding nothing changes nothing:
#
#     KL = E_p[r - 1 - log r]
#
# Now look at `r - 1 - log r`. It is the gap between a line and the logarithm that it touches, so it is zero at `r = 1` and positive
# elsewhere. An integral of something that is never negative is zero only if that something is zero everywhere. So `r = 1` wherever `p` has
# mass: the densities are equal.

# %%
ratio = np.linspace(0.05, 4, 200)
r = q.pdf(grid) / p.pdf(grid)
integrand = p.pdf(grid) * (r - 1 - np.log(r))
figure, (left, right) = panels(2, 3.6)
left.plot(ratio, ratio - 1 - np.log(ratio))
left.axhline(0, color="grey", lw=0.5)
left.set(title="r - 1 - log r", xlabel="r")
right.plot(grid, p.pdf(grid), "k", lw=1, label="p")
right.plot(grid, q.pdf(grid), "k--", lw=1, label="q")
right.fill_between(grid, integrand, alpha=0.5, label="adds to KL")
right.legend()
right.set(title="zero only where the curves cross")
assert integrand.min() >= 0
np.testing.assert_allclose(np.trapezoid(integrand, grid), closed_form, rtol=2e-3)
figure

# %% [markdown]
# ### Maximum likelihood minimises a divergence
#
# The mean of `-log q(x)` over data, the negative log-likelihood (NLL), is `KL(p, q)` plus the entropy of the data, which no model can
# change. So the best NLL is the entropy, and what is above it is divergence. `Dataset.entropy` tells it wherever it is known.

# %%
shifts = np.linspace(-1, 1, 9)
nll = np.array([-np.mean(stats.norm(shift, 1).logpdf(x)) for shift in shifts])
np.testing.assert_allclose(nll - p.entropy(), shifts**2 / 2, atol=0.02)  # KL of two Gaussians of width one
dict(zip(shifts.round(2).tolist(), (nll - p.entropy()).round(3).tolist(), strict=True))

# %% [markdown]
# ### Two directions, two characters
#
# Let one Gaussian stand for two modes. `KL(p, q)` punishes places where `p` has mass and `q` has none, so `q` covers both modes. `KL(q, p)`
# punishes mass of `q` where `p` has none, so `q` keeps to one mode. Likelihood is the first; variational inference, which can sample only
# `q`, is the second.

# %%
line = np.linspace(-8, 8, 2_001)
two = 0.6 * stats.norm.pdf(line, -2, 0.7) + 0.4 * stats.norm.pdf(line, 2, 0.7)
candidates = [(mean, scale) for mean in np.linspace(-3, 3, 61) for scale in np.linspace(0.4, 3.5, 32)]


def divergence(a, b):
    return np.trapezoid(a * (np.log(a + 1e-300) - np.log(b + 1e-300)), line)


def best(cost):
    return min(candidates, key=lambda c: cost(stats.norm.pdf(line, *c)))


covering, seeking = best(lambda q: divergence(two, q)), best(lambda q: divergence(q, two))
figure, (panel,) = panels(1, 5)
panel.fill_between(line, two, color="lightgrey", label="p")
panel.plot(line, stats.norm.pdf(line, *covering), label="smallest KL(p, q)")
panel.plot(line, stats.norm.pdf(line, *seeking), label="smallest KL(q, p)")
panel.legend()
assert covering[1] > 1.8 and abs(seeking[0] + 2) < 0.15
figure

# %% [markdown]
# ## Score
#
# The score of `p` at `x` is `∇ log p(x)`, a vector in the space of the data. JAX differentiates any log density. Here it is for a mixture
# of three Gaussians.

# %%
modes = jnp.array([[-1.5, -1.0], [1.5, -1.0], [0.0, 1.5]])
mixture = jaxgen.bases.gaussian_mixture([1.0, 1.0, 1.0], modes, 0.6)
score = jax.vmap(jax.grad(mixture.log_prob))
axis = jnp.linspace(-3, 3, 18)
places = jnp.stack(jnp.meshgrid(axis, axis), -1).reshape(-1, 2)
fine = jnp.linspace(-3, 3, 120)
heights = jnp.exp(mixture.log_prob(jnp.stack(jnp.meshgrid(fine, fine), -1)))
figure, (panel,) = panels(1, 3.4)
panel.contourf(fine, fine, heights, 12, cmap="Blues")
panel.quiver(*places.T, *score(places).T, angles="xy", width=0.004)
panel.set(title="the score climbs", aspect="equal")
figure

# %% [markdown]
# Is it really the direction of fastest increase? Try all of them: take a small step from one place in each of 360 directions, and see how
# much the log density grows. The best direction is that of the score, and the growth there, for each unit of length, is the score's own
# length.

# %%
place = jnp.array([0.3, -0.4])
angles = jnp.linspace(0, 2 * jnp.pi, 361)[:-1]
around = jnp.stack([jnp.cos(angles), jnp.sin(angles)], 1)
growth = (mixture.log_prob(place + 1e-2 * around) - mixture.log_prob(place - 1e-2 * around)) / 2e-2
here = jax.grad(mixture.log_prob)(place)
np.testing.assert_allclose(around[jnp.argmax(growth)], here / jnp.linalg.norm(here), atol=0.03)
np.testing.assert_allclose(growth.max(), jnp.linalg.norm(here), rtol=1e-2)
around[jnp.argmax(growth)], here / jnp.linalg.norm(here)

# %% [markdown]
# The score does not know the normalising constant: `∇ log(c p) = ∇ log p`. So it can be had where the density cannot, and it still says
# everything about the distribution. Follow it and you arrive at a mode; follow it with the right amount of noise (Langevin's algorithm) and
# you *sample*.


# %%
@jax.jit
def langevin(key, x, step=0.02, num_steps=600):
    def move(x, key):
        return x + step * score(x) + jnp.sqrt(2 * step) * jax.random.normal(key, x.shape), None

    return jax.lax.scan(move, x, jax.random.split(key, num_steps))[0]


start = jax.random.uniform(key, (2_000, 2), minval=-3, maxval=3)
moved = langevin(key, start)
truth = mixture.sample(seed=key, sample_shape=(2_000,))
figure, axes = panels(3, 2.6)
for axes_, (title, points) in zip(axes, {"start": start, "Langevin": moved, "truth": truth}.items(), strict=True):
    axes_.scatter(*np.asarray(points).T, s=1)
    axes_.set(title=title, xlim=(-4, 4), ylim=(-4, 4), aspect="equal")
np.testing.assert_allclose(moved.mean(0), truth.mean(0), atol=0.15)
figure

# %% [markdown]
# ### From the score to diffusion
#
# Blur the data: `y = x + σ z`. The score of the blurred density is `(E[x | y] - y) / σ²` (Tweedie's formula). The best guess of the clean
# point, minus where you are, is the direction of increase. So whoever can *remove noise* knows a score; that is all that a diffusion model
# learns. Check it for the mixture, whose conditional expectation can be computed by weighing many clean points.

# %%
sigma = 0.8
clean = mixture.sample(seed=jax.random.key(3), sample_shape=(400_000,))
weights = jax.nn.softmax(-0.5 * jnp.sum((place - clean) ** 2, -1) / sigma**2)
by_denoising = (weights @ clean - place) / sigma**2
blurred = jaxgen.bases.gaussian_mixture([1.0, 1.0, 1.0], modes, float(np.sqrt(0.6**2 + sigma**2)))
np.testing.assert_allclose(by_denoising, jax.grad(blurred.log_prob)(place), atol=0.02)
by_denoising, jax.grad(blurred.log_prob)(place)

# %% [markdown]
# That is where flows, likelihoods and diffusion come from: a flow keeps the determinant of its change of variables, maximum likelihood
# minimises a divergence with it, and a diffusion learns the score. `notebooks/09_diffusion_is_flow_matching.py` goes on from the last cell.
