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
# # Scaling out
#
# A mesh of devices is one more argument: `fit(..., mesh=mesh)` shares the rows of each batch among the devices, and `shard="fsdp"` splits
# the params and the optimiser's state as well, so that a model may be larger than one device's memory. The program is the same one, so what
# is trained is the same up to rounding, on a laptop's cores, on eight GPUs or on a TPU pod.
#
# This notebook makes four devices out of a CPU, which shows where everything lies; it makes nothing faster. It takes half a minute.
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/jaxgen/jaxgen/blob/gh-pages/notebooks/13_scaling_out.ipynb)

# %%
import tempfile

import jax
import matplotlib.pyplot as plt
import numpy as np

jax.config.update("jax_num_cpu_devices", 4)  # before the first computation; a machine with real devices leaves this line out

import jaxgen

jax.devices()

# %% [markdown]
# ## The model and its data
#
# Nothing in them knows of devices.

# %%
data = jaxgen.data.load("two_moons", num_train=8_000, num_test=1_000)
entry = jaxgen.zoo.build("realnvp", event_shape=(2,), width=64, num_layers=4)
NUM_STEPS, BATCH = 200, 256

# %% [markdown]
# ## One device, then four
#
# The same key gives the same batches and the same noise: both are drawn by the number of the row in the whole batch, and not by the device
# that holds it.

# %%
one = jaxgen.fit(0, entry, data.train, NUM_STEPS, batch_size=BATCH, devices=jax.devices()[:1])
mesh = jax.make_mesh((4,), ("data",))
four = jaxgen.fit(0, entry, data.train, NUM_STEPS, batch_size=BATCH, mesh=mesh)
difference = np.abs(one.history["loss"] - four.history["loss"])
print(f"largest difference of the losses of {NUM_STEPS} steps: {difference.max():.1e} nats")
assert difference[:20].max() < 1e-3

# %% [markdown]
# Rounding differs, because a sum over four devices is taken in another order, and training magnifies it a little with every step. The
# curves lie on each other:

# %%
figure, panel = plt.subplots(figsize=(5, 2.6), layout="constrained")
panel.plot(one.history["loss"], lw=3, color="lightgrey", label="one device")
panel.plot(four.history["loss"], lw=0.7, label="four devices")
panel.set(xlabel="step", ylabel="loss (nats)")
panel.legend()
plt.close(figure)
figure

# %% [markdown]
# ## A copy on each, or a share on each
#
# With the default, `shard="replicated"`, each device holds all params. With `shard="fsdp"` the largest axis of each large array is split,
# and so are the moments of the optimiser, which are twice as many numbers. A device gathers what it needs for the length of a step.

# %%
split = jaxgen.fit(0, entry, data.train, NUM_STEPS, batch_size=BATCH, mesh=mesh, shard="fsdp")


def held_by_the_first_device(params):
    """How many numbers of the params lie on the first device."""
    shards = [shard for leaf in jax.tree.leaves(params) for shard in leaf.addressable_shards]
    return sum(shard.data.size for shard in shards if shard.device == jax.devices()[0])


total = jaxgen.zoo.count_params(four.params)
print(
    f"of {total} params one device holds {held_by_the_first_device(four.params)} replicated, {held_by_the_first_device(split.params)} split"
)
assert held_by_the_first_device(split.params) < 0.5 * total

# %% [markdown]
# Where one matrix lies, device by device:

# %%
largest = max(jax.tree.leaves(split.params), key=lambda leaf: leaf.size)
print(largest.shape, "as", largest.sharding.spec)
{str(shard.device): shard.data.shape for shard in largest.addressable_shards}

# %% [markdown]
# The split changes where numbers lie and not what they are.

# %%
np.testing.assert_allclose(split.history["loss"][:20], four.history["loss"][:20], atol=1e-3)
float(split.history["loss"][-20:].mean()), float(four.history["loss"][-20:].mean())

# %% [markdown]
# ## Samples and densities
#
# `sample` and `log_prob` share their rows among the devices on which the params lie.

# %%
x = jaxgen.sample(jax.random.key(1), entry.model, split.params, 1_000)
lp = jaxgen.log_prob(entry.model, split.params, data.test)
print(x.shape, f"NLL {-lp.value.mean():.2f} nats")

# %% [markdown]
# ## Another number of devices tomorrow
#
# A save holds whole arrays. So a run that was saved on four devices is loaded on one, on two, or on a thousand.

# %%
folder = tempfile.mkdtemp()
jaxgen.save(folder, entry, split)
again, loaded = jaxgen.load(folder)
np.testing.assert_allclose(jaxgen.log_prob(again.model, loaded.params, data.test[:100]).value, np.asarray(lp.value)[:100], atol=1e-4)
{len(leaf.devices()) if hasattr(leaf, "devices") else 1 for leaf in jax.tree.leaves(loaded.params)}

# %% [markdown]
# ## On a TPU, and on many hosts
#
# In Colab choose a TPU runtime; leave out the line that makes four devices, and `jax.devices()` lists the chips. Nothing else changes. On a
# pod or under Slurm each host runs the same script, which begins with `jax.distributed.initialize()` and makes a mesh of all devices:
#
#     jax.distributed.initialize()
#     mesh = jax.make_mesh((jax.device_count(),), ("data",))
#     jaxgen.fit(0, entry, data.train, 100_000, batch_size=4096, mesh=mesh, shard="fsdp", saving="/shared/run")
#
# [`docs/how-to/scaling.md`](../docs/how-to/scaling.md) says what happens when a host is lost, how SIGTERM is answered, and how rows are
# streamed that fit on no host.
