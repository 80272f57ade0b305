"""Laws of the protocol, each over every transform. Values and derivatives come from one compiled function a case."""

import jax
import jax.numpy as jnp
import numpy as np
from transform_cases import CASES, having, over, transform_of
from transform_outputs import far_gradients, inputs, outputs, ravel, solvers

from jaxgen.lifting import nfe, over_batch
from jaxgen.transform import Density

INVERTIBLE = having(lambda t: t.inverse is not None and t.kind is not Density.IMPLICIT)
SURJECTIVE = [name for name in CASES if CASES[name].surjective]
ROUND_TRIP = [name for name in INVERTIBLE if CASES[name].square and name not in SURJECTIVE]
WITH_LOG_DET = [name for name in having(lambda t: t.forward_and_log_det is not None) if name not in SURJECTIVE]
EXACT_INVERSE = [name for name in having(lambda t: t.inverse is not None and t.kind is Density.EXACT) if name not in SURJECTIVE]


def close(a, b, tol, scale=None):
    """Relative to the largest magnitude in play, as conditioning is."""
    a, b = np.asarray(a), np.asarray(b)
    assert np.isfinite(a).all() and np.isfinite(b).all()
    np.testing.assert_allclose(a, b, rtol=tol, atol=tol * max(1.0, np.abs(b).max(initial=0) if scale is None else scale))


def flat_rows(tree):
    """Leaves side by side in the order of `ravel_pytree`, in numpy, which keeps float64."""
    return np.concatenate([np.asarray(a).reshape(len(a), -1) for a in jax.tree.leaves(tree)], 1)


def log_abs_det(jacobian):
    return np.linalg.slogdet(jacobian)[1]


@over(WITH_LOG_DET)
def test_forward_log_det_is_that_of_the_jacobian(name):
    out = outputs(name).at
    close(out["log_det"], log_abs_det(out["jacobian"]), CASES[name].tol)
    for a, b in zip(jax.tree.leaves(out["x_too"]), jax.tree.leaves(out["x"]), strict=True):
        close(a, b, CASES[name].tol)


@over([name for name in ROUND_TRIP if transform_of(name).kind is not Density.UNBIASED])
def test_inverse_log_det_is_minus_that_of_forward_at_the_preimage(name):
    result = outputs(name)
    close(result.at["pre"].log_det, -log_abs_det(result.back["jacobian"]), CASES[name].tol)


@over(EXACT_INVERSE)
def test_inverse_log_det_is_that_of_its_own_jacobian(name):
    out = outputs(name).at
    close(out["pre"].log_det, log_abs_det(out["inverse_jacobian"][:, :-2]), CASES[name].tol)
    assert not out["pre"].log_q.any()


@over(ROUND_TRIP + SURJECTIVE)
def test_forward_undoes_inverse(name):
    result = outputs(name)
    close(flat_rows(result.back["x"]), flat_rows(result.x), CASES[name].tol)


@over([name for name in EXACT_INVERSE if CASES[name].square])
def test_inverse_undoes_forward(name):
    result = outputs(name)
    close(flat_rows(result.back["pre"].z), flat_rows(result.z), CASES[name].tol)


@over(CASES)
def test_the_last_stage_is_the_output_and_evaluations_are_counted(name):
    result = outputs(name)
    close(flat_rows(result.at["last_stage"]), flat_rows(result.at["x"]), CASES[name].tol)
    with jax.enable_x64(True):
        first = jax.tree.map(lambda a: a[0], (result.z, result.cond))
        assert int(jax.jit(nfe(result.model.transform))(result.params, *first)) >= 0


@over([name for name, case in CASES.items() if not case.adaptive])
def test_forward_mode_and_reverse_mode_agree(name):
    out = outputs(name).at
    x = flat_rows(out["x"])
    # The state that a noise is mapped to ends in x, so the last rows are the Jacobian of forward.
    close(np.einsum("ni,nij->nj", np.cos(x), out["jacobian"][:, -x.shape[1] :]), flat_rows(out["pullback"]), 1e-8)
    if "pre" in out and transform_of(name).kind is not Density.IMPLICIT:
        close(np.einsum("ni,nij->nj", np.cos(out["inverse_flat"]), out["inverse_jacobian"]), out["inverse_pullback"], 1e-8)


@over(having(lambda t: t.many is not None))
def test_batched_forms_equal_per_event_ones(name):
    out, tol = outputs(name).at, CASES[name].tol
    close(out["batched_x"], out["x"], tol)
    for a, b in zip(jax.tree.leaves(out["batched_pre"]), jax.tree.leaves(out["pre"]), strict=True):
        close(a, b, tol)
    if "batched_with_log_det" in out:
        close(out["batched_with_log_det"][0], out["x"], tol)
        close(out["batched_with_log_det"][1], out["log_det"], tol)


