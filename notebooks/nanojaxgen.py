# %% [markdown]
# # Six families of deep generative models in one file
#
# Every deep generative model draws noise `z` and returns `x = forward(params, z)`. Here are six of them, from nothing but JAX: they share the
# network, the optimiser, the training loop and the way to sample. What differs is how `params` are found, which is a loss of a few lines.
# Nothing is imported from jaxgen; its tests hold this file to the library on the same weights.

# %%
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

normal, split = jax.random.normal, jax.random.split


def moons(key, n):
    """Draw n points of two interleaved half circles, standardised."""
    angle, side = jax.random.uniform(split(key)[0], (n,), maxval=jnp.pi), jnp.where(jnp.arange(n) % 2, 1, -1)
    points = jnp.stack([side * jnp.cos(angle) + (side < 0), side * jnp.sin(angle) + 0.5 * (side < 0)], 1)
    points += 0.1 * normal(split(key)[1], (n, 2))
    return (points - points.mean(0)) / points.std(0)


# %% [markdown]
# ## What all six share
#
# A network is a list of matrices and biases. A last layer of zeros makes a flow begin as the identity and a velocity as rest.


# %%
def init_mlp(key, *sizes, last=1.0):
    gains, keys = [1.0] * (len(sizes) - 2) + [last], split(key, len(sizes) - 1)
    return [(g * normal(k, (m, n)) / m**0.5, jnp.zeros(n)) for g, k, m, n in zip(gains, keys, sizes, sizes[1:], strict=False)]


def mlp(layers, *inputs):
    h = jnp.concatenate([jnp.atleast_1d(a) for a in inputs])
    for w, b in layers[:-1]:
        h = jax.nn.silu(h @ w + b)
    return h @ layers[-1][0] + layers[-1][1]


# %% [markdown]
# The optimiser is Adam with a learning rate that falls to zero, and training is one compiled loop. `loss(params, key, x)` is a batch's loss.


# %%
def fit(key, params, loss, data, steps=3_000, batch=256, rate=2e-3, momentum=0.9):
    """Train and return the moving average of the params."""

    def step(carry, i):
        params, mean, square, average = carry
        key_batch, key_loss = split(jax.random.fold_in(key, i))
        x = data[jax.random.randint(key_batch, (batch,), 0, len(data))]
        g = jax.grad(loss)(params, key_loss, x)
        mean = jax.tree.map(lambda m, g: momentum * m + (1 - momentum) * g, mean, g)
        square = jax.tree.map(lambda v, g: 0.99 * v + 0.01 * g**2, square, g)
        now = rate * (1 - i / steps) * jnp.sqrt(1 - 0.99 ** (i + 1)) / (1 - momentum ** (i + 1))
        params = jax.tree.map(lambda p, m, v: p - now * m / (jnp.sqrt(v) + 1e-8), params, mean, square)
        average = jax.tree.map(lambda a, p: 0.995 * a + 0.005 * p, average, params)
        return (params, mean, square, average), None

    zeros = jax.tree.map(jnp.zeros_like, params)
    return jax.jit(lambda p: jax.lax.scan(step, (p, zeros, zeros, p), jnp.arange(steps)))(params)[0][3]


log_normal = lambda z: jnp.sum(-0.5 * z**2 - 0.5 * jnp.log(2 * jnp.pi))

# %% [markdown]
# ## 1. Normalizing flow
#
# Half of the coordinates pass unchanged, and a network of them scales and shifts the other half. The map has an inverse, so the density is exact:
# the log density of the noise, less the logarithm of how much the map stretches.

# %%
LAYERS = 8
init_flow = lambda key: [init_mlp(k, 1, 64, 64, 2, last=0.0) for k in split(key, LAYERS)]


def flow(params, z):
    for layer in params:
        shift, log_scale = mlp(layer, z[:1])
        z = jnp.stack([shift + jnp.exp(3 * jnp.tanh(log_scale / 3)) * z[1], z[0]])
    return z


def flow_log_prob(params, x):
    log_det = 0.0
    for layer in reversed(params):
        shift, raw = mlp(layer, x[1:])
        log_scale = 3 * jnp.tanh(raw / 3)
        x, log_det = jnp.stack([x[1], (x[0] - shift) * jnp.exp(-log_scale)]), log_det - log_scale
    return log_normal(x) + log_det


flow_loss = lambda params, key, x: -jnp.mean(jax.vmap(lambda x: flow_log_prob(params, x))(x))


# %% [markdown]
# ## 2. Autoregressive model
#
# One coordinate is drawn after the other, by the inverse of its distribution function: a mixture of logistics whose weights, means and scales
# depend on the coordinates before it. The noise is uniform; bisection inverts the distribution function.

