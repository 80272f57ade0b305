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
# # Images
#
# An image is an event like any other: `x = forward(params, z)` turns noise into pixels, and what is worth looking at is **how**. An
# autoencoder decodes a few numbers at once, flow matching moves all pixels together along a time, and an autoregressive model sets one
# pixel after another. Noise that is moved a little moves the image a little, so lines and planes of noise are the way to look inside, and
# the same three lines of code draw them for every family.
#
# This notebook trains one small model of each of the three families on digits of 8 x 8 pixels. It takes about two minutes on two cores.
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/jaxgen/jaxgen/blob/gh-pages/notebooks/12_images.ipynb)

# %%
import jax
import jax.numpy as jnp
import numpy as np

import jaxgen
from jaxgen.viz.atlas import images_panel

data = jaxgen.data.load("digits_8x8", pixels="discrete")  # whole numbers from 0 to 16
print(f"{len(data.train)} images of shape {data.event_shape} with {data.levels} levels")
jaxgen.viz.grid(data.train[:40], columns=20)

# %% [markdown]
# ## Three families, one call
#
# `zoo.build` looks at the shape of an event: an image gets networks that know neighbours. The autoencoder and the autoregressive model give
# whole-numbered pixels a probability. Flow matching needs continuous pixels, so its data are spread over (-1, 1), and `in_units` chains the
# affine map that gives pixels back.

# %%
LEVELS, NUM_STEPS = data.levels, {"vae": 1_500, "cfm": 600, "pixelcnn": 400}
trained = {}
for name, num_steps in NUM_STEPS.items():
    continuous = name == "cfm"
    pixels = jaxgen.data.load("digits_8x8", pixels="continuous") if continuous else data
    prepared = jaxgen.zoo.prepare(name, pixels, **({} if continuous else {"levels": LEVELS}))
    fitted = jaxgen.fit(0, prepared.entry, pixels.train, num_steps, batch_size=64)
    trained[name] = prepared.in_units(fitted)
    print(f"{name}: {prepared.entry.card.objective}, loss {fitted.history['loss'][-50:].mean():.2f} after {num_steps} steps")

# %% [markdown]
# `images_panel` asks a trained entry for everything below: samples at the noise and after each stage, lines between draws, a plane of noise.
# `jaxgen atlas RUNS... --out atlas.html` puts the same panels on one page with a slider.

# %%
panels = {name: images_panel(jax.random.key(1), *both, levels=LEVELS) for name, both in trained.items()}
{name: panel.stages.shape[:2] for name, panel in panels.items()}

# %% [markdown]
# ## The stages of each family
#
# Each row is a stage, from the noise on top to the images at the bottom; each column keeps its noise. The autoencoder has nothing between
# its noise and the image: one evaluation decodes it. (Its latent is shown as pixels.)


# %%
def stages(panel, rows=6, columns=12):
    """Draw at most `rows` of a panel's stages, the noise and the output among them."""
    chosen = np.linspace(0, len(panel.stages) - 1, min(rows, len(panel.stages))).round().astype(int)
    images = np.clip(panel.stages[chosen][:, :columns], 0, 1)
    return jaxgen.viz.grid(images.reshape(-1, *images.shape[2:]), columns=columns)


stages(panels["vae"])

# %% [markdown]
# Flow matching moves all pixels at once. Early on the velocity points to the mean of all digits; which digit it will be is decided in the
# middle, and the last steps only sharpen.

# %%
stages(panels["cfm"])

# %% [markdown]
# The autoregressive model takes the noise of one pixel after another. What is not set yet is still noise.

# %%
stages(panels["pixelcnn"])

# %% [markdown]
# ## The order of pixels
#
# When is each pixel set? The panel knows from the stages alone: a pixel is dark if it is set early. For a raster order the picture is a ramp
# from the first pixel, on the upper left, to the last.

# %%
order = panels["pixelcnn"].order[..., None]
assert panels["vae"].order is None and panels["cfm"].order is None
assert np.corrcoef(order.ravel(), np.arange(order.size))[0, 1] > 0.95
jaxgen.viz.grid(order[None])

# %% [markdown]
# So a pixel's noise reaches only the pixels after it. Turn over the noise of the pixel in the middle of the image and see which pixels
# change; for flow matching it is all of them.

