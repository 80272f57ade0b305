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
# # Densities without data
#
# Physics and Bayes give densities without samples: a formula `log p(x)` up to an unknown constant. A normalizing flow can learn to sample
# it by minimising the reverse divergence `E_q[log q(x) - log p(x)]`, which needs only the flow's own samples. Importance weights then give
# the constant itself with an error bar, and their tail tells whether to believe it. What the flow has never sampled, no weight can bring
# back, so separate modes need a warm-up.
#
# It takes a minute on two cores.
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/jaxgen/jaxgen/blob/gh-pages/notebooks/11_densities_without_data.ipynb)

# %%
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

import jaxgen
from jaxgen.objectives import reverse_kl

key = jax.random.key(0)

# %% [markdown]
# ## A target
#
# A particle in a double well, coupled to a spring: two valleys, bent. Only the energy is known; `exp(-energy)` is not normalised. In two
# dimensions we can cheat and integrate on a grid, so that every answer can be checked.


# %%
def log_density(x):
    return -(0.35 * (x[0] ** 2 - 4.0) ** 2 + 0.2 * x[0] + 2.0 * (x[1] - 0.4 * x[0] ** 2) ** 2)


axis = jnp.linspace(-5, 5, 401)
cells = jnp.stack(jnp.meshgrid(axis, axis), -1)
energy = jax.vmap(jax.vmap(log_density))(cells)
log_z = float(jax.nn.logsumexp(energy) + 2 * jnp.log(axis[1] - axis[0]))
left = float(jnp.exp(energy - jax.nn.logsumexp(energy))[:, axis < 0].sum())
print(f"true log Z {log_z:.3f}; the left valley holds {left:.3f} of the mass")

# %% [markdown]
# ## Learn to sample it
#
# The objective takes the place of likelihood; `fit` gets no data. During the warm-up the target is tempered, `beta log p` with beta growing
# to 1, so that both valleys are found while they still overlap.


# %%
def learn(warmup, num_steps=1_000):
    entry = jaxgen.zoo.build("nsf", event_shape=(2,), width=32, num_layers=4)
    entry = entry._replace(objective=reverse_kl(entry.model, log_density, warmup=warmup, start=0.05))
    return entry.model, jaxgen.fit(key, entry, None, num_steps)


model, fitted = learn(warmup=0.6)
x = jaxgen.sample(jax.random.key(1), model, fitted.params, 4_000)
figure, panels = plt.subplots(1, 2, figsize=(7, 3.3), layout="constrained")
panels[0].contourf(axis, axis, jnp.exp(energy), 20, cmap="Blues")
panels[1].scatter(*np.asarray(x).T, s=1)
for panel, title in zip(panels, ("target", "samples of the flow"), strict=True):
    panel.set(title=title, xlim=(-3.5, 3.5), ylim=(-1.5, 4.5), aspect="equal")
plt.close(figure)
figure

# %% [markdown]
# ## Weigh the samples
#
# A sample that the flow makes too rarely gets a large weight. The mean weight estimates the normalising constant Z, and its logarithm comes
# with a standard error. The weights also make every expectation right that the flow alone would get slightly wrong.

# %%
weighted = jaxgen.evaluation.importance(jax.random.key(2), model, fitted.params, log_density, 10_000)
print(f"log Z {weighted.log_z:.3f} +- {weighted.log_z_stderr:.3f}, true {log_z:.3f}; effective samples {weighted.ess:.0f} of 10,000")
assert abs(weighted.log_z - log_z) < 0.1

# %%
share = np.mean(np.asarray(weighted.x)[:, 0] < 0), float(np.sum(weighted.weight * (np.asarray(weighted.x)[:, 0] < 0)))
print(f"mass of the left valley: flow {share[0]:.3f}, weighted {share[1]:.3f}, true {left:.3f}")
assert abs(share[1] - left) < 0.05

# %% [markdown]
# ## When to believe it
#
# An importance estimate hangs on the largest weights. `pareto_k` is the shape of their tail: below 0.5 their variance is finite, above 0.7
# neither the estimate nor its error can be trusted. A Gaussian in place of the flow shows a bad one.

# %%
gaussian = jaxgen.Model(jaxgen.bases.normal((2,)), jaxgen.transforms.affine(np.array([0.0, 1.6]), 0.5))
poor = jaxgen.evaluation.importance(jax.random.key(2), gaussian, (), log_density, 10_000)
for name, result in (("flow", weighted), ("narrow Gaussian", poor)):
    print(
        f"{name}: log Z {result.log_z:.2f} +- {result.log_z_stderr:.2f}, pareto k {result.pareto_k:.2f}, effective samples {result.ess:.0f}"
    )
assert weighted.pareto_k < 0.7 < poor.pareto_k

# %% [markdown]
# ## What no weight can mend
#
# Pull the valleys apart, one near the noise and one far away, and leave the warm-up out. The flow finds the near valley and is content: the
# reverse divergence does not punish mass that is missing. The weights look perfect, because no sample has ever been in the other valley;
# the estimate of log Z is too small by log 2, far outside its error bar, and nothing in the numbers says so. A base that is wide enough to
# reach both, and a warm-up, mend it.


# %%
def far(x):
    return jnp.logaddexp(-jnp.sum((x - 3.0) ** 2), -jnp.sum((x + 7.0) ** 2))


far_log_z = float(np.log(2 * np.pi))
results = {}
for name, scale, warmup in (("narrow base, no warm-up", 1.0, 0.0), ("wide base, warm-up", 5.0, 0.8)):
    flow = jaxgen.zoo.build("nsf", event_shape=(2,), width=32, num_layers=4).model
    wide = jaxgen.Model(flow.base, jaxgen.chain(flow.transform, jaxgen.transforms.affine(0.0, scale)))
    entry = jaxgen.Entry(wide, reverse_kl(wide, far, warmup=warmup, start=0.01), jaxgen.training.adam(3e-3))
    params = jaxgen.fit(key, entry, None, 1_000).params
    results[name] = r = jaxgen.evaluation.importance(jax.random.key(2), wide, params, far, 10_000)
    near = float(np.sum(r.weight * (np.asarray(r.x)[:, 0] > -2)))
    print(f"{name}: log Z {r.log_z:.3f} +- {r.log_z_stderr:.3f} (true {far_log_z:.3f}), pareto k {r.pareto_k:.2f}, near valley {near:.2f}")
assert abs(results["narrow base, no warm-up"].log_z - (far_log_z - np.log(2))) < 0.1
assert abs(results["wide base, warm-up"].log_z - far_log_z) < 0.15

# %% [markdown]
# So give the model reason to have been everywhere: a warm-up, a wide base, several runs, and a check against anything that is known.
# [`docs/explanation/densities.md`](../docs/explanation/densities.md) goes on with other libraries: a trained model can be a NumPyro prior
# or guide, and the target of a BlackJAX kernel.
