"""The file of six families without jaxgen is the library on the same weights: samples, densities, bounds and losses."""

import importlib.util
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxgen
from jaxgen import bases, nets, objectives, paths
from jaxgen import transforms as T
from jaxgen.numerics import fixed
from jaxgen.objective import Batch, Clock

FILE = Path(__file__).resolve().parents[1] / "notebooks" / "nanojaxgen.py"
_spec = importlib.util.spec_from_file_location("nanojaxgen", FILE)
assert _spec is not None and _spec.loader is not None
nano = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(nano)

KEY = jax.random.key(3)
X = nano.moons(jax.random.key(0), 5)
NET = nets.Net(lambda key, *inputs: (), lambda params, x, cond=None: nano.mlp(params, x))
IN_TIME = nets.Net(lambda key, *inputs: (), lambda params, x, t, cond=None: nano.in_time(params, x, t))


def shaken(params):
    """Params away from the zeros of a fresh last layer."""
    leaves, tree = jax.tree.flatten(params)
    keys = jax.random.split(KEY, len(leaves))
    return jax.tree.unflatten(tree, [leaf + 0.1 * jax.random.normal(k, leaf.shape) for k, leaf in zip(keys, leaves, strict=True)])


def each(function, *batches):
    return jax.jit(jax.vmap(function))(*batches)


def test_it_is_short_and_does_not_import_the_library():
    text = FILE.read_text(encoding="utf-8")
    imported = {line.split()[1].split(".")[0] for line in text.splitlines() if line.startswith(("import ", "from "))}
    assert len(text.splitlines()) <= 300 and imported == {"jax", "matplotlib", "numpy"}


def test_the_flow(x64):
    params = shaken(nano.init_flow(KEY))
    layer = T.chain(T.coupling(T.scale_and_shift(), lambda out: NET), T.flip())
    model = jaxgen.Model(bases.normal((2,)), T.chain(*[layer] * nano.LAYERS))
    of_library = tuple((layer_params, ()) for layer_params in params)
    z = jax.random.normal(KEY, (5, 2))
    np.testing.assert_allclose(
        each(lambda z: nano.flow(params, z), z), each(lambda z: model.transform.forward(of_library, z), z), rtol=1e-6
    )
    log_prob = jaxgen.log_prob(model, of_library, X).value
    np.testing.assert_allclose(each(lambda x: nano.flow_log_prob(params, x), X), log_prob, rtol=1e-6)
    np.testing.assert_allclose(nano.flow_loss(params, KEY, X), -log_prob.mean(), rtol=1e-6)


def test_the_autoregressive_model(x64):
    params = shaken(nano.init_autoregressive(KEY))

    def theta(params, x, cond=None):
        rows = jnp.stack([params["first"], nano.mlp(params["second"], x[0])])
        # The library's mixture has another zero of its raw scale.
        unit = jnp.log(jnp.expm1(2.0 / nano.COMPONENTS))
        return rows.at[:, 2 * nano.COMPONENTS :].add(-1.0 - unit)

    transform = T.autoregressive(T.mixture_logit(nano.COMPONENTS), nets.Net(lambda key, x, cond=None: (), theta))
    model = jaxgen.Model(bases.logistic((2,)), transform)
    np.testing.assert_allclose(
        each(lambda x: nano.autoregressive_log_prob(params, x), X), jaxgen.log_prob(model, params, X).value, rtol=1e-6
    )
    u = jax.random.uniform(KEY, (5, 2))
    logits = jnp.log(u) - jnp.log1p(-u)
    np.testing.assert_allclose(
        each(lambda u: nano.autoregressive(params, u), u), each(lambda z: transform.forward(params, z), logits), rtol=1e-5
    )


def test_the_autoencoder():
    params = shaken(nano.init_vae(KEY))
    shifted = nets.Net(lambda key, *inputs: (), lambda p, x, cond=None: nano.mlp(p, x) - jnp.asarray([0.0, 0.0, 2.0, 2.0]))
    f = T.gaussian_decoder(shifted, shifted, max_log_scale=40.0)
    noise = {"latent": jax.random.normal(KEY, (5, 2)), "noise": jax.random.normal(jax.random.key(9), (5, 2))}
    np.testing.assert_allclose(
        each(lambda z: nano.vae(params, z), noise), each(lambda z: f.forward(params, z), noise), rtol=1e-4, atol=1e-5
    )
    keys = jax.random.split(KEY, 5)
    terms = each(lambda x, k: sum(f.parts["distortion_and_rate"](params, x, key=k)), X, keys)
    np.testing.assert_allclose(each(lambda x, k: nano.vae_bound(params, k, x), X, keys), -terms, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(nano.vae_loss(params, KEY, X), jnp.mean(terms), rtol=1e-4)


def test_the_game():
    params = shaken(nano.init_gan(KEY))
    model = jaxgen.Model(bases.normal((2,)), T.generator(NET))
    np.testing.assert_allclose(nano.gan(params, X[0]), model.transform.forward(params["generator"], X[0]), rtol=1e-6)
    # Both draw the noise from a key of their own, so the noise is handed to both.
    z = jax.random.normal(jax.random.key(5), X.shape)

    def of_library(params):
        fixed_base = model._replace(base=type("Base", (), {"sample": lambda self, *, seed, sample_shape=(): z, "log_prob": None})())
        objective = objectives.adversarial(fixed_base, NET, "non_saturating", r1=0.1)
        return objective.loss(params["generator"], params["critic"], KEY, Batch(X), Clock(jnp.zeros(()), 10, params["generator"]))[0]

    def of_file(params):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(nano, "normal", lambda key, shape: z)
            return nano.gan_loss(params, KEY, X)

    (value, slope), (expected, expected_slope) = (jax.jit(jax.value_and_grad(f))(params) for f in (of_file, of_library))
    np.testing.assert_allclose(value, expected, rtol=1e-5)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5), slope, expected_slope)


def test_diffusion_and_flow_matching(x64):
    params = shaken(nano.init_in_time(KEY))
    velocity = T.ode_flow(lambda key, z, cond=None: (), IN_TIME.apply, solver=fixed(nano.STEPS, "rk4"))
    model = jaxgen.Model(bases.normal((2,)), velocity)
    np.testing.assert_allclose(
        each(lambda z: nano.matching(params, z), X), each(lambda z: velocity.forward(params, z), X), rtol=1e-5, atol=1e-7
    )
    np.testing.assert_allclose(
        each(lambda x: nano.matching_log_prob(params, x), X), jaxgen.log_prob(model, params, X).value, rtol=1e-5, atol=1e-7
    )
    path = paths.trigonometric()
    read, z, times = paths.prediction(path, IN_TIME.apply, "eps"), X[0], jnp.linspace(0.01, 1.0, 6)
    for t, s in zip(times, times[1:], strict=False):
        clean, noise = read.both(params, z, t)
        z = path.alpha(s) * clean + path.sigma(s) * noise
    np.testing.assert_allclose(nano.diffusion(params, X[0], steps=5), z, rtol=1e-6)