# %%
middle = (4, 4, 0)
for name in ("pixelcnn", "cfm"):
    entry, fitted = trained[name]
    z = entry.model.base.sample(seed=jax.random.key(2))
    x = entry.model.transform.forward(fitted.params, z)
    turned = z.at[middle].set(1 - z[middle] if name == "pixelcnn" else -z[middle] - 2)
    changed = np.abs(entry.model.transform.forward(fitted.params, turned) - x)[..., 0] > 1e-3
    print(f"{name}: {changed.sum()} of {changed.size} pixels change, {changed.ravel()[: 4 * 8 + 4].sum()} of them before the middle")
    if name == "pixelcnn":
        assert not changed.ravel()[: 4 * 8 + 4].any()

# %% [markdown]
# ## A plane of noise
#
# Four draws of noise span a plane that is bent into a torus: `cos a`, `sin a`, `cos b` and `sin b` times one draw each, divided by the
# square root of two. The squares of the weights then sum to one, so every point of the plane is Gaussian noise like any other and decodes
# into an image like any other. Neighbours in noise are neighbours in images.

# %%
plane = panels["vae"].plane
jaxgen.viz.grid(plane.reshape(-1, *plane.shape[2:]), columns=plane.shape[1])

# %% [markdown]
# ## Interpolation
#
# A straight line between two draws passes too near the origin: halfway, the norm of noise in 64 dimensions is down by the square root of
# two, where no draw ever is. On the great circle it stays what it was.

# %%
first, last = jax.random.normal(jax.random.key(3), (2, 64))
angle = jnp.linspace(0, jnp.pi / 2, 9)[:, None]
line, circle = first + angle * 2 / jnp.pi * (last - first), jnp.cos(angle) * first + jnp.sin(angle) * last
print("norm along the line:  ", np.linalg.norm(line, axis=1).round(1))
print("norm along the circle:", np.linalg.norm(circle, axis=1).round(1))

# %% [markdown]
# Flow matching has an inverse, so real images have noise, and `interpolate` joins two of them through it. The rows below are pairs of test
# images, joined on the great circle; the images at both ends are the real ones, back from their own noise.

# %%
entry, fitted = trained["cfm"]
pairs = [(0, 1), (2, 3), (4, 5)]
rows = [
    jaxgen.interpolate(entry.model, fitted.params, data.test[a], data.test[b], num_points=9, path="spherical", key=jax.random.key(4))
    for a, b in pairs
]
ends = np.stack([(row[0], row[-1]) for row in rows])
error = float(np.abs(ends - np.stack([(data.test[a], data.test[b]) for a, b in pairs])).max())
print(f"largest error of a pixel at the ends: {error:.2f} of {LEVELS} levels")
assert error < 1
jaxgen.viz.grid(np.clip(np.concatenate(rows), 0, LEVELS - 1), columns=9)

# %% [markdown]
# In pixels, the halfway image of two images is a double exposure; through noise it is an image. The means of the three pairs, and below
# them the middle column of the picture above:

# %%
means = np.stack([(data.test[a] + data.test[b]) / 2 for a, b in pairs])
jaxgen.viz.grid(np.concatenate([means, np.clip(np.stack([row[4] for row in rows]), 0, LEVELS - 1)]), columns=3)

# %% [markdown]
# ## Which is the better model?
#
# Two of them say how probable a test image is. The numbers are of the same kind of thing, a probability of whole-numbered pixels, so they
# may be compared: in bits for each pixel, of which guessing among 17 levels takes 4.1. The autoencoder's number is a bound, so its model can
# only be better than it says.

# %%
bits = {}
for name in ("vae", "pixelcnn"):
    entry, fitted = trained[name]
    lp = jaxgen.log_prob(entry.model, fitted.params, data.test[:100], key=jax.random.key(5), num_draws=16)
    bits[name] = -float(lp.value.mean()) / (64 * np.log(2))
    print(f"{name}: {bits[name]:.2f} bits a pixel ({lp.density})")
assert bits["pixelcnn"] < bits["vae"] < np.log2(LEVELS)

# %% [markdown]
# ## Read on
#
# - `jaxgen train --model cfm --data FOLDER` trains on your own folder of pictures; its subfolders are the classes, and with `--labels`
#   `jaxgen sample --label NAME` asks for one of them.
# - [The zoo](https://jaxgen.github.io/jaxgen/reference/zoo/#images) lists every family that has a form for images.
# - *Diffusion is flow matching* (notebook 09) says what the path between noise and image is.
