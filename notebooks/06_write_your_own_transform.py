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
# # Write your own transform
#
# A transform is three functions of explicit params: `init` makes the params, `forward_and_log_det` maps one noise to one event, and
# `inverse` maps it back; both return a log-determinant beside the point. Write them for one event: batching, sampling, densities, training
# and pictures follow. One test comes before everything else: the log-determinant must be that of the Jacobian, which JAX computes for you.
#
# This notebook writes a wave, breaks it on purpose, trains it, gives it a condition, and then writes two maps that are no bijections. It
# takes a minute.
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/jaxgen/jaxgen/blob/gh-pages/notebooks/06_write_your_own_transform.ipynb)

# %%
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

import jaxgen
from jaxgen import Density, Maps, Preimage, Transform, bijection, chain
from jaxgen.objectives import energy, maximum_likelihood
from jaxgen.training import adam

key = jax.random.key(0)


def scatter(**clouds):
    """One square panel for each named array of points (n, 2)."""
    figure, panels = plt.subplots(1, len(clouds), figsize=(2.8 * len(clouds), 2.8), squeeze=False, layout="constrained")
    for panel, (name, points) in zip(panels[0], clouds.items(), strict=True):
        panel.scatter(*np.asarray(points[:1_500]).T, s=2)
        panel.set(title=name.replace("_", " "), xlim=(-3.5, 3.5), ylim=(-3.5, 3.5), aspect="equal")
    plt.close(figure)
    return figure


# %% [markdown]
# ## The map
#
# The first coordinate stays. The second one is stretched and lifted by waves of the first:
#
#     x[0] = z[0],     x[1] = z[1] * exp(s(z[0])) + m(z[0])
#
# with `s` and `m` short Fourier series whose coefficients are the params. It can be undone, because `x[0]` tells what the waves were. The
# Jacobian is triangular with diagonal `1, exp(s)`, so its log-determinant is `s`.

# %%
NUM_WAVES = 3


def waves(coefficients, u):
    """A Fourier series with `NUM_WAVES` sines and cosines."""
    angles = jnp.arange(1, NUM_WAVES + 1) * u
    return coefficients[0] @ jnp.sin(angles) + coefficients[1] @ jnp.cos(angles)


def wave():
    def init(key, z, cond=None):
        return {"stretch": jnp.zeros((2, NUM_WAVES), z.dtype), "lift": jnp.zeros((2, NUM_WAVES), z.dtype)}

    def forward_and_log_det(params, z, cond=None):
        s = waves(params["stretch"], z[0])
        return z.at[1].set(z[1] * jnp.exp(s) + waves(params["lift"], z[0])), s

    def inverse(params, x, cond=None, key=None):
        s = waves(params["stretch"], x[0])
        return Preimage(x.at[1].set((x[1] - waves(params["lift"], x[0])) * jnp.exp(-s)), log_det=-s)

    return bijection(init, forward_and_log_det, inverse)


# %% [markdown]
# It starts as the identity, which is a good habit: a stack of such layers starts as the identity too.

# %%
f, z = wave(), jnp.array([0.4, -1.1])
params = f.init(key, z)
np.testing.assert_array_equal(f.forward(params, z), z)
str(f.kind)

# %% [markdown]
# ## The test that counts
#
# Both directions at params that are far from zero: the round trip, and the log-determinants against the Jacobian of the map itself.


# %%
def check(f, params, z):
    x, log_det = f.forward_and_log_det(params, z)
    back = f.inverse(params, x)
    np.testing.assert_allclose(back.z, z, atol=1e-5)
    jacobian = jax.jacfwd(f.forward, argnums=1)(params, z)
    np.testing.assert_allclose(log_det, jnp.linalg.slogdet(jacobian).logabsdet, atol=1e-5)
    np.testing.assert_allclose(back.log_det, -log_det, atol=1e-5)


wild = jax.tree.map(lambda a: jax.random.normal(key, a.shape), params)
for point in jax.random.normal(jax.random.key(1), (20, 2)):
    check(f, wild, point)

# %% [markdown]
# Does the test see a mistake? Forget the minus sign of the inverse's log-determinant. The round trip is as perfect as before, samples would
# look right, and every density would be wrong. The comparison with the Jacobian is red.

# %%
broken = bijection(
    f.init, f.forward_and_log_det, lambda params, x, cond=None, key=None: (p := f.inverse(params, x))._replace(log_det=-p.log_det)
)
try:
    check(broken, wild, z)
except AssertionError:
    print("caught")
else:
    raise AssertionError("the wrong sign went through")

# %% [markdown]
# ## A model of it
#
# One wave moves one coordinate, so a model takes several, with a flip of the coordinates between them. `chain` applies its first argument
# first. The learnable Gaussian at the front gives the waves a good scale. Nothing else is needed: `Model`, `Entry` and `fit` are the same
# for every transform.

