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
# An image is an event of shape `(height, width, channels)`, and nothing else changes: `zoo.build` makes networks that know neighbours,
# `fit` trains, `sample` draws. What has to be decided is what a pixel is: a whole number, which has a probability, or a real number, which
# has a density. This notebook trains three families on small handwritten digits and shows what each does with noise, with a class, and with
# likelihood in bits.
#
# It takes two minutes on two cores. The digits are 8 x 8, because a laptop should be enough to see the idea.
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/jaxgen/jaxgen/blob/gh-pages/notebooks/12_images.ipynb)

# %%
import jax
import matplotlib.pyplot as plt
import numpy as np

import jaxgen

key = jax.random.key(0)

# %% [markdown]
# ## Two views of a pixel
#
# Discrete pixels are codes 0, 1, ..., continuous ones are dequantised into (-1, 1): a uniform fraction of a level is added, so that a
# density exists.

# %%
discrete = jaxgen.data.load("digits_8x8", pixels="discrete")
continuous = jaxgen.data.load("digits_8x8", pixels="continuous", labels=True)
print(discrete.train.shape, "levels", discrete.levels, "largest", discrete.train.max())
print(
    "continuous from",
    continuous.train.min().round(2),
    "to",
    continuous.train.max().round(2),
    "with conditions",
    continuous.train_cond.shape,
)
jaxgen.viz.grid(discrete.train[:40], columns=10)

# %% [markdown]
# ## A variational autoencoder
#
# Its noise is a latent of a few numbers for the whole image, and the noise of the pixels.

# %%
vae = jaxgen.zoo.build("vae", event_shape=discrete.event_shape, levels=discrete.levels, width=32, latent_dim=8)
fitted_vae = jaxgen.fit(key, vae, discrete.train, num_steps=600, batch_size=64)
jaxgen.viz.grid(jaxgen.sample(jax.random.key(1), vae.model, fitted_vae.params, 40), columns=10)

# %% [markdown]
# The latent is where the digits are sorted. Put two of them at the ends of a line in the latent, and walk.

# %%
walks = [
    jaxgen.interpolate(vae.model, fitted_vae.params, discrete.test[a], discrete.test[b], 10, key=jax.random.key(2))
    for a, b in ((0, 1), (2, 3), (4, 5))
]
jaxgen.viz.grid(np.concatenate(walks), columns=10)

# %% [markdown]
# ## An autoregressive model
#
# `pixelcnn` predicts each pixel from those above it and to its left. Its noise is one uniform number for each pixel: the cell of the
# pixel's cumulative probabilities into which the number falls is the pixel. So it is a function of noise like all the others, and the
# probability of an image is exact.

# %%
cnn = jaxgen.zoo.build("pixelcnn", event_shape=discrete.event_shape, levels=discrete.levels, width=16, depth=3)
fitted_cnn = jaxgen.fit(key, cnn, discrete.train, num_steps=600, batch_size=64)
drawn = jaxgen.sample(jax.random.key(1), cnn.model, fitted_cnn.params, 40)
jaxgen.viz.grid(drawn, columns=10)

# %% [markdown]
# ## Bits
#
# The number of bits that an ideal code of the images needs for each pixel. Both models see whole numbers, so the numbers can be compared;
# the VAE's is an upper bound of its own.

# %%
for name, entry, fitted in (("vae", vae, fitted_vae), ("pixelcnn", cnn, fitted_cnn)):
    lp = jaxgen.log_prob(entry.model, fitted.params, discrete.test, key=key, num_draws=1 if name == "pixelcnn" else 20)
    bits = jaxgen.evaluation.bits_per_dim(lp, discrete.event_shape, discrete=True)
    print(f"{name}: {bits.value:.3f} +- {bits.stderr:.3f} bits per pixel, {bits.kind}; a uniform code needs {np.log2(discrete.levels):.3f}")
    assert bits.value < np.log2(discrete.levels) - 1

# %% [markdown]
# ## Flow matching with a class
#
# The condition is the class, one-hot. Guidance with a scale above one sharpens a class at the price of variety; training then drops a tenth
# of the conditions, so that one network is both the conditional and the unconditional model.

# %%
cfm = jaxgen.zoo.build(
    "cfm",
    event_shape=continuous.event_shape,
    cond_shape=continuous.cond_shape,
    network="dit",
    width=48,
    depth=2,
    guidance=1.5,
    num_steps=12,
)
fitted_cfm = jaxgen.fit(key, cfm, continuous.train, num_steps=1_500, cond=continuous.train_cond, batch_size=64)
classes = np.repeat(np.eye(10, dtype=np.float32), 6, axis=0)
digits = jaxgen.sample(jax.random.key(1), cfm.model, fitted_cfm.params, 60, cond=classes)
jaxgen.viz.grid(np.asarray(digits).reshape(10, 6, 8, 8, 1).swapaxes(0, 1).reshape(-1, 8, 8, 1), columns=10)

# %% [markdown]
# Is a digit of class 3 a 3? The nearest training image should know.

# %%
flat = continuous.train.reshape(len(continuous.train), -1)
nearest = np.argmin(((np.asarray(digits).reshape(60, 1, -1) - flat) ** 2).sum(-1), 1)
agree = np.mean(continuous.train_cond[nearest].argmax(-1) == classes.argmax(-1))
print(f"the nearest training image has the class that was asked for: {agree:.2f}")
assert agree > 0.7

# %% [markdown]
# ## How an image arises
#
# The stages of the transformation: all pixels at once along the flow's time. The same six noises, from left to right.

# %%
stages = jax.vmap(cfm.model.transform.hooks.stages, (None, 0, 0))(
    fitted_cfm.params, cfm.model.base.sample(seed=key, sample_shape=(4,)), classes[::6][:4]
)
times = np.linspace(0, stages.shape[1] - 1, 10).astype(int)
figure = jaxgen.viz.grid(np.asarray(stages)[:, times].reshape(-1, 8, 8, 1), columns=10)
plt.close(figure)
figure

# %% [markdown]
# For larger images the networks are a U-Net (`network="unet"`, the default of `cfm`) or a transformer of patches (`network="dit"`), and a
# GPU. `jaxgen train --model cfm --data FOLDER --labels --out run` does it from a folder of pictures, and `jaxgen evaluate --classifier`
# measures samples in the features of a classifier of the same data.
