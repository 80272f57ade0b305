"""Calls of the public API with one or two arguments of a wrong type, shape, value or kind."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from fuzzing.mutations import of_argument

Call = tuple[Callable[..., Any], dict[str, Any]]


def valid_calls() -> dict[str, Call]:
    """Return functions with valid arguments by name; models are small and their programs are compiled once."""
    import jax
    import optax

    import jaxgen
    from jaxgen import bases, data, evaluation, objectives, paths, transforms, zoo
    from jaxgen.evaluation import detectors

    key, rng = jax.random.key(0), np.random.default_rng(0)
    x = rng.standard_normal((64, 2)).astype(np.float32)
    entry = zoo.build("realnvp", (2,), width=4, depth=1, num_layers=1)
    given = zoo.build("realnvp", (2,), (1,), width=4, depth=1, num_layers=1)
    params, given_params = jaxgen.init(key, entry.model), jaxgen.init(key, given.model, x[0, :1])
    fitted = jaxgen.Fitted(params, (), {"loss": np.ones(200)})
    moving = zoo.build("cfm", (2,), width=4, depth=1)
    base, f = bases.normal((2,)), transforms.affine(0.0, 2.0)
    return {
        "init": (jaxgen.init, {"key": key, "model": entry.model}),
        "sample": (jaxgen.sample, {"key": key, "model": entry.model, "params": params, "num_samples": 4, "cond": None, "batch_size": None}),
        "sample_given": (jaxgen.sample, {"key": key, "model": given.model, "params": given_params, "num_samples": 4, "cond": x[:4, :1]}),
        "log_prob": (jaxgen.log_prob, {"model": entry.model, "params": params, "x": x[:4], "cond": None, "key": None, "num_draws": 1}),
        "log_prob_given": (jaxgen.log_prob, {"model": given.model, "params": given_params, "x": x[:4], "cond": x[:4, :1]}),
        "encode": (jaxgen.encode, {"model": entry.model, "params": params, "x": x[:4]}),
        "interpolate": (jaxgen.interpolate, {"model": entry.model, "params": params, "x0": x[0], "x1": x[1]}),
        "certify": (jaxgen.certify, {"model": entry.model, "params": params, "x": x[:4], "atol": 1e-3}),
        "fit": (jaxgen.fit, {"key": key, "entry": entry, "data": x, "num_steps": 2, "batch_size": 8, "progress": False}),
        "chain": (jaxgen.chain, {"f": f, "g": f}), "invert": (jaxgen.invert, {"f": f}),
        "Model": (jaxgen.Model, {"base": base, "transform": f}),
        "build": (zoo.build, {"name": "realnvp", "event_shape": (2,), "cond_shape": None, "width": 4, "depth": 1}),
        "build_image": (zoo.build, {"name": "vae", "event_shape": (8, 8, 1), "width": 8}),
        "build_codes": (zoo.build, {"name": "masked_diffusion", "event_shape": (4,), "levels": 3, "width": 8}),
        "in_units": (zoo.in_units, {"entry": entry, "fitted": fitted, "loc": [0.0, 1.0], "scale": [1.0, 2.0]}),
        "load": (data.load, {"name_or_path": "two_moons", "num_train": 20, "num_valid": 10, "num_test": 10, "seed": 0}),
        "load_mixture": (data.load, {"name_or_path": "gaussian_mixture", "num_train": 20, "num_valid": 10, "num_test": 10, "dim": 3}),
        "draw": (data.draw, {"name": "two_moons", "seed": 0, "n": 10}),
        "normal": (bases.normal, {"shape": (2,)}), "uniform": (bases.uniform, {"shape": (2,)}),
        "student_t": (bases.student_t, {"shape": (2,), "df": 3.0}),
        "affine": (transforms.affine, {"loc": 0.0, "scale": 2.0}),
        "coupling": (transforms.coupling, {"scalar": transforms.rational_quadratic(4), "net": jaxgen.nets.mlp, "mask": [True, False]}),
        "rational_quadratic": (transforms.rational_quadratic, {"num_bins": 4, "bound": 3.0}),
        "mlp": (jaxgen.nets.mlp, {"out": 2, "width": 4, "depth": 1}),
        "flow_matching": (objectives.flow_matching, {"model": moving.model, "path": paths.linear()}),
        "maximum_likelihood": (objectives.maximum_likelihood, {"model": entry.model}), "energy": (objectives.energy, {"model": entry.model}),
        "Entry": (jaxgen.Entry, {"model": entry.model, "objective": entry.objective, "optimizer": optax.adam(1e-3)}),
        "adam": (jaxgen.training.adam, {"learning_rate": 1e-3, "clip": 1.0}),
        "sliced_w2": (evaluation.sliced_w2, {"x": x, "y": x[::-1]}), "energy_distance": (evaluation.energy_distance, {"x": x, "y": x[::-1]}),
        "w2": (evaluation.w2, {"x": x[:16], "y": x[16:32]}), "mmd": (evaluation.mmd, {"x": x, "y": x[::-1]}),
        "mode_shares": (evaluation.mode_shares, {"labels": [0, 1, 1], "num_modes": 2}),
        "lost_coverage": (detectors.lost_coverage, {"samples": np.tile(x, (2, 1)), "real": np.tile(x, (4, 1)), "num_permutations": 9}),
        "lost_modes": (detectors.lost_modes, {"labels": [0, 1, 1, 0], "weights": [0.5, 0.5]}),
        "memorised": (detectors.memorised, {"samples": x, "train": x, "held_out": x[::-1], "num_permutations": 9}),
        "unstable_training": (detectors.unstable_training, {"history": {"loss": np.ones(200)}}),
        "bits_per_dim": (evaluation.bits_per_dim, {"lp": jaxgen.log_prob(entry.model, params, x[:4]), "event_shape": (2,), "levels": 256}),
        "baselines": (evaluation.baselines, {"train": x, "test": x}),
        "Estimator": (jaxgen.Estimator, {"name": "realnvp"}),
    }  # fmt: skip


def targets() -> dict[str, Callable[[np.random.Generator, Path], Callable[[], Any]]]:
    """Return a target for each call."""
    return {name: _target(function, arguments) for name, (function, arguments) in valid_calls().items()}


def call(function: Callable[..., Any], arguments: dict[str, Any]) -> Any:
    """Call a function with arguments by name, or by place if it takes any number of them."""
    if any(p.kind is p.VAR_POSITIONAL for p in inspect.signature(function).parameters.values()):
        return function(*arguments.values())
    return function(**arguments)


def _target(function: Callable[..., Any], arguments: dict[str, Any]) -> Callable[[np.random.Generator, Path], Callable[[], Any]]:
    def make(rng: np.random.Generator, folder: Path) -> Callable[[], Any]:
        changed = dict(arguments)
        for _ in range(int(rng.integers(1, 3))):
            name = list(changed)[rng.integers(len(changed))]
            changed[name] = of_argument(rng, arguments[name])
        return lambda: call(function, changed)

    return make
