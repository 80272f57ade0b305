"""The registry of objectives: every pairing with a kind of model that it accepts, and some that it must refuse."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from case import MILD, WIDTH, D, coupled, gaussian_decoder, latent_model, mlp, noisy, ode, on_normal, predicted, time_net
from transform_outputs import filled

from jaxgen import bases, nets, numerics, objectives, paths
from jaxgen import transforms as T
from jaxgen.model import Model
from jaxgen.objective import Batch, Clock
from jaxgen.transform import field_part

FEW = numerics.fixed(4, "midpoint")
N = 16


def flow():
    return coupled("affine")


def vae():
    return latent_model(gaussian_decoder())


def generator():
    return Model(bases.normal((2,)), T.generator(mlp(D)))


def autoencoder():
    return Model(bases.normal((2,)), T.chain(T.triangular_affine(), T.autoencoder(mlp(D), mlp(2))))


def cnf():
    return on_normal(ode(solver=FEW))


def estimated():
    return on_normal(ode(solver=FEW, trace="hutchinson"))


def sampler():
    return noisy(T.ancestral)


def diffusion():
    return on_normal(T.probability_flow(*predicted(MILD), solver=FEW))


COLUMNS = paths.mixed_path((0,) * D, paths.vp_log_snr(-4.0, 3.0))


def of_columns():
    init, apply = time_net()
    return on_normal(T.categories_first(init, paths.mixed_prediction(COLUMNS, apply), solver=FEW))


def bound_of_columns(model):
    return objectives.mixed_bound(model, COLUMNS)


def coupled_diffusion():
    init, apply = time_net()
    return on_normal(T.probability_flow(init, paths.prediction(MILD, apply, "denoiser", coupled=True), solver=FEW))


def map_of_steps():
    net = nets.times_mlp(D, width=WIDTH, depth=2)
    return on_normal(T.flow_map(lambda key, z, cond=None: net.init(key, z, jnp.zeros(()), jnp.zeros(()), cond), net.apply))


def steered(model):
    return objectives.mean_flow(model, coupling="optimal_transport", power=0.5, guidance=2.0, mix=0.3, drop=0.3)


def game(name, **weights):
    return lambda model: objectives.adversarial(model, mlp(1), name, **weights)


def hybrid(model):
    parts = {"nll": objectives.maximum_likelihood(model), "game": objectives.adversarial(model, mlp(1), r1=0.1)}
    return objectives.weighted_sum(parts, {"nll": 0.5, "game": 1.0})


def denoising(part, **options):
    return lambda model: objectives.denoising(model, MILD, part, **options)


def autoencoding(model):
    return objectives.reconstruction(model, objectives.gaussian_of_codes(model))


def target(x, cond):
    return -jnp.sum(jnp.abs(x - cond[0]) + 0.1 * x**2)


def reverse_kl(**options):
    return lambda model: objectives.reverse_kl(model, target, **options)


def bridge(model):
    between = paths.interpolant(variance=paths.brownian_variance(0.25))
    return objectives.flow_matching(model, between, coupling=objectives.couplings.entropic(0.5))


def from_data():
    rows = np.random.default_rng(2).standard_normal((40, D)).astype(np.float32)
    return Model(bases.data_set(rows), ode(solver=FEW))


def conditional(ratio):
    return lambda model: objectives.flow_matching(model, coupling=objectives.couplings.conditional_optimal_transport(ratio))


def with_score():
    return on_normal(ode(solver=FEW, parts={"score": field_part(lambda params, x, t, cond=None: -time_net()[1](params, x, t, cond))}))


def with_drifts():
    def field(sign):
        return lambda params, x, t, cond=None: sign * time_net()[1](params, x, t, cond)

    return on_normal(ode(solver=FEW, parts={"drift": field_part(field(1)), "backward_drift": field_part(field(-0.5))}))


def interpolating(*parts):
    return lambda model: objectives.interpolant_matching(model, paths.interpolant(variance=paths.sine_variance()), parts)


def score_matching(method):
    return lambda model: objectives.score_matching(model, MILD, method)


def bound(**options):
    return lambda model: objectives.variational_bound(model, MILD, **options)


def drift_fields(model):
    critic = nets.mlp(1, width=4, depth=1)
    return objectives.drift_field(model, (objectives.fields.score_difference(0.5), objectives.fields.critic(critic)))


PAIRINGS: dict[str, tuple[Callable[[], Model], Callable[[Model], Any]]] = {
    "likelihood-flow": (flow, objectives.maximum_likelihood),
    "likelihood-cnf": (cnf, objectives.maximum_likelihood),
    "likelihood-estimated": (estimated, objectives.maximum_likelihood),
    "likelihood-vae": (vae, objectives.maximum_likelihood),
    "likelihood-sampler": (sampler, objectives.maximum_likelihood),
    "elbo": (vae, objectives.elbo),
    "elbo-beta": (vae, lambda model: objectives.elbo(model, 3.0, warmup=0.5)),
    "importance_weighted": (vae, lambda model: objectives.importance_weighted(model, 3)),
    "energy-generator": (generator, objectives.energy),
    "energy-flow": (flow, objectives.energy),
    "energy-stratified": (cnf, lambda model: objectives.energy(model, stratified=True)),
    "mmd": (generator, objectives.mmd),
    "mmd-laplace": (flow, lambda model: objectives.mmd(model, "laplace", (0.5,), stratified=True)),
    "sliced_wasserstein": (generator, objectives.sliced_wasserstein),
    "max_sliced_wasserstein": (flow, lambda model: objectives.max_sliced_wasserstein(model, 8, 2)),
    "sinkhorn_divergence": (generator, objectives.sinkhorn_divergence),
    "non_saturating": (generator, game("non_saturating", r1=0.1)),
    "wasserstein": (generator, game("wasserstein", gradient_penalty=1.0)),
    "relativistic": (generator, game("relativistic", r1=0.1, r2=0.2)),
    "non_saturating-noise": (generator, game("non_saturating", r1=0.1, instance_noise=0.5)),
    "hybrid": (flow, hybrid),
    "game-vae": (vae, game("non_saturating")),
    "eps": (diffusion, denoising("eps")),
    "denoiser": (diffusion, denoising("denoiser", times=objectives.lognormal_times(MILD, -1.0, 0.5))),
    "denoiser-coupled": (coupled_diffusion, denoising("denoiser", coupling="optimal_transport")),
    "score": (diffusion, denoising("score", weight=lambda path, t: path.sigma(t) ** 2)),
    "velocity": (diffusion, denoising("velocity")),
    "flow_matching": (cnf, objectives.flow_matching),
    "flow_matching-optimal": (cnf, lambda model: objectives.flow_matching(model, coupling="optimal_transport")),
    "flow_matching-noise": (cnf, lambda model: objectives.flow_matching(model, noise=0.1)),
    "flow_matching-bridge": (cnf, bridge),
    "flow_matching-classes": (cnf, conditional(None)),
    "flow_matching-ratio": (cnf, conditional(0.2)),
    "flow_matching-from-data": (from_data, lambda model: objectives.flow_matching(model, paths.trigonometric())),
    "mean_flow": (map_of_steps, objectives.mean_flow),
    "mean_flow-guided": (map_of_steps, steered),
    "reflow": (cnf, lambda model: objectives.reflow(model, 2, solver=FEW)),
    "bridge_matching": (with_drifts, lambda model: objectives.bridge_matching(model, 0.5, 2, num_steps=2)),
    "consistency": (map_of_steps, objectives.consistency),
    "moment_matching": (map_of_steps, objectives.inductive_moment_matching),
    "drifting": (generator, objectives.drifting),
    "drifting-sampler": (sampler, lambda model: objectives.drifting(model, stratified=True)),
    "drift_field": (flow, drift_fields),
    "interpolant": (with_score, interpolating("velocity", "score")),
    "score_matching-implicit": (diffusion, score_matching("implicit")),
    "score_matching-sliced": (diffusion, score_matching("sliced")),
    "variational_bound": (diffusion, bound()),
    "variational_bound-times": (diffusion, bound(num_time_bins=8)),
    "mixed_bound": (of_columns, bound_of_columns),
    "reconstruction": (autoencoder, autoencoding),
    "reverse_kl": (flow, reverse_kl(warmup=0.6, start=1e-2)),
    "reverse_kl-total": (flow, reverse_kl(path_gradient=False)),
    "reverse_kl-estimated": (estimated, reverse_kl()),
}
REFUSED = {
    "likelihood-generator": (generator, objectives.maximum_likelihood, "implicit.*adversarial or energy"),
    "likelihood-autoencoder": (autoencoder, objectives.maximum_likelihood, "implicit"),
    "energy-from-data": (from_data, lambda model: objectives.energy(model, stratified=True), "energy: stratified=True.*quantile"),
    "elbo-flow": (flow, objectives.elbo, "distortion_and_rate.*has: none"),
    "elbo-generator": (generator, objectives.elbo, "distortion_and_rate"),
    "quantisation-vae": (vae, objectives.quantisation, "quantisation: model=one without the parts quantisation_error"),
    "importance_weighted-flow": (flow, objectives.importance_weighted, "transform.kind=exact; accepted: lower bound.*maximum_likelihood"),
    "importance_weighted-generator": (generator, objectives.importance_weighted, "transform.kind=implicit.*adversarial"),
    "reconstruction-cnf": (cnf, objectives.reconstruction, "decode, encode"),
    "denoising-flow": (flow, denoising("eps"), "parts eps"),
    "denoising-coupled": (diffusion, denoising("denoiser", coupling="optimal_transport"), "has the part score.*coupled=True"),
    "denoising-cnf": (cnf, denoising("score"), "parts score.*velocity"),
    "reverse_kl-vae": (vae, reverse_kl(), "transform.kind=lower bound; accepted: exact or unbiased.*elbo"),
    "reverse_kl-generator": (generator, reverse_kl(path_gradient=False), "transform.kind=implicit"),
    "reverse_kl-estimated": (estimated, reverse_kl(path_gradient=False), "path_gradient=False.*forward_and_log_det"),
    "interpolant-cnf": (cnf, interpolating("velocity", "score"), "interpolant_matching: model=one without the parts score"),
    "score_matching-cnf": (cnf, score_matching("sliced"), "score_matching: model=one without the parts score"),
    "mean_flow-cnf": (cnf, objectives.mean_flow, "mean_flow: model=one without the parts mean_velocity.*velocity"),
    "reflow-flow": (flow, objectives.reflow, "reflow: model=one without the parts velocity"),
    "bridge_matching-cnf": (cnf, objectives.bridge_matching, "bridge_matching: model=one without the parts backward_drift, drift"),
    "consistency-cnf": (cnf, objectives.consistency, "parts jump"),
    "moment_matching-cnf": (cnf, objectives.inductive_moment_matching, "parts jump"),
    "variational_bound-cnf": (cnf, bound(), "variational_bound: model=one without the parts eps"),
    "mixed_bound-cnf": (cnf, bound_of_columns, "mixed_bound: model=one without the parts mixed"),
    "flow_matching-vae": (vae, objectives.flow_matching, "parts velocity"),
    "flow_matching-flow": (flow, lambda model: objectives.flow_matching(model, paths.linear()), "parts velocity"),
}


def over(names):
    return pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.xdist_group(f"objective-{n}")) for n in names])


def batch_for(model, cond_dim=2):
    rng = np.random.default_rng(0)
    like = jax.eval_shape(lambda: model.base.sample(seed=jax.random.key(0)))
    d = like["x0"].shape[0] if isinstance(like, dict) and "x0" in like else D
    x = jnp.asarray(rng.standard_normal((N, d)), jnp.float32)
    return Batch(x, jnp.asarray(rng.standard_normal((N, cond_dim)), jnp.float32))


CLOCK = Clock(jnp.asarray(30, jnp.int32), jnp.asarray(100, jnp.int32), None)


@functools.cache
def losses(name) -> dict[str, Any]:
    """Loss, metrics and gradients of a pairing at params away from their start, with a condition; `trained` are `(params, aux)`."""
    make, pair = PAIRINGS[name]
    model = make()
    objective, batch, key = pair(model), batch_for(model), jax.random.key(0)
    if objective.prepare is not None:
        batch = objective.prepare(key, batch)
    one = jax.eval_shape(lambda: model.base.sample(seed=key))
    rng = np.random.default_rng(1)

    def initial(key):
        return objective.init(key, model.transform.init(key, one_noise(one), batch.cond[0]), batch)

    trained = filled(rng, jax.eval_shape(initial, key), jnp.float32, 0.3)

    def value(trained, key, batch):
        return objective.loss(*trained, key, batch, CLOCK)

    (loss, metrics), gradient = jax.jit(jax.value_and_grad(value, has_aux=True))(trained, key, batch)
    return {
        "model": model,
        "objective": objective,
        "batch": batch,
        "trained": trained,
        "loss": loss,
        "metrics": metrics,
        "gradient": gradient,
    }


def one_noise(shapes):
    return jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), shapes)