# %%
layers = [jaxgen.transforms.triangular_affine()]
for _ in range(6):
    layers += [wave(), jaxgen.transforms.flip()]
model = jaxgen.Model(jaxgen.bases.normal((2,)), chain(*layers))
data = jaxgen.data.load("two_moons", num_train=20_000, num_test=2_000)
entry = jaxgen.Entry(model, maximum_likelihood(model), adam(2e-2))
fitted = jaxgen.fit(key, entry, data.train, num_steps=1_000)
lp = jaxgen.log_prob(model, fitted.params, data.test)
print(f"NLL {-lp.value.mean():.3f} nats ({lp.density}); a Gaussian has 2.8, and the best possible is {data.entropy:.3f}")
assert -lp.value.mean() < 2.3

# %%
jaxgen.viz.show(entry, fitted, data.test)

# %% [markdown]
# ## The same transform, another objective
#
# No line of the transform knows how it is trained. The energy distance compares samples and needs no inverse at all.

# %%
by_samples = jaxgen.Entry(model, energy(model), adam(2e-2))
fitted_too = jaxgen.fit(key, by_samples, data.train, num_steps=1_000)
scatter(
    data=data.test,
    by_likelihood=jaxgen.sample(key, model, fitted.params, 1_500),
    by_energy_distance=jaxgen.sample(key, model, fitted_too.params, 1_500),
)

# %% [markdown]
# ## With a condition
#
# Every function takes `cond`: one condition, or None. Here it is a number that turns the plane, and nobody has to batch it.


# %%
def turn():
    def matrix(angle):
        return jnp.array([[jnp.cos(angle), -jnp.sin(angle)], [jnp.sin(angle), jnp.cos(angle)]])

    return bijection(
        init=lambda key, z, cond=None: (),
        forward_and_log_det=lambda params, z, cond=None: (matrix(cond[0]) @ z, jnp.zeros((), z.dtype)),
        inverse=lambda params, x, cond=None, key=None: Preimage(matrix(-cond[0]) @ x, log_det=jnp.zeros((), x.dtype)),
    )


turned = jaxgen.Model(model.base, chain(model.transform, turn()))
angles = {"none": 0.0, "a_quarter": np.pi / 2, "half": np.pi}
scatter(**{name: jaxgen.sample(key, turned, (fitted.params, ()), 1_500, cond=np.full((1, 1), angle)) for name, angle in angles.items()})

# %% [markdown]
# ## Not a bijection
#
# A map that forgets something is a transform as well; it only has to say what its density is. `|z|` forgets the sign. Its inverse *draws*
# one with its key, and says how likely that draw was, in `log_q`. A library function that averages such draws gets the density; in general
# the mean is a lower bound, so that is its kind. For a base that is symmetric the bound is tight, which we can check against the
# half-normal density.


# %%
def absolute():
    def forward(params, z, cond=None):
        return jnp.abs(z)

    def inverse(params, x, cond=None, key=None):
        sign = jax.random.rademacher(key, x.shape, x.dtype)
        return Preimage(sign * x, log_det=jnp.zeros((), x.dtype), log_q=jnp.sum(jnp.full_like(x, np.log(0.5))))

    return Transform(lambda key, z, cond=None: (), Maps(forward, inverse), Density.LOWER_BOUND)


half_normal = jaxgen.Model(jaxgen.bases.normal((1,)), absolute())
x = jaxgen.sample(key, half_normal, (), 5)
lp = jaxgen.log_prob(half_normal, (), x, key=key)
np.testing.assert_allclose(lp.value, np.log(2) - 0.5 * x[:, 0] ** 2 - 0.5 * np.log(2 * np.pi), rtol=1e-5)
lp.value, str(lp.density)

# %% [markdown]
# A map without an inverse has no density, and says that. It can be sampled, drawn and trained by samples.

# %%
folded = Transform(lambda key, z, cond=None: (), Maps(lambda params, z, cond=None: jnp.stack([z[0] + z[1], z[2]])), Density.IMPLICIT)
implicit = jaxgen.Model(jaxgen.bases.normal((3,)), folded)
print(jaxgen.sample(key, implicit, (), 4).shape)
try:
    jaxgen.log_prob(implicit, (), np.zeros((1, 2)))
except jaxgen.ImplicitDensityError as error:
    print(error)

# %% [markdown]
# What an objective trains besides the map, such as an encoder or a velocity, is an entry of `Transform.parts`; what the library may read,
# such as stages for pictures, is in `Transform.hooks`. [`CONTRIBUTING.md`](../CONTRIBUTING.md) shows the three places that bring a
# transform into the library, where some thirty laws judge it.
