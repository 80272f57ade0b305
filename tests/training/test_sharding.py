"""A fit on a mesh is the fit of one device, whatever is split: losses, params, validation, samples, and where the bytes lie."""

import os
import subprocess
import sys

import jax
import numpy as np
import pytest
from jax.sharding import PartitionSpec as P

import jaxgen
from jaxgen import fit, zoo
from jaxgen.objective import Batch
from jaxgen.training import init_state, make_step, state_sharding
from jaxgen.training.sharding import bytes_per_device

ONE = {"progress": False, "batch_size": 8}


@pytest.fixture(scope="module")
def mesh():
    return jax.make_mesh((2,), ("data",))


def equal(a, b, **tol):
    for left, right in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_allclose(left, right, **tol)


def abstract(entry, batch):
    return jax.eval_shape(lambda key: init_state(key, entry, batch, 10), jax.random.key(0))


@pytest.fixture(scope="module")
def entry():
    return zoo.build("realnvp", (2,), width=32, num_layers=2)


@pytest.fixture(scope="module")
def on_one(entry):
    """A fit on one device and what it was given."""
    x = np.asarray(jax.random.normal(jax.random.key(1), (64, 2)))
    how = {**ONE, "valid": x[:20], "eval_every": 3, "steps_per_chunk": 4}
    return fit(0, entry, x, 6, devices=jax.devices()[:1], **how), x, how


@pytest.fixture(scope="module")
def split(entry, on_one, mesh):
    """The same fit with its state split over two devices."""
    _, x, how = on_one
    return fit(0, entry, x, 6, mesh=mesh, shard="fsdp", **how)


def test_a_split_state_trains_what_one_device_trains(on_one, split):
    for name in ("loss", "gradient_norm", "valid_loss"):
        np.testing.assert_allclose(split.history[name], on_one[0].history[name], rtol=1e-5)
    equal(split.params, on_one[0].params, rtol=1e-4, atol=1e-6)
    assert {"data" in leaf.sharding.spec for leaf in jax.tree.leaves(split.params)} == {True, False}


def test_samples_and_densities_are_shared_by_the_devices_that_hold_the_params(entry, on_one, split):
    """Sixteen events in slices of ten: one slice divides by two devices, and the rest of six does too."""
    one, x, _ = on_one
    drawn = jaxgen.sample(3, entry.model, split.params, 16, batch_size=10)
    assert jaxgen.sample(3, entry.model, split.params, 16).sharding.spec[0] == "data"
    np.testing.assert_allclose(drawn, jaxgen.sample(3, entry.model, one.params, 16), rtol=1e-4, atol=1e-5)
    density = jaxgen.log_prob(entry.model, split.params, x[:16]).value
    np.testing.assert_allclose(density, jaxgen.log_prob(entry.model, one.params, x[:16]).value, rtol=1e-4, atol=1e-4)


def test_an_objective_that_compares_the_events_of_a_batch_is_shared_too(data, mesh):
    """Each of two devices does about half of the work, and draws, losses and gradients are those of one."""
    entry, batch, steps = zoo.build("energy", (2,), width=64, depth=1), Batch(data[:32]), []
    state = jax.jit(lambda key, batch: init_state(key, entry, batch, 10))(jax.random.key(0), batch)
    for sharding in (None, state_sharding(mesh, "replicated", state)):
        steps.append(jax.jit(make_step(entry, 10, sharding=sharding)).lower(state, batch, jax.random.key(1)).compile())
    one, two = (step(state, batch, jax.random.key(1))[1] for step in steps)
    for name in ("loss", "gradient_norm"):
        np.testing.assert_allclose(one[name], two[name], rtol=1e-5)
    flops = [step.cost_analysis()["flops"] for step in steps]
    assert flops[1] < 0.6 * flops[0]


EIGHT = """
import jax, numpy as np
from jax.sharding import PartitionSpec as P
from jaxgen import fit, sample, zoo
x, entry = np.random.default_rng(0).normal(size=(64, 2)).astype(np.float32), zoo.build("cfm", (2,), width=64, depth=1)
how = {"batch_size": 16, "progress": False, "valid": x, "eval_every": 4}
one = fit(0, entry, x, 6, devices=jax.devices()[:1], **how)
line, square = jax.make_mesh((8,), ("data",)), jax.make_mesh((4, 2), ("data", "model"))
by_name = lambda name, array: P(None, "model") if array.ndim == 2 and array.shape[1] % 2 == 0 else P()
for mesh, shard in ((line, "replicated"), (line, "fsdp"), (square, "fsdp"), (square, by_name)):
    many = fit(0, entry, x, 6, mesh=mesh, shard=shard, **how)
    for name in ("loss", "valid_loss"):
        np.testing.assert_allclose(many.history[name], one.history[name], atol=1e-5)
    np.testing.assert_allclose(sample(1, entry.model, many.params, 16), sample(1, entry.model, one.params, 16), atol=1e-4)
"""


