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
# # What limits a push-forward
#
# **The answer.** A model that maps one Gaussian to data in two separated modes must leave mass between them, or stretch the noise there
# without bound: *bridge mass times mean stretch* is at least the width of the gap times a number that depends on the modes' masses alone.
# The bound knows nothing of the architecture, and trained models of every family meet it nearly with equality, so it predicts their
# bridges. Noise in pieces is not bound by it: a mixture base or an index leaf takes the bridge away.
#
# **What would refute it.** A trained model whose measured side lies significantly below the bound; or a mixture base that leaves as much
# mass in the gap as one Gaussian does. Both would show in the figures below.
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/jaxgen/jaxgen/blob/gh-pages/notebooks/03_what_limits_a_push_forward.ipynb)

# %%
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

import jaxgen
from jaxgen import Maps, Model, Transform
from jaxgen.evaluation import bridge
from jaxgen.transform import no_params

# %% [markdown]
# ## A map of a line
#
# Noise z is a standard Gaussian number, and `x = F(z)` should reach two modes at -4 and 4. The sets are the intervals within 1 of them.
# The gap is 6 wide.

# %%
sets = bridge.balls([[-4.0], [4.0]], 1.0)
sets.gaps()


# %%
def line(function):
    """A model of one number, without params."""
    return Model(jaxgen.bases.normal((1,)), Transform(no_params, Maps(lambda params, z, cond=None: function(z))))


def both_sides(model, params=(), sets=sets):
    (of,) = bridge.continuous_maps(model, params)
    return bridge.local_bound(jax.random.key(0), of, params, sets)


# %% [markdown]
# A steeper map leaves less mass in the gap and stretches more there. Their product stays, and it equals the bound, because a monotone map
# of a line wastes nothing.

# %%
for steepness in (0.5, 1.0, 2.0, 4.0, 8.0):
    local = both_sides(line(lambda z, steepness=steepness: 4 * jnp.tanh(steepness * z)))
    print(
        f"steepness {steepness}: gap {local.bridge:.3f} x stretch {local.mean_stretch:6.2f} = {local.stretch:.3f}, "
        f"bound {local.least:.3f}, ratio {local.ratio:.3f}"
    )

# %% [markdown]
# A map that goes back and forth pays for each crossing. The bound still holds, with room.

# %%
local = both_sides(line(lambda z: 4 * jnp.sin(3 * z)))
round(local.ratio, 2), round(local.z, 1)

# %% [markdown]
# ## Why
#
# Let u be the distance of x to the first mode over the width of the gap, cut at 1. The mean slope of u is the Gaussian surface of its
# level sets, added up over the levels (coarea), and no set of a given Gaussian measure has less surface than a half-space (isoperimetry).
# The slope of u is the stretch of F along the direction n away from the mode, `|J^T n|`, one vector-Jacobian product a point.
# `docs/explanation/bridge.md` has the proof.
#
# The same number without a derivative: random great-circle paths of noise cross the gap, and each crossing costs its width.

# %%
model = line(lambda z: 4 * jnp.tanh(2 * z))
(of,) = bridge.continuous_maps(model, ())
paths = bridge.crossings(jax.random.key(1), of, (), sets)
both_sides(model).stretch, paths.stretch, paths.least

# %% [markdown]
# ## A trained flow
#
# Two Gaussians in the plane, eight standard deviations apart; the sets are half-planes with a gap of four deviations. A spline coupling
# flow is trained by maximum likelihood.

# %%
from jaxgen.studies.bridge.models import remedy
from jaxgen.studies.bridge.targets import target

this = target("two_gaussians_8")
train, test = this.draw(0, 20_000), this.draw(1, 20_000)


def trained(name, steps=800):
    entry = remedy(name, "two_gaussians_8")
    return entry.model, jaxgen.fit(jax.random.key(0), entry, train, steps, ema=0.98).params


flow, params = trained("one Gaussian")

# %%
local = both_sides(flow, params, this.sets)
print(
    f"gap {local.bridge:.4f} x stretch {local.mean_stretch:.1f} = {local.stretch:.3f} +- {local.stretch_stderr:.3f}; bound {local.least:.3f}"
)

# %% [markdown]
# The flow cannot do better at this stretch. The share of data in the gap is far smaller than the model's.

# %%
x = np.asarray(jaxgen.sample(jax.random.key(2), flow, params, 20_000))
counts, real = this.sets.counts(x), this.sets.counts(test)
counts[-1] / 20_000, real[-1] / 20_000

# %% [markdown]
# What the bridge costs in nats, and how steep the map must be at least, by counts of samples alone:

# %%
bridge.kl_part(real, counts), bridge.certified_lipschitz(int(counts[0]), int(counts[1]), 20_000, this.sets.gap((0,)))

# %% [markdown]
# ## Noise in pieces
#
# A mixture base with one component for each mode is two Gaussians, and an index leaf is a choice among maps. The bound holds within each
# piece, which has no gap to cross.

# %%
pieces = {"one Gaussian": (flow, params), "mixture base": trained("mixture base"), "index leaf": trained("index leaf")}

# %%
for name, (model, params) in pieces.items():
    share = this.sets.shares(np.asarray(jaxgen.sample(jax.random.key(2), model, params, 20_000)))[-1]
    nll = -float(jaxgen.log_prob(model, params, test).value.mean())
    print(f"{name}: {share:.4f} of samples in the gap, data {real[-1] / 20_000:.4f}; NLL {nll:.3f}")

# %% [markdown]
# ## To see it

# %%
fig, axes = plt.subplots(1, 3, figsize=(9, 2.6), sharex=True, sharey=True)
for ax, (name, (model, params)) in zip(axes, pieces.items(), strict=True):
    x = np.asarray(jaxgen.sample(jax.random.key(3), model, params, 4_000))
    inside = np.abs(x[:, 0]) < this.sets.gap((0,)) / 2
    ax.scatter(*x.T, s=1, c=np.where(inside, "#c23b3b", "#6f7f95"))
    ax.set_title(name)

# %% [markdown]
# `jaxgen study bridge` does this for eight families, seven targets and four seeds, and `jaxgen diagnose RUN` for a model of your own.
