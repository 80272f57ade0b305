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
# # Exact likelihoods, and how far to trust them
#
# A likelihood is worth comparing only if you know which number it is. `log_prob` says it: exact, unbiased, or a lower bound; `certify` adds
# how far the number can be off, by source. Even an exact and certified likelihood does not say that samples are good, that a likely event
# is typical, or that two models in different units can be compared. This notebook shows each of these with numbers.
#
# It takes a minute on two cores.
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/jaxgen/jaxgen/blob/gh-pages/notebooks/10_exact_likelihoods.ipynb)

# %%
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from scipy import stats

import jaxgen
from jaxgen import numerics, transforms

key = jax.random.key(0)
data = jaxgen.data.load("two_moons", num_train=20_000, num_test=2_000)
print(f"entropy of the data {data.entropy:.3f} nats: no negative log-likelihood (NLL) can be smaller, on average")

# %% [markdown]
# ## Three kinds of number
#
# A flow's density is exact. A variational autoencoder (VAE) has a lower bound of its density: more draws tighten it, so **a better number
# may only mean more draws**.

# %%
flow = jaxgen.zoo.build("nsf", event_shape=(2,), width=32, num_layers=4)
flow_params = jaxgen.fit(key, flow, data.train, num_steps=800).params
vae = jaxgen.zoo.build("vae", event_shape=(2,), width=64)
vae_params = jaxgen.fit(key, vae, data.train, num_steps=1_500).params

x = data.test[:500]
lp = jaxgen.log_prob(flow.model, flow_params, x)
print(f"flow: NLL {-lp.value.mean():.3f}, {lp.density}")
bounds = {}
for num_draws in (1, 10, 100):
    lp = jaxgen.log_prob(vae.model, vae_params, x, key=key, num_draws=num_draws)
    bounds[num_draws] = -lp.value.mean()
    print(f"VAE, {num_draws} draws: NLL {bounds[num_draws]:.3f}, {lp.density}")
assert bounds[100] < bounds[10] < bounds[1]

# %% [markdown]
# The density of a continuous flow needs the divergence of its velocity. In two dimensions that is exact; in a thousand it is estimated by
# random probes, and the number becomes *unbiased*: right on average, with a standard error that comes back beside it. The same params, read
# both ways:

# %%
net = jaxgen.nets.time_mlp(2, width=64, depth=3)


def ode(trace):
    def init(key, z, cond=None):
        return net.init(key, z, jnp.zeros(()), cond)

    return jaxgen.Model(jaxgen.bases.normal((2,)), transforms.ode_flow(init, net.apply, trace=trace))


cfm = jaxgen.Entry(ode("exact"), jaxgen.objectives.flow_matching(ode("exact")), jaxgen.training.adam(5e-3))
ode_params = jaxgen.fit(key, cfm, data.train, num_steps=3_000).params
exact = jaxgen.log_prob(ode("exact"), ode_params, x[:100])
estimate = jaxgen.log_prob(ode("hutchinson"), ode_params, x[:100], key=key, num_draws=16)
away = np.abs(estimate.value - exact.value) / estimate.stderr
print(f"{exact.density} {exact.value.mean():.3f}; {estimate.density} {estimate.value.mean():.3f}")
print(f"share within two standard errors: {np.mean(away < 2):.2f}")
assert np.mean(away < 3) > 0.85

# %% [markdown]
# The exponential of an unbiased log density is *not* an unbiased density, so such a number must not be used as an importance weight. The
# library refuses that.
#
# ## How far off can it be?
#
# "Exact" means: up to rounding and, for an ODE, up to its solver. `certify` measures both against tighter solves and float64, tightens what
# dominates, and returns the rest as a bound for each event. What it certifies is the density *of these params*; how well they fit the data
# is another question.

# %%
coarse = jaxgen.Model(
    jaxgen.bases.normal((2,)), transforms.ode_flow(cfm.model.transform.init, net.apply, solver=numerics.fixed(12, "midpoint"))
)
quick = jaxgen.log_prob(coarse, ode_params, x[:20]).value
certificate = jaxgen.certify(ode("exact"), ode_params, x[:20], atol=1e-3)
wrong = np.abs(quick - certificate.value)
print(f"12 steps are off by up to {wrong.max():.3f} nats; certified to {certificate.bound.max():.1e} nats, {certificate.holds.all()}")
print({source: float(np.max(getattr(certificate.budget, source))) for source in certificate.budget._fields})
assert certificate.holds.all() and wrong.max() > certificate.bound.max()

