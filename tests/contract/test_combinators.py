"""Laws over every combinator: what a transform carries beyond its maps arrives on the other side, whatever it is wrapped in."""

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from case import D as WIDE
from combinator_cases import COMBINATORS, D, flow, noise_of, params_of, sampler
from transform_cases import CASES, having, transform_of
from transform_outputs import inputs_for_parts

from jaxgen import certify, evaluation, numerics, zoo
from jaxgen import transforms as T
from jaxgen.combinators import chain, on
from jaxgen.lifting import nfe, over_batch, stages
from jaxgen.model import Model
from jaxgen.nets import net
from jaxgen.transform import Density, Hooks, Maps, Part, Preimage, Space, bijection

EVERY = pytest.mark.parametrize("name", COMBINATORS)
ANY = pytest.mark.parametrize("name", [name for name, c in COMBINATORS.items() if c.needs == "any"])
N = 5


def close(a, b, tol=1e-5):
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_allclose(x, y, rtol=tol, atol=tol)


@EVERY
def test_a_shared_step_reaches_the_whole_batch(name):
    """An ODE under a combinator is solved once for a batch: the whole has batch maps, and they equal the ones over single events."""
    f, params, cond = COMBINATORS[name].make(flow(2)), params_of(name), jnp.linspace(-1.0, 1.0, N)[:, None]
    assert f.many is not None
    z, x = noise_of(name, N), COMBINATORS[name].data(np.random.default_rng(0), N)
    keys = jax.random.split(jax.random.key(1), N)

    @jax.jit
    def both(z, x):
        alone = f._replace(many=None)
        return [(g.forward(params, z, cond), g.inverse(params, x, cond, keys)) for g in map(over_batch, (f, alone))]

    close(*both(z, x))


@EVERY
def test_the_shared_step_is_taken_once_for_the_batch(name):
    """Under `vmap` of single events the solver would see one event; the whole shows it the batch."""
    shapes = []

    def shared(params, z, cond=None):
        shapes.append(jax.tree.leaves(z)[0].shape)
        return over_batch(flow(2)).forward(params, z, cond)

    f = flow(2)._replace(many=flow(2).many._replace(forward=shared))
    if name not in ("invert", "slicing", "variational_dequantisation"):
        jax.eval_shape(over_batch(COMBINATORS[name].make(f)).forward, params_of(name), noise_of(name, N), jnp.zeros((N, 1)))
        assert shapes and all(len(shape) == 2 and shape[0] % N == 0 for shape in shapes)


@EVERY
def test_refining_the_whole_is_the_whole_of_the_refined(name):
    combinator, params = COMBINATORS[name], params_of(name)
    whole = combinator.make(flow(2))
    assert whole.hooks.refine is not None
    x, key = combinator.data(np.random.default_rng(0), 1)[0], jax.random.key(2)

    @jax.jit
    def pairs(x):
        outer = whole.hooks.refine(2, True).inverse(params, x, jnp.ones(1), key)
        inner = combinator.make(flow(2).hooks.refine(2, True)).inverse(params, x, jnp.ones(1), key)
        return outer, inner, whole.inverse(params, x, jnp.ones(1), key)

    outer, inner, coarse = pairs(x)
    close(outer, inner, 1e-6)
    moved = [float(jnp.max(jnp.abs(a - b))) for a, b in zip(*map(jax.tree.leaves, (outer, coarse)), strict=True)]
    assert max(moved) > 1e-3


@EVERY
def test_a_certificate_holds_under_every_combinator(name):
    """Of two Euler steps, coarse enough to be wrong by a tenth of a nat; the truth is the same combinator of a fine solve."""
    combinator, params = COMBINATORS[name], params_of(name)
    x, key = combinator.data(np.random.default_rng(1), 8), jax.random.key(4)
    coarse, fine = (Model(combinator.base, combinator.make(f)) for f in (flow(2), flow(64, "rk4")))
    certificate, truth = certify(coarse, params, x, 10.0, key=key), certify(fine, params, x, 1e-2, key=key)
    error = np.abs(certificate.value - truth.value)
    assert np.all(error <= certificate.bound + truth.bound)
    if coarse.transform.kind is Density.EXACT:
        assert np.median(error) > 0.02


@ANY
def test_a_sampler_keeps_the_density_of_its_ode(name):
    combinator, params = COMBINATORS[name], params_of(name)
    sampled, solved = combinator.make(sampler()), combinator.make(flow(2))
    assert sampled.proxy is not None and sampled.one.inverse is None and sampled.kind is solved.kind
    x = combinator.data(np.random.default_rng(0), 1)[0]
    close(sampled.inverse(params, x, jnp.ones(1)), solved.inverse(params, x, jnp.ones(1)), 1e-5)


