"""A batch over two host devices: the same numbers as on one, tied to no device, and one device where two would be wrong."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxgen
from jaxgen import bases, cores, transforms

TOY = jaxgen.Model(bases.normal((2,)), transforms.affine(2.0, 3.0))
NUM = 2 * cores.LEAST


def test_there_is_something_to_split_over():
    assert len(jax.devices()) == 2 and cores.mesh_for(NUM) is not None


@pytest.mark.parametrize("num", [NUM, NUM + 1, NUM + 2])
def test_draws_and_densities_are_those_of_one_device(num, key, monkeypatch):
    """With a batch that leaves a rest, even or odd, which stays on one device."""
    x = jaxgen.sample(key, TOY, (), num, batch_size=NUM)
    lp = jaxgen.log_prob(TOY, (), x, batch_size=NUM).value
    monkeypatch.setattr(cores, "mesh_for", lambda *args: None)
    np.testing.assert_allclose(x, jaxgen.sample(key, TOY, (), num, batch_size=NUM), rtol=1e-6)
    np.testing.assert_allclose(lp, jaxgen.log_prob(TOY, (), x, batch_size=NUM).value, rtol=1e-6)


def test_the_result_goes_with_arrays_of_any_device(key):
    x = jaxgen.sample(key, TOY, (), NUM)
    assert len(x.devices()) == 1 and not x.committed
    assert jnp.isfinite(x + jax.device_put(jnp.ones(2), jax.devices()[1])).all()


def test_params_are_copied_once_while_they_live():
    params = {"a": jnp.ones(3), "b": jnp.zeros(2)}
    mesh = cores.mesh_for(NUM)
    copies = cores.everywhere(mesh, params)
    assert len(copies["a"].devices()) == 2
    assert cores.everywhere(mesh, dict(params))["a"] is copies["a"]
    assert cores.everywhere(mesh, {**params, "a": 2 * params["a"]})["a"].sum() == 6
    cores.everywhere(mesh, params)
    assert cores.everywhere(mesh, (params["a"], params["b"]))[0].sum() == 3
    # Arrays of numpy change in place, so no copy of them is remembered.
    changing = {"a": np.ones(3)}
    cores.everywhere(mesh, changing)
    changing["a"] *= 4
    assert cores.everywhere(mesh, changing)["a"].sum() == 12


def test_a_part_of_the_callers_program_however_it_is_called(key):
    """Options of compilation and meshes are for outermost programs, even where nothing that is traced is an argument."""
    x = jaxgen.sample(key, TOY, (), NUM)
    np.testing.assert_allclose(jax.jit(lambda: jaxgen.log_prob(TOY, (), x).value)(), jaxgen.log_prob(TOY, (), x).value, rtol=1e-6)
    np.testing.assert_allclose(jax.jit(lambda: jaxgen.sample(key, TOY, (), NUM))(), x, rtol=1e-6)


def test_one_device_where_the_batch_is_small_odd_traced_or_placed():
    placed = jax.device_put(jnp.ones(2), jax.devices()[1])
    seen = []
    jax.jit(lambda a: (seen.append(cores.mesh_for(NUM, a)), a)[1])(jnp.ones(2))
    assert [cores.mesh_for(NUM - 2), cores.mesh_for(NUM + 1), cores.mesh_for(NUM, {"a": placed}), *seen] == [None] * 4