@over(["coupling-affine", "autoregressive-affine", "repeat", "ode_flow-fixed", "ancestral", "gaussian_decoder", "generator"])
def test_jit_equals_eager_and_vmap_equals_a_loop(name):
    """One event at a time, without jit and without vmap; a transform of each kind, as eager steps are slow."""
    result = outputs(name)
    transform = result.model.transform
    with jax.enable_x64(True):
        for i in (2, 8):
            z, x, cond, key = jax.tree.map(lambda a, i=i: a[i], (result.z, result.x, result.cond, result.keys))
            close(ravel(transform.forward(result.params, z, cond)), flat_rows(result.at["x"])[i], 1e-12)
            if transform.inverse is not None:
                pre = transform.inverse(result.params, x, cond, key)
                close(ravel(pre.z), flat_rows(result.at["pre"].z)[i], 1e-12)
                close(pre.log_det, result.at["pre"].log_det[i], 1e-12)


@over(CASES)
def test_values_and_gradients_are_finite_far_outside_the_interval(name):
    found = far_gradients(name)
    if name == "coupling-binned":
        # The coordinate that passes is uniform: outside its support the density is zero, and never NaN.
        log_prob = found.pop("log_prob")
        assert not np.isnan(log_prob).any() and (log_prob == -np.inf).any()
    for what, tree in found.items():
        for leaf in jax.tree.leaves(tree):
            assert np.isfinite(np.asarray(leaf)).all(), what


@over(CASES)
def test_no_matrix_of_an_event_goes_to_lapack(name):
    """Its kernels for a batch wait for threads of the device within one of them; see `jaxgen.numerics.small_matrices`."""
    far_gradients(name)
    assert solvers[name] == set()


@over(CASES)
def test_a_condition_enters_where_there_is_a_network(name):
    params = inputs(name, jnp.float32)[1]
    bare = inputs(name, jnp.float32, None)[1]
    sizes = [sum(leaf.size for leaf in jax.tree.leaves(tree)) for tree in (params, bare)]
    no_network = not CASES[name].network or name in ("on", "affine", "triangular_affine", "flip") or name.startswith("from_distrax")
    assert (sizes[0] == sizes[1]) if no_network else (sizes[0] > sizes[1])


@over([name for name, case in CASES.items() if not case.adaptive])
def test_no_dtype_or_rank_is_promoted_and_float64_never_leaks_into_float32(name, strict):
    """With float64 switched on, a constant that is not cast to the dtype of its operands would mix with float32 and be refused.

    A condition where one enters; without one, the entries of the zoo are traced in every size.
    """
    model, params, z, x, cond, keys = inputs(name, jnp.float32, 2 if CASES[name].network else None)
    transform = model.transform
    with strict(), jax.enable_x64(True):
        batch = over_batch(transform)
        found = [jax.eval_shape(batch.forward, params, z, cond)]
        if transform.inverse is not None:
            found.append(jax.eval_shape(batch.inverse, params, x, cond, keys))
        if transform.forward_and_log_det is not None:
            found.append(jax.eval_shape(batch.forward_and_log_det, params, z, cond))
    # A constant such as `log_q = 0.0` is weakly typed: it takes the dtype of what it meets.
    assert {leaf.dtype for leaf in jax.tree.leaves(found) if not leaf.weak_type} == {jnp.dtype("float32")}


@over(having(lambda t: t.kind is Density.UNBIASED))
def test_the_estimate_averages_to_the_exact_log_det(name):
    """By the central limit theorem; Rademacher probes of an ODE's trace are few enough to average exactly."""
    result = outputs(name)
    with jax.enable_x64(True):
        key = jax.random.split(jax.random.key(0), 400)
        inverse = jax.jit(jax.vmap(lambda k: result.model.transform.inverse(result.params, result.x[5], result.cond[5], k).log_det))
        draws = np.asarray(inverse(key))
    exact = log_abs_det(result.at["inverse_jacobian"][5, :-2])
    if name == "ode_flow-hutchinson":
        # v^T J v over all Rademacher probes averages to the trace; a probe and its negative give the same number.
        found = np.unique(np.round(draws, 10))
        assert len(found) == 4
        close(found.mean(), exact, CASES[name].tol)
    else:
        assert draws.std() > 1e-3
        assert abs(draws.mean() - exact) < 4 * draws.std() / np.sqrt(len(draws))