@pytest.mark.parametrize("name", [name for name, c in COMBINATORS.items() if c.needs != "any"])
def test_a_density_that_is_not_its_own_is_refused(name):
    with pytest.raises(ValueError, match="accepted: an exact transform of its own density"):
        COMBINATORS[name].make(sampler())


@EVERY
def test_the_condition_and_keys_reach_every_function_of_what_is_combined(name):
    """Nothing is compiled. A surjection's conditional is told the event and the condition, so it sees `D` numbers more."""
    sizes, keyed = [], []

    def noting(function, batched=False, draws=False):
        def noted(params, x, cond=None, *key, **named):
            if draws:
                keyed.append(next(iter((*key, *named.values())), None) is not None)
            sizes.append(None if cond is None else math.prod(cond.shape[int(batched) :]))
            return function(params, x, cond, *key, **named)

        return noted

    f = flow(2)
    from_data = lambda params, x, cond=None, keys=None: (params, f.many.inverse(params, x, cond, keys).z)
    hooks = Hooks(noting(f.hooks.stages), noting(f.hooks.nfe), noting(from_data, True, name != "pixelwise"))
    one, many = (
        Maps(noting(f.forward, batched), noting(f.inverse, batched, True), noting(f.forward_and_log_det, batched))
        for f, batched in ((f.one, False), (f.many, True))
    )
    inner = f._replace(init=noting(f.init), one=one, many=many, hooks=hooks)
    whole, params, key = COMBINATORS[name].make(inner), params_of(name), jax.random.key(1)
    rows = (noise_of(name, N), COMBINATORS[name].data(np.random.default_rng(0), N), jnp.zeros((N, 1)), jax.random.split(key, N))
    z, x, cond, key = first = jax.tree.map(lambda a: a[0], rows)
    calls = [partial(whole.init, key, z, cond), *(partial(hook, params, z, cond) for hook in whole.hooks[:2] if hook)]
    calls += [partial(whole.hooks.data_init, params, *rows[1:])] if whole.hooks.data_init else []
    for maps, (z, x, cond, keys) in ((whole.one, first), (whole.many, rows)):
        calls += [partial(maps.forward, params, z, cond), partial(maps.inverse, params, x, cond, keys)]
        calls += [partial(maps.forward_and_log_det, params, z, cond)] if maps.forward_and_log_det else []
    for call in calls:
        jax.eval_shape(call)
    told = 2 if name == "indexed" else D if name in ("slicing", "augmentation", "variational_dequantisation") else 0
    assert set(sizes) == {told + 1}
    # The others are made of transforms whose inverse draws nothing.
    assert all(keyed) or name in ("pixelwise", "on_channels", "sum_over_preimages", "invert", "indexed")


def set_by_data():
    """A shift by params and condition. From data it sets its params, and notes the batch's draws, which say what keys it was given."""

    def from_data(params, x, cond=None, keys=None):
        loc = jnp.mean(x - cond, 0)
        return {"loc": loc, "draws": jax.vmap(jax.random.uniform)(keys)}, x - cond - loc

    return bijection(
        lambda key, z, cond=None: {"loc": jnp.zeros_like(z), "draws": jnp.zeros(())},
        lambda params, z, cond=None: (z + params["loc"] + cond, jnp.zeros(())),
        lambda params, x, cond=None, key=None: Preimage(x - params["loc"] - cond, jnp.zeros(())),
        hooks=Hooks(
            lambda params, z, cond=None: (z + params["loc"] + cond)[None],
            lambda params, z, cond=None: jnp.sum(z + params["loc"] + cond),
            from_data,
        ),
    )


TWICE = {
    "chain": lambda f: chain(f, f),
    "repeat": lambda f: T.repeat(f, 2),
    "on_condition": lambda f: T.on_condition(lambda c: c[1:], chain(f, f)),
    "on_channels": lambda f: T.on_channels(chain(f, f), 1),
    "on": lambda f: on("a", chain(f, f)),
}


