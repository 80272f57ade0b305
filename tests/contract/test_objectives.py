"""Laws over every valid pairing of an objective and a model, and the refusal of the others."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from case import mlp
from objective_cases import CLOCK, PAIRINGS, REFUSED, N, flow, generator, losses, over
from zoo_cases import over_entries, small

from jaxgen import objectives, paths
from jaxgen.objective import Batch, PairingError, Share
from jaxgen.training import init_state, make_step

GAMES = ["non_saturating", "wasserstein", "relativistic"]


@over(PAIRINGS)
def test_loss_and_metrics_are_finite_numbers(name):
    out = losses(name)
    for value in (out["loss"], *out["metrics"].values()):
        assert value.shape == () and value.dtype == jnp.float32 and np.isfinite(value)
    assert out["metrics"]


@over(PAIRINGS)
def test_every_parameter_but_the_unused_has_a_finite_gradient(name):
    """Unused: an affine that `finish` fits, a VAE's encoder in a game, a constant where scores are compared, a frozen teacher."""
    out = losses(name)
    for path, leaf in jax.tree_util.tree_leaves_with_path(out["gradient"]):
        assert np.isfinite(leaf).all()
        where = jax.tree_util.keystr(path)
        unused = (name == "reconstruction" and ("loc" in where or "tril" in where)) or (name == "game-vae" and "encoder" in where)
        unused = unused or (name in ("wasserstein", "relativistic") and where == "[1]['Dense_2']['bias']")
        unused = unused or (name in ("reflow", "bridge_matching") and "teacher" in where)
        assert bool(np.max(np.abs(leaf)) > 1e-7) != unused, where


JOINT = {
    "energy-generator", "energy-flow", "drifting", "moment_matching", "flow_matching-bridge", "mean_flow", "mean_flow-guided", "reflow",
    "bridge_matching", "variational_bound-times", "energy-stratified", "mmd", "mmd-laplace", "sliced_wasserstein", "max_sliced_wasserstein",
    "sinkhorn_divergence", "drifting-sampler", "drift_field",
}  # fmt: skip
"""Objectives that compare the events of a batch with each other, or treat its first rows otherwise."""