@pytest.mark.slow
def test_eight_devices_train_what_one_trains():
    """Copies, pieces, pieces over one of two axes, and weights that are split over the other axis throughout."""
    environment = {**os.environ, "XLA_FLAGS": f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=8"}
    environment = {name: value for name, value in environment.items() if name != "JAX_NUM_CPU_DEVICES"}
    ended = subprocess.run([sys.executable, "-c", EIGHT], env=environment, capture_output=True, text=True, timeout=600)
    assert ended.returncode == 0, ended.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["drifting", "imm", "meanflow", "consistency", "sf2m", "dsbm", "vdm", "ot_cfm", "c2ot_cfm", "sb_cfm", "gan", "vae", "cnf"]
)
def test_no_objective_depends_on_the_mesh(name, data, mesh):
    entry = zoo.build(name, (2,), width=16, depth=1)
    one, two = (fit(0, entry, data, 3, **given, **ONE) for given in ({"devices": jax.devices()[:1]}, {"mesh": mesh, "shard": "fsdp"}))
    np.testing.assert_allclose(one.history["loss"], two.history["loss"], rtol=1e-5, atol=1e-6)


def test_prepared_noise_follows_the_rows_of_the_whole_batch(gaussian_entry, data, key, mesh):
    """Noise that knows its place in the whole batch: a device with another's rows would have another loss."""

    def prepare(key, batch):
        return batch._replace(z=np.arange(len(batch.x), dtype=np.float32)[:, None] * batch.x)

    def reads(loss):
        return lambda params, aux, key, batch, clock: loss(params, aux, key, Batch(batch.x + batch.z), clock)

    entry = gaussian_entry(reads, prepare=prepare)
    one, two = (fit(key, entry, data, 5, steps_per_chunk=2, **given, **ONE) for given in ({"devices": jax.devices()[:1]}, {"mesh": mesh}))
    np.testing.assert_allclose(one.history["loss"], two.history["loss"], rtol=1e-5)


def test_a_run_goes_on_under_another_mesh(gaussian_entry, data, key, mesh):
    """Interrupted after its first chunk on two devices and saved; it ends on one, or on two in another layout, as if it had run through."""
    entry, how = gaussian_entry(), {"steps_per_chunk": 4, "valid": data, "eval_every": 4, **ONE}
    whole = fit(key, entry, data, 12, devices=jax.devices()[:1], **how)
    saved = []
    fit(key, entry, data, 12, mesh=mesh, saving=jaxgen.training.Saving(saved.append, steps=4), **how)
    middle = next(fitted for fitted in saved if fitted.status == "running" and fitted.history["num_steps"] >= 4)
    assert all(isinstance(leaf, np.ndarray) for leaf in jax.tree.leaves(middle.state))
    for given in (
        {"devices": jax.devices()[:1]},
        {"mesh": jax.make_mesh((2, 1), ("rest", "data")), "shard": lambda name, array: P("rest")},
    ):
        np.testing.assert_allclose(
            fit(key, entry, data, 12, start=middle, **given, **how).history["loss"], whole.history["loss"], rtol=1e-5
        )


def test_two_devices_hold_at_most_55_percent_of_the_bytes_each(mesh):
    """Params, moments and average of networks of a usual width, here read off the shapes."""
    for name in ("cfm", "nsf", "gan"):
        state = abstract(zoo.build(name, (2,), width=128), Batch(np.zeros((8, 2), np.float32)))
        whole, half = (bytes_per_device(state, state_sharding(mesh, shard, state)) for shard in ("replicated", "fsdp"))
        assert half <= 0.55 * whole, name


def test_the_optimiser_and_the_average_follow_their_params(mesh):
    """A layout by name: whatever has the path and the shape of a weight lies as it does, and a count does not."""
    entry = zoo.build("gan", (2,), width=32)
    state = abstract(entry, Batch(np.zeros((8, 2), np.float32)))
    named = []

    def rule(name, array):
        named.append(name)
        return P("data") if array.ndim == 2 and array.shape[0] % 2 == 0 else P()

    lies = state_sharding(mesh, rule, state)
    assert {name.split("/")[0] for name in named} == {"params", "aux"} and len(named) == len(set(named))
    split = lambda tree: sum(s.spec == P("data") for s in jax.tree.leaves(tree))
    matrices = sum(a.ndim == 2 and a.shape[0] % 2 == 0 for a in jax.tree.leaves((state.params, state.aux)))
    assert split((lies.state.params, lies.state.aux)) == matrices > 0
    assert split(lies.state.opt_state) == 2 * matrices and split(lies.state.ema) == split(lies.state.params)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (lambda mesh: {"mesh": mesh, "batch_size": 7}, r"batch_size=7; accepted: a multiple of 2"),
        (lambda mesh: {"mesh": mesh, "devices": jax.devices()}, r"devices=a list beside mesh="),
        (lambda mesh: {"mesh": "data=2"}, r"mesh=<str>; accepted: a jax.sharding.Mesh"),
        (lambda mesh: {"shard": "fsdp"}, r"shard='fsdp'; accepted: 'replicated' without mesh="),
        (lambda mesh: {"mesh": mesh, "shard": "zero"}, r"shard='zero'; accepted: 'replicated', 'fsdp'"),
        (lambda mesh: {"mesh": mesh, "shard": lambda name, array: P("model")}, r"shard=P.*\('model',\) for params/loc of shape \(2,\)"),
        (lambda mesh: {"mesh": mesh, "seeds": 2}, r"mesh=<Mesh>; accepted: None with seeds=2"),
    ],
)
def test_what_does_not_fit_a_mesh_is_refused(given, says, gaussian_entry, data, mesh):
    with pytest.raises(ValueError, match=says):
        fit(0, gaussian_entry(), data, 2, **{**ONE, **given(mesh)})