@pytest.mark.parametrize("name", TWICE)
def test_what_data_set_depends_on_each_events_own_condition_and_on_a_key_of_its_own(name):
    """Events are twice their condition and a constant: nothing is left of them, and no two draws are the same."""
    f, cond = TWICE[name](set_by_data()), jnp.asarray([1.0, 30.0, 500.0])[:, None]
    x = 2 * cond + 7
    if name == "on_condition":
        cond = jnp.concatenate([0 * cond, cond], 1)
    if name == "on_channels":
        cond, x = cond[:, None, None], jnp.concatenate([x, x], 1)[:, None, None]
    x = {"a": x, "b": x} if name == "on" else x
    params = f.init(jax.random.key(0), jax.tree.map(lambda a: a[0], x), cond[0])
    params, z = f.hooks.data_init(params, x, cond, jax.random.split(jax.random.key(1), 3))
    if name == "on":
        np.testing.assert_array_equal(z["b"], x["b"])
        z = z["a"]
    close(z[..., :1], 0 * z[..., :1], 1e-4)
    layers = [params] if name == "repeat" else params
    assert abs(sum(float(jnp.sum(layer["loc"])) for layer in layers) - 7) < 1e-4
    assert len(set(np.concatenate([np.ravel(layer["draws"]) for layer in layers]).tolist())) == 6


@pytest.mark.parametrize("name", TWICE)
def test_stages_and_evaluations_are_those_of_each_layer_at_its_own_params_state_and_condition(name):
    """Of z = 0.5 with params 1 and 10 and the condition 100: the states are 101.5 and 211.5, and so are the counts."""
    f = TWICE[name](set_by_data())
    z, cond = (jnp.full((1, 1, 2), 0.5), jnp.full((1, 1, 1), 100.0)) if name == "on_channels" else (jnp.full(1, 0.5), jnp.full(1, 100.0))
    layers = [{"loc": jnp.full(z[..., :1].shape, loc), "draws": jnp.zeros(())} for loc in (1.0, 10.0)]
    params = jax.tree.map(lambda *a: jnp.stack(a), *layers) if name == "repeat" else tuple(layers)
    if name == "on_condition":
        cond = jnp.asarray([-1.0, 100.0])
    if name == "on":
        z = {"a": z, "b": jnp.zeros(2)}
    assert float(f.hooks.nfe(params, z, cond)) == 101.5 + 211.5
    if f.hooks.stages is not None:
        close(f.hooks.stages(params, z, cond)[:, 0], np.asarray([101.5, 211.5]))


def test_a_part_of_data_in_the_middle_of_a_chain_has_its_own_params_and_the_event_before_the_links_behind_it():
    """Of params 1, 10, 100 and 1000 and the condition 0.5, the event 5000 is 3899 behind the second link."""
    shift = set_by_data()
    middle = shift._replace(parts={"asked": Part(lambda params, x, cond=None: jnp.stack([params["loc"], x, cond]), Space.DATA)})
    params = tuple({"loc": jnp.full(1, loc), "draws": jnp.zeros(())} for loc in (1.0, 10.0, 100.0, 1000.0))
    whole = chain(shift, middle, shift, shift)
    close(whole.parts["asked"](params, jnp.full(1, 5000.0), cond=jnp.full(1, 0.5))[:, 0], np.asarray([10.0, 3899.0, 0.5]))


def test_a_sampler_with_a_learned_path_refines_and_reports_at_its_own_numbers():
    """Growth at the rate 0.5, where the path starts from 1: the jump's proxy is the ODE of that rate, and refinement solves that ODE."""
    still = lambda key, z, cond=None: ()

    def jumping(rate):
        return T.flow_map(still, lambda params, x, t, s, cond=None: rate * x, density="ode", solver=numerics.fixed(64, "rk4"))

    def growing(rate):
        return T.ode_flow(still, lambda params, x, t, cond=None: rate * x, solver=numerics.fixed(2, "euler"))

    params, x = {"path": jnp.asarray(0.5), "network": ()}, jnp.ones(2)
    jump, growth = T.learned_path(jumping, 1.0), T.learned_path(growing, 1.0)
    close(jump.forward(params, x), 1.5 * x)
    close(jump.inverse(params, x)[:2], (jnp.exp(-0.5) * x, jnp.asarray(-1.0)))
    close(growth.forward(params, x), 1.25**2 * x)
    fine = growth.hooks.refine(2, True)
    assert abs(float(fine.forward(params, x)[0]) - np.exp(0.5)) < abs(1.25**2 - np.exp(0.5)) / 3
    assert int(nfe(growth)(params, x)) == 2 and stages(growth)(params, x).shape[1:] == (2,)


@EVERY
def test_evaluations_are_counted_through_every_combinator(name):
    """Three for each layer; sampling through a surjection does not ask its conditional."""
    z = jax.tree.map(lambda a: a[0], noise_of(name, 1))
    layers = {"repeat": 2, "slicing": 0, "variational_dequantisation": 0}.get(name, 1)
    assert int(nfe(COMBINATORS[name].make(flow(3)))(params_of(name), z)) == 3 * layers