# %% [markdown]
# A map that is nearly singular makes a density depend on the last digits of its input. The certificate reports that too: `condition` is the
# largest ratio of singular values on the way to an event.

# %%
squeezed = jaxgen.Model(jaxgen.bases.normal((2,)), transforms.affine(0.0, np.array([1.0, 1e-6])))
flagged = jaxgen.certify(squeezed, (), np.array([[0.5, 1e-6]], np.float32), atol=1e-3)
print(f"condition {flagged.condition[0]:.0e}, near singular: {flagged.near_singular[0]}")

# %% [markdown]
# ## A likelihood has units
#
# Change the units of the data from metres to centimetres, and every density falls by a factor of 100 for each coordinate. Two likelihoods
# can be compared only in the same units; so the library counts the units of a table or an image in its density.

# %%
in_metres = jaxgen.log_prob(flow.model, flow_params, x).value
in_centimetres = jaxgen.Model(flow.model.base, transforms.chain(flow.model.transform, transforms.affine(0.0, 100.0)))
same_events = jaxgen.log_prob(in_centimetres, (flow_params, ()), 100.0 * x).value
np.testing.assert_allclose(same_events, in_metres - 2 * np.log(100.0), atol=1e-3)
float(in_metres.mean()), float(same_events.mean())

# %% [markdown]
# Whole numbers have no density at all: a model that puts a spike on each of them reaches any likelihood it likes. Before a flow sees pixels
# or ages, a uniform fraction is added, and what is reported is then a lower bound of a probability.

# %%
whole = stats.binom(10, 0.4).rvs(2_000, random_state=0)
for width in (1.0, 0.1, 0.001):
    spikes = np.log(np.mean(stats.norm.pdf(whole[:, None], np.arange(11), width) * stats.binom(10, 0.4).pmf(np.arange(11)) * 1.0, 1) * 11)
    print(
        f"spikes of width {width}: NLL {-spikes.mean():6.2f} nats; the entropy of the probabilities is {stats.binom(10, 0.4).entropy():.2f}"
    )

# %% [markdown]
# ## Likely is not typical
#
# The most likely event of a Gaussian in 100 dimensions is its centre, and no sample is ever near it: samples lie on a shell of radius 10.
# So an event with a *higher* density than any training event can still be one that the model never makes. A high likelihood alone does not
# show that an event belongs to the data.

# %%
z = np.asarray(jaxgen.bases.normal((100,)).sample(seed=key, sample_shape=(5_000,)))
heights, centre = stats.norm.logpdf(z).sum(1), stats.norm.logpdf(np.zeros(100)).sum()
figure, (left, right) = plt.subplots(1, 2, figsize=(7.5, 2.7), layout="constrained")
left.hist(np.linalg.norm(z, axis=1), 60)
left.set(xlabel="distance of a sample from the centre", xlim=(0, 14))
right.hist(heights, 60)
right.axvline(centre, color="C3")
right.set(xlabel="log density of samples; red: of the centre")
plt.close(figure)
assert centre > heights.max() + 20 and np.linalg.norm(z, axis=1).min() > 5
figure

# %% [markdown]
# ## Likely is not beautiful
#
# Mix a good model with pure noise, nine parts of ten noise. Its log density falls by at most `log 10 = 2.3` nats for each event, which in a
# thousand dimensions is nothing beside differences of hundreds; and nine of ten samples are rubbish. The other way round, a model that has
# stored the training data gives perfect samples and a terrible likelihood.

# %%
good = jaxgen.log_prob(flow.model, flow_params, x).value
noise = jaxgen.bases.normal((2,)).log_prob(x)
mixed = np.logaddexp(np.log(0.1) + good, np.log(0.9) + noise)
print(f"good model {-good.mean():.2f} nats, with nine parts of noise {-mixed.mean():.2f}")
assert np.all(good - mixed <= np.log(10) + 1e-5)

kept = data.train[:500]
stored = jaxgen.bases.gaussian_mixture(np.ones(500), kept, 0.005)
recall = float(np.mean(-jax.vmap(stored.log_prob)(x)))
print(f"500 stored events blurred by 0.005: SW2 {jaxgen.evaluation.sliced_w2(kept, data.test):.3f}, NLL {recall:.0f} nats")
assert recall > 10

# %% [markdown]
# So: compare numbers of one kind, in one unit, with their errors; look at samples as well; and ask for a certificate where a decision hangs
# on a number. [`docs/explanation/densities.md`](../docs/explanation/densities.md) says what each kind means, family by family.