# %%
COMPONENTS = 8
init_autoregressive = lambda key: {"first": jnp.zeros(3 * COMPONENTS), "second": init_mlp(key, 1, 64, 64, 3 * COMPONENTS, last=0.0)}


def cdf(theta, x):
    weights, means, scales = jnp.split(theta, 3)
    means, scales = means + jnp.linspace(-2, 2, COMPONENTS), 1e-3 + jax.nn.softplus(scales - 1.0)
    return jnp.sum(jax.nn.softmax(weights) * jax.nn.sigmoid((x - means) / scales))


def quantile(theta, u):
    def halve(ends, _):
        middle = 0.5 * (ends[0] + ends[1])
        low = cdf(theta, middle) < u
        return (jnp.where(low, middle, ends[0]), jnp.where(low, ends[1], middle)), None

    return sum(jax.lax.scan(halve, (jnp.asarray(-99.0), jnp.asarray(99.0)), length=50)[0]) / 2


def autoregressive(params, u):
    first = quantile(params["first"], u[0])
    return jnp.stack([first, quantile(mlp(params["second"], first), u[1])])


def autoregressive_log_prob(params, x):
    density = jax.vmap(jax.grad(cdf, argnums=1))
    return jnp.sum(jnp.log(density(jnp.stack([params["first"], mlp(params["second"], x[0])]), x) + 1e-30))


autoregressive_loss = lambda params, key, x: -jnp.mean(jax.vmap(lambda x: autoregressive_log_prob(params, x))(x))


# %% [markdown]
# ## 3. Variational autoencoder
#
# A decoder turns a latent into the mean and the scale of an event. The density cannot be computed; an encoder, which sampling drops, gives a
# lower bound of it: how well an event is reconstructed, less what its code says beyond the prior.


# %%
init_vae = lambda key: {"decoder": init_mlp(split(key)[0], 2, 96, 96, 96, 4), "encoder": init_mlp(split(key)[1], 2, 96, 96, 96, 4)}


def gaussian(h):
    # Small scales at first, because a decoder learns to ignore a code that says nothing in the beginning.
    return h[:2], jnp.clip(h[2:] - 2.0, -7.0, 7.0)


def vae(params, noise):
    mean, log_scale = gaussian(mlp(params["decoder"], noise["latent"]))
    return mean + jnp.exp(log_scale) * noise["noise"]


def vae_bound(params, key, x):
    mean, log_scale = gaussian(mlp(params["encoder"], x))
    latent = mean + jnp.exp(log_scale) * normal(key, mean.shape)
    mu, log_sigma = gaussian(mlp(params["decoder"], latent))
    rate = 0.5 * jnp.sum(mean**2 + jnp.exp(2 * log_scale) - 1 - 2 * log_scale)
    return log_normal((x - mu) * jnp.exp(-log_sigma)) - jnp.sum(log_sigma) - rate


def vae_loss(params, key, x):
    return -jnp.mean(jax.vmap(lambda x, k: vae_bound(params, k, x))(x, split(key, len(x))))


# %% [markdown]
# ## 4. Generative adversarial network
#
# The map from noise to data is free and has no density. A critic, which sampling drops, learns to tell data from samples; the generator follows
# its slope. `stop_gradient` lets one loss train both players, each on its own side of the game, and the slope of the critic is kept small.


# %%
init_gan = lambda key: {"generator": init_mlp(split(key)[0], 2, 96, 96, 2), "critic": init_mlp(split(key)[1], 2, 96, 96, 1)}
gan = lambda params, z: mlp(params["generator"], z)


def gan_loss(params, key, x):
    held, soft = jax.lax.stop_gradient, jax.nn.softplus
    fake = jax.vmap(lambda z: gan(params, z))(normal(key, x.shape))
    score = lambda critic, x: jax.vmap(lambda x: mlp(critic, x)[0])(x)
    slope = jax.vmap(jax.grad(lambda x: mlp(params["critic"], x)[0]))(x)
    critic = jnp.mean(soft(-score(params["critic"], x)) + soft(score(params["critic"], held(fake)))) + 0.05 * jnp.mean(jnp.sum(slope**2, 1))
    return jnp.mean(soft(-score(held(params["critic"]), fake))) + critic


# %% [markdown]
# ## 5. Diffusion
#
# Data x are mixed with noise z, `x_t = sin(a) x + cos(a) z` with the angle `a = t pi / 2`, from noise at t = 0 to data at t = 1. A network learns
# which noise is in `x_t`. To sample, it is asked at every step, and the same noise is mixed with its guess of the data again, a little less.


# %%
init_in_time = lambda key: init_mlp(key, 7, 96, 96, 96, 2, last=0.0)