WITH_PARTS = having(lambda t: t.parts)


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.xdist_group(f"transform-{n}")) for n in WITH_PARTS])
def test_every_part_under_on_condition_is_the_part_at_the_new_condition(name):
    transform, params, arguments, cond = inputs_for_parts(name)
    told = T.on_condition(lambda c: 3 * c + 1, transform)
    assert set(told.parts) == set(transform.parts)

    @jax.jit
    def both(cond):
        return {
            part: (told.parts[part](params, *args, cond=cond, **named), transform.parts[part](params, *args, cond=3 * cond + 1, **named))
            for part, (args, named) in arguments.items()
        }

    for ours, theirs in both(cond).values():
        close(ours, theirs, 1e-6)


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.xdist_group(f"transform-{n}")) for n in WITH_PARTS])
def test_every_part_of_data_under_a_chain_is_the_part_at_the_affines_inverse(name):
    transform, params, arguments, cond = inputs_for_parts(name)
    # Powers of two, so that whole numbers come back whole.
    units = T.affine(0.5, 2.0)
    whole = chain(transform, units)
    assert set(whole.parts) == set(transform.parts)

    @jax.jit
    def both(cond):
        out = {}
        for part, (args, named) in arguments.items():
            moved = (units.forward((), args[0]), *args[1:]) if transform.parts[part].space is Space.DATA else args
            out[part] = (
                whole.parts[part]((params, ()), *moved, cond=cond, **named),
                transform.parts[part](params, *args, cond=cond, **named),
            )
        return out

    for ours, theirs in both(cond).values():
        close(ours, theirs, 1e-4)


def test_parts_of_data_end_where_the_way_back_is_drawn():
    """Behind a dequantisation the event that an encoder would see is random: there is no such part."""
    transform = transform_of("gaussian_decoder")
    whole = chain(transform, T.uniform_dequantisation())
    assert "encode" in transform.parts and "encode" not in whole.parts and "decode" in whole.parts


def test_rate_and_distortion_do_not_depend_on_the_units():
    """Rate 10.6 became 1.8e6 nats in other units, and a conditional model raised TypeError."""
    entry = zoo.build("vae", (WIDE,), cond_shape=(1,), width=8)
    rng = np.random.default_rng(0)
    x, cond = rng.standard_normal((64, WIDE)).astype(np.float32), rng.standard_normal((64, 1)).astype(np.float32)
    key = jax.random.key(0)
    params = entry.model.transform.init(key, entry.model.base.sample(seed=key), cond[0])
    plain = evaluation.rate_and_distortion(key, entry.model, params, x, cond)
    inner = T.on_condition(lambda c: (c - 5.0) / 1_000.0, entry.model.transform)
    units = Model(entry.model.base, chain(inner, T.affine(7.0, 1_000.0)))
    moved = evaluation.rate_and_distortion(key, units, (params, ()), 7 + 1_000 * x, 5 + 1_000 * cond)
    np.testing.assert_allclose(moved, plain, rtol=1e-3)


def test_the_reported_kind_follows_the_proxy_and_no_prose():
    real = evaluation.Reference(np.random.default_rng(0).standard_normal((40, 2)).astype(np.float32))
    kinds = [
        evaluation.evaluate(jax.random.key(0), Model(COMBINATORS["repeat"].base, f), params_of("on_condition"), real, num_samples=40)[0][
            "nll_kind"
        ]
        for f in (sampler(), flow(2))
    ]
    assert kinds == ["exact, of the ODE", "exact"]


COUNTED = (
    "coupling-affine", "chain", "alternating", "repeat", "ode_flow-fixed", "ddim", "heun", "ancestral", "euler_maruyama", "gaussian_decoder",
    "generator", "euler-linear", "dpm_solver", "dpm_solver_sde", "edm_stochastic", "predictor_corrector", "langevin", "stochastic_runge_kutta",
    "bridge_sde", "bridge_sde-back",
)  # fmt: skip
"""Cases whose transform calls a whole network; an incremental one has no calls that could be counted so."""


@pytest.mark.parametrize("name", COUNTED)
def test_the_number_of_evaluations_is_the_number_of_calls(name, monkeypatch):
    """Counted by a callback in the network, which runs at each pass of a loop and which the compiler may neither merge nor drop."""
    transform = transform_of(name)
    z = CASES[name].make().base.sample(seed=jax.random.key(0))
    params = transform.init(jax.random.key(1), z, None)
    calls, apply = [], net._apply

    def counting(module, *args):
        jax.debug.callback(lambda: calls.append(1))
        return apply(module, *args)

    expected = int(jax.jit(nfe(transform))(params, z, None))
    monkeypatch.setattr(net, "_apply", counting)
    jax.block_until_ready(jax.jit(lambda params, z: transform.forward(params, z))(params, z))
    jax.effects_barrier()
    assert len(calls) == expected > 0