@over(PAIRINGS)
def test_the_loss_of_a_split_batch_is_that_of_the_whole(name):
    """Half the events with half of the whole batch's draws each, as on two devices: the mean of both losses is the loss."""
    out = losses(name)
    objective, batch = out["objective"], out["batch"]
    assert objective.additive == (name not in JOINT)
    if not objective.additive:
        return
    halves = jax.tree.map(lambda a: a.reshape(2, N // 2, *a.shape[1:]), batch)

    def of_half(half):
        return objective.loss(*out["trained"], jax.random.key(0), half._replace(share=Share("halves", 2)), CLOCK)[0]

    split = jax.jit(jax.vmap(of_half, axis_name="halves"))(halves)
    assert abs(split[0] - split[1]) > 1e-4 * abs(split[0])
    np.testing.assert_allclose(np.mean(split), out["loss"], rtol=1e-5, atol=1e-6)


@over(REFUSED)
def test_a_pairing_that_cannot_work_is_refused(name):
    make, pair, message = REFUSED[name]
    with pytest.raises(PairingError, match=message):
        pair(make())


@over(GAMES)
def test_the_one_scalar_of_a_game_gives_each_player_its_own_gradient(name):
    """Both losses in the papers' notation, each differentiated with respect to its own player alone."""
    out = losses(name)
    model, batch, trained = out["model"], out["batch"], out["trained"]
    key_noise, key_penalty = jax.random.split(jax.random.key(0))
    z = model.base.sample(seed=key_noise, sample_shape=(N,))
    softplus, critic = jax.nn.softplus, mlp(1)

    def d_of(phi, x):
        return jax.vmap(lambda x, c: critic.apply(phi, x, c)[0])(x, batch.cond)

    def slopes(phi, x):
        return jax.vmap(jax.grad(lambda x, c: critic.apply(phi, x, c)[0]))(x, batch.cond)

    def fakes(theta):
        return jax.vmap(lambda z, c: model.transform.forward(theta, z, c))(z, batch.cond)

    def of_generator(theta, phi):
        real, fake = d_of(phi, batch.x), d_of(phi, fakes(theta))
        return {
            "non_saturating": -jnp.mean(jnp.log(jax.nn.sigmoid(fake))),
            "wasserstein": -jnp.mean(fake),
            "relativistic": jnp.mean(softplus(-(fake - real))),
        }[name]

    def of_critic(phi, theta):
        x = fakes(theta)
        real, fake = d_of(phi, batch.x), d_of(phi, x)
        if name == "wasserstein":
            u = jax.random.uniform(key_penalty, (N, 1))
            norm = jnp.linalg.norm(slopes(phi, u * batch.x + (1 - u) * x), axis=1)
            return jnp.mean(fake) - jnp.mean(real) + jnp.mean((norm - 1) ** 2)
        r1 = 0.05 * jnp.mean(jnp.sum(slopes(phi, batch.x) ** 2, 1))
        if name == "non_saturating":
            return -jnp.mean(jnp.log(jax.nn.sigmoid(real)) + jnp.log(1 - jax.nn.sigmoid(fake))) + r1
        return jnp.mean(softplus(-(real - fake))) + r1 + 0.1 * jnp.mean(jnp.sum(slopes(phi, x) ** 2, 1))

    def separately(theta, phi):
        return jax.grad(of_generator)(theta, phi), jax.grad(of_critic)(phi, theta)

    apart = jax.jit(separately)(*trained)
    for ours, theirs in zip(jax.tree.leaves(out["gradient"]), jax.tree.leaves(apart), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=2e-4, atol=2e-5)


@over_entries()
def test_every_entry_takes_a_step_given_a_condition(name):
    """The whole of `init_state` and `make_step`, concretely: both players move, the counter counts, nothing is refused.

    The teacher of a rectified flow stands from the start, and who learns from a teacher of its own waits for it.
    """
    entry = small(name, (2,), (3,))
    rng = np.random.default_rng(0)
    batch = Batch(*(jnp.asarray(rng.standard_normal((N, k)), jnp.float32) for k in (2, 3)))
    prepared = batch if entry.objective.prepare is None else entry.objective.prepare(jax.random.key(0), batch)

    def started(keys, batch, prepared):
        state = init_state(keys[0], entry, batch, 10)
        third, metrics = jax.lax.scan(lambda state, key: make_step(entry, 10)(state, prepared, key), state, keys[1:])
        return state, third, metrics

    state, third, metrics = jax.jit(started)(jax.random.split(jax.random.key(0), 3), batch, prepared)
    assert np.all(metrics["ok"]) and int(third.step) == 2 and np.isfinite(metrics["loss"]).all()
    for before, after, stands in ((state.params, third.params, "distilled"), (state.aux, third.aux, "rectified_flow")):
        moved = [not np.array_equal(a, b) for a, b in zip(jax.tree.leaves(before), jax.tree.leaves(after), strict=True)]
        assert any(moved) == (bool(moved) and name != stands)
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(after))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: objectives.adversarial(generator(), mlp(1), "hinge"), "game='hinge'.*non_saturating, wasserstein, relativistic"),
        (lambda: objectives.adversarial(generator(), mlp(1), r1=-1.0), r"r1=-1\.0.*at least 0"),
        (lambda: objectives.adversarial(generator(), mlp(1), gradient_penalty=np.nan), "gradient_penalty=nan"),
        (lambda: objectives.elbo(losses("elbo")["model"], beta=-1.0), r"beta=-1\.0"),
        (lambda: objectives.elbo(losses("elbo")["model"], beta=np.nan), "beta=nan"),
        (lambda: objectives.elbo(losses("elbo")["model"], warmup=2.0), r"warmup=2\.0"),
        (lambda: objectives.flow_matching(losses("flow_matching")["model"], coupling="sorted"), "coupling='sorted'.*independent"),
        (lambda: objectives.flow_matching(losses("flow_matching")["model"], noise=-1.0), r"noise=-1\.0"),
        (lambda: objectives.interpolant_matching(None, None, ("eps",)), r"parts=\('eps',\).*velocity, direct, score"),
        (lambda: objectives.interpolant_matching(None, paths.interpolant(), ("score",)), "no noise to learn the score from.*variance="),
        (lambda: objectives.variational_bound(losses("eps")["model"], paths.linear()), r"path=<alpha\(0\)=0, sigma\(1\)=0>.*vp_linear"),
        (lambda: objectives.variational_bound(losses("eps")["model"], paths.vp_linear(), num_time_bins=1), "num_time_bins=1"),
        (lambda: objectives.reverse_kl(flow(), jnp.sum, warmup=2.0), r"warmup=2\.0"),
        (lambda: objectives.reverse_kl(flow(), jnp.sum, start=0.0), r"start=0\.0"),
        (lambda: objectives.denoising(flow(), None, "noise"), "part='noise'.*eps, denoiser, velocity, score, v"),
    ],
)
def test_bad_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_the_clock_warms_beta_up():
    out = losses("elbo-beta")
    # Step 30 of 100 with a warm-up over half of them: 0.6 of beta 3.
    metrics = out["metrics"]
    np.testing.assert_allclose(out["loss"], metrics["distortion"] + 3 * 0.6 * metrics["rate"], rtol=1e-5)
    assert (int(CLOCK.step), int(CLOCK.num_steps)) == (30, 100)