def in_time(params, x, t):
    """Evaluate a network in x and t; waves in t let it change fast near the data."""
    angles = jnp.pi * jnp.reshape(t, ()) * jnp.asarray([0.5, 1.0])
    return mlp(params, x, t, jnp.cos(angles), jnp.sin(angles))


mixing = lambda t: (jnp.sin(0.5 * jnp.pi * t), jnp.cos(0.5 * jnp.pi * t))


def diffusion(params, z, steps=50):
    def step(x, times):
        (alpha, sigma), (next_alpha, next_sigma) = mixing(times[0]), mixing(times[1])
        noise = in_time(params, x, times[0])
        return next_alpha * (x - sigma * noise) / alpha + next_sigma * noise, None

    # At t = 0 there is no data in x_t to be guessed, so the first step starts just after it.
    t = jnp.linspace(0.01, 1.0, steps + 1)
    return jax.lax.scan(step, z, (t[:-1], t[1:]))[0]


def diffusion_loss(params, key, x):
    z, t = normal(split(key)[0], x.shape), jax.random.uniform(split(key)[1], (len(x), 1))
    alpha, sigma = mixing(t)
    return jnp.mean(jnp.sum((jax.vmap(lambda x, t: in_time(params, x, t))(alpha * x + sigma * z, t) - z) ** 2, 1))


# %% [markdown]
# ## 6. Flow matching
#
# The same network in time is a velocity: it learns `x - z`, the direction from noise to data, at points between the two. To sample, follow it.
# This too is a change of variables with a density: the logarithm of the stretch is the integral of the divergence of the velocity.

# %%
STEPS = 50


def runge_kutta(field, y, start, end):
    h = (end - start) / STEPS
    moved = lambda y, k, h: jax.tree.map(lambda y, k: y + h * k, y, k)

    def step(y, t):
        k1 = field(y, t)
        k2 = field(moved(y, k1, h / 2), t + h / 2)
        k3 = field(moved(y, k2, h / 2), t + h / 2)
        k4 = field(moved(y, k3, h), t + h)
        return moved(y, jax.tree.map(lambda a, b, c, d: (a + 2 * b + 2 * c + d) / 6, k1, k2, k3, k4), h), None

    return jax.lax.scan(step, y, start + h * jnp.arange(STEPS))[0]


matching = lambda params, z: runge_kutta(lambda x, t: in_time(params, x, t), z, 0.0, 1.0)


def matching_log_prob(params, x):
    def field(state, t):
        velocity = lambda x: in_time(params, x, t)
        return velocity(state[0]), jnp.trace(jax.jacfwd(velocity)(state[0]))

    z, stretch = runge_kutta(field, (x, jnp.zeros(())), 1.0, 0.0)
    return log_normal(z) + stretch


def matching_loss(params, key, x):
    z, t = normal(split(key)[0], x.shape), jax.random.uniform(split(key)[1], (len(x), 1))
    return jnp.mean(jnp.sum((jax.vmap(lambda x, t: in_time(params, x, t))(t * x + (1 - t) * z, t) - (x - z)) ** 2, 1))


# %% [markdown]
# ## All of them
#
# Each family is one row: how params begin, how noise becomes data, the loss that sampling drops, the noise, and the options of training.

# %%
gauss, both = lambda key: normal(key, (2,)), lambda key: dict(zip(("latent", "noise"), normal(key, (2, 2)), strict=True))
FAMILIES = {
    "normalizing flow": (init_flow, flow, flow_loss, gauss, {}),
    "autoregressive": (init_autoregressive, autoregressive, autoregressive_loss, lambda key: jax.random.uniform(key, (2,)), {}),
    "autoencoder": (init_vae, vae, vae_loss, both, {"steps": 8_000}),
    "adversarial": (init_gan, gan, gan_loss, gauss, {"steps": 8_000, "momentum": 0.0}),
    "diffusion": (init_in_time, diffusion, diffusion_loss, gauss, {"steps": 6_000}),
    "flow matching": (init_in_time, matching, matching_loss, gauss, {"steps": 6_000}),
}


def sample(key, forward, params, base, n):
    return jax.jit(jax.vmap(lambda k: forward(params, base(k))))(split(key, n))


if __name__ == "__main__":
    data, key = moons(jax.random.key(0), 20_000), jax.random.key(1)
    figure, panels = plt.subplots(1, 7, figsize=(16, 2.5), sharex=True, sharey=True)
    panels[0].scatter(*np.asarray(data[:1_500]).T, s=1)
    for panel, (name, (init, forward, loss, base, options)) in zip(panels[1:], FAMILIES.items(), strict=True):
        trained = fit(key, init(key), loss, data, **options)
        panel.scatter(*np.asarray(sample(key, forward, trained, base, 1_500)).T, s=1)
        panel.set(title=name)
    figure.savefig("six_families.png", dpi=120)
