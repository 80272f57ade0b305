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
# # One transform, six objectives
#
# A normalizing flow can be trained by likelihood, by samples against samples, by a game against a critic, by a drift, or from an
# unnormalised density without any data. Base and transform are the same objects each time; one line differs. What comes out differs too:
# **every objective gives what it asks for.** Likelihood gives the best density, the distances between samples give usable samples and leave
# the density to chance, and the reverse divergence needs no data at all.
#
# This notebook trains all six for the same number of steps and measures both. It takes a minute or two on two cores.
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/jaxgen/jaxgen/blob/gh-pages/notebooks/08_one_transform_six_objectives.ipynb)

# %%
import jax
import matplotlib.pyplot as plt
import numpy as np

import jaxgen
from jaxgen import objectives
from jaxgen.training import adam

key = jax.random.key(0)
data = jaxgen.data.load("eight_gaussians", num_train=20_000, num_test=2_000)
NUM_STEPS = 1_000

# %% [markdown]
# ## The base and the transform
#
# Two-dimensional noise and a stack of coupling layers with splines. Both are made once.

# %%
base = jaxgen.bases.normal((2,))
transform = jaxgen.zoo.build("nsf", event_shape=(2,), width=32, num_layers=4).model.transform
model = jaxgen.Model(base, transform)
params = jaxgen.init(key, model)
print(jaxgen.zoo.count_params(params), "parameters; the density is", transform.kind)

# %% [markdown]
# ## The six lines
#
# | objective | what it compares | what it needs of the transform |
# |---|---|---|
# | maximum likelihood | densities, at data | an inverse with its log-determinant |
# | reverse KL | densities, at samples | the density of its own samples, and the target's density up to a factor |
# | energy distance | pairs of points | samples |
# | sliced Wasserstein | sorted projections | samples |
# | game | what a critic has found | samples |
# | drifting | nearest neighbours, softly | samples |

# %%
lines = {
    "maximum likelihood": objectives.maximum_likelihood(model),
    "reverse KL": objectives.reverse_kl(model, data.log_prob, warmup=0.5),
    "energy distance": objectives.energy(model),
    "sliced Wasserstein": objectives.sliced_wasserstein(model),
    "game": objectives.adversarial(model, jaxgen.nets.mlp(1, width=64, depth=3), r1=0.1),
    "drifting": objectives.drifting(model),
}

# %% [markdown]
# `fit` is the same for all. The second objective is called without data: it has never seen a point of the data set, and knows the formula
# of its density instead.

# %%
trained = {}
for name, objective in lines.items():
    entry = jaxgen.Entry(model, objective, adam(3e-3))
    fitted = jaxgen.fit(key, entry, None if objective.data_free else data.train, NUM_STEPS)
    trained[name] = fitted.params
    print(f"{name}: {fitted.history['train_seconds']:.0f} s")

# %% [markdown]
# ## What came out
#
# Two judges that are independent of each other: the negative log-likelihood (NLL) of fresh data, whose best value is the entropy, and the
# sliced 2-Wasserstein distance of samples (SW2), whose best value is that of two real samples.

# %%
floor = jaxgen.evaluation.sliced_w2(data.train[:2_000], data.test)
figures = {}
for name, learned in trained.items():
    nll = -float(jaxgen.log_prob(model, learned, data.test).value.mean())
    figures[name] = nll, jaxgen.evaluation.sliced_w2(jaxgen.sample(key, model, learned, 2_000), data.test)
print(f"{'':20} NLL {data.entropy:6.2f} at best   SW2 {floor:.3f} at best")
for name, (nll, distance) in figures.items():
    print(f"{name:20} NLL {nll:6.2f}           SW2 {distance:.3f}")
assert min(figures, key=lambda name: figures[name][0]) == "maximum likelihood"

# %%
clouds = {"data": data.test} | {name: jaxgen.sample(key, model, learned, 1_500) for name, learned in trained.items()}
figure, panels = plt.subplots(2, 4, figsize=(11, 5.6), layout="constrained")
for panel, (name, points) in zip(panels.flat, clouds.items(), strict=False):
    panel.scatter(*np.asarray(points[:1_500]).T, s=1)
    panel.set(title=name, xlim=(-3, 3), ylim=(-3, 3), aspect="equal", xticks=[], yticks=[])
panels.flat[-1].set_axis_off()
plt.close(figure)
figure

# %% [markdown]
# ## The densities that nobody asked for
#
# The same six models as densities. Where an objective looked only at samples, the map may fold the plane into a thread, and the density is
# sharp where no data are: the samples look right and the likelihood is poor. That is the price of training a flow as a generator.

# %%
axis = np.linspace(-3, 3, 120, dtype=np.float32)
cells = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)
figure, panels = plt.subplots(2, 3, figsize=(8.4, 5.6), layout="constrained")
for panel, (name, learned) in zip(panels.flat, trained.items(), strict=True):
    value = np.asarray(jaxgen.log_prob(model, learned, cells).value).reshape(len(axis), -1)
    panel.imshow(np.exp(value), extent=(-3, 3, -3, 3), origin="lower", cmap="Blues", vmax=0.4)
    panel.set(title=f"{name}: {figures[name][0]:.2f} nats", xticks=[], yticks=[])
plt.close(figure)
figure

# %% [markdown]
# ## The other way round
#
# One objective and several transforms is the other half of the same sentence. The energy distance trains whatever can be sampled: a flow as
# above, a free network, or a mixture. A pairing that cannot work is refused before anything is compiled, with what is missing:

# %%
free = jaxgen.Model(base, jaxgen.transforms.generator(jaxgen.nets.mlp(2, width=32, depth=2)))
fitted = jaxgen.fit(key, jaxgen.Entry(free, objectives.energy(free), adam(3e-3)), data.train, 500)
print("a free network by the energy distance:", jaxgen.sample(key, free, fitted.params, 3).shape)
for factory in (objectives.maximum_likelihood, objectives.elbo, objectives.flow_matching):
    try:
        factory(free)
    except jaxgen.PairingError as error:
        print(error)

# %% [markdown]
# `jaxgen matrix` trains 13 transforms by 13 objectives and shows the samples and figures of each pairing, or why it is refused.
