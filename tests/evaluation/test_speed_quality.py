"""The computation of the speed-quality study: equal sizes, numbers of evaluations, the front, and a run of the shortest."""

import sys

import jax
import numpy as np
import pytest

import jaxgen
from jaxgen import bases, transforms, viz, zoo
from jaxgen.cli.study_speed_quality import MODELS, _with_steps
from jaxgen.evaluation import pareto_front, samplers, speed_quality, timed_blocks
from jaxgen.evaluation.speed_quality import Settings
from jaxgen.lifting import nfe
from jaxgen.model import Model
from jaxgen.training import TrainingDiverged
from jaxgen.viz.speed_quality import draw_speed_quality


def row(speed, quality, status="ok"):
    return {"model": "gan", "evaluations": 1, "samples_per_second": speed, "quality": quality, "status": status}


def test_the_front_is_what_nothing_beats():
    rows = [
        row(10, 3.0),
        row(20, 3.0),
        row(5, 1.0),
        row(5, 2.0),
        row(1, 1.0),
        {"model": "diffusion", "status": "failed: loss"},
        row(20, 3.0),
    ]
    assert pareto_front(rows) == [False, True, True, False, False, False, True]


def test_one_evaluation_of_a_mean_velocity_is_the_entrys_own_sample(key):
    """With a condition, which is the network's last input."""
    entry = zoo.build("meanflow", (2,), (1,), width=4)
    z, cond = jax.numpy.asarray([0.3, -1.0]), jax.numpy.asarray([2.0])
    params = jax.tree.map(lambda a: a + 0.1, entry.model.transform.init(key, z, cond))
    model = samplers(entry, (1,), _with_steps)[1]
    ours, own = (m.transform.forward(params, z, cond) for m in (model, entry.models["one_step"]))
    np.testing.assert_allclose(ours, own, rtol=1e-6)


@pytest.mark.parametrize("kind", MODELS)
def test_a_budget_is_what_a_sample_costs_or_the_nearest_below(kind):
    entry = zoo.build(MODELS[kind], (4, 4, 1), width=4, depth=1)
    found = samplers(entry, (1, 2, 8), _with_steps)
    assert list(found) == {"gan": [1], "one step": [1, 2, 8], "diffusion": [1, 7]}[kind]
    shape = jax.eval_shape(lambda key: entry.model.base.sample(seed=key), jax.random.key(0))
    for evaluations, model in found.items():
        # What a transform says it costs may depend on its params; here it is a constant of the sampler.
        assert nfe(model.transform)(None, np.zeros(shape.shape, np.float32), None) == evaluations


def test_samples_are_cut_to_the_range_of_images_and_to_their_number():
    wide = Model(bases.normal((2, 2, 1)), transforms.affine(0.0, 5.0))
    drawn, speed = timed_blocks(wide, (), Settings(num_samples=7, block=4))
    assert drawn.shape == (7, 2, 2, 1) and np.abs(drawn).max() == 1 and len(np.unique(drawn[:, 0, 0, 0])) > 2 and speed > 0


def test_the_speed_is_the_median_of_all_blocks_but_the_first_and_the_seed_is_the_next(monkeypatch):
    """Blocks of 9, 2, 1 and 4 seconds: the median of the last three is 2."""
    clock = iter([0.0, 9.0, 9.0, 11.0, 11.0, 12.0, 12.0, 16.0])
    monkeypatch.setattr(sys.modules["jaxgen.evaluation.speed_quality"].time, "perf_counter", lambda: next(clock))
    model = Model(bases.normal((2, 2, 1)), transforms.affine(0.0, 0.1))
    drawn, speed = timed_blocks(model, (), Settings(num_samples=20, block=6, seed=3))
    assert speed == 3.0
    first = jaxgen.sample(jax.random.split(jax.random.key(4), 4)[0], model, (), 6)
    np.testing.assert_array_equal(drawn[:6], np.clip(first, -1, 1))


def test_a_generator_that_diverges_is_a_row_and_the_others_go_on(monkeypatch):
    entry = zoo.build("r3gan", (4, 4, 1), width=4, depth=1)

    def diverge(*args, **options):
        raise TrainingDiverged(7, {}, None)

    monkeypatch.setattr(sys.modules["jaxgen.evaluation.speed_quality"], "fit", diverge)
    rows = list(speed_quality({"a": entry, "b": entry}, np.zeros((2, 4, 4, 1)), len, Settings(), _with_steps))
    assert [(r["model"], r["status"].split(" at step")[0]) for r in rows] == [(n, "failed: loss or gradient is not finite") for n in "ab"]


def test_models_are_of_equal_size():
    sizes = [zoo.num_sampling_params(zoo.build(name, (4, 4, 1), num_params=35_000).model) for name in MODELS.values()]
    np.testing.assert_allclose(sizes, 35_000, rtol=0.25)


def test_a_run_measures_each_point_and_is_drawn():
    images = np.random.default_rng(0).uniform(-1, 1, (32, 4, 4, 1)).astype(np.float32)
    settings = Settings(num_params=2_500, steps=2, batch_size=4, num_samples=6, block=4)
    entries = {"gan": zoo.build("r3gan", images.shape[1:], num_params=settings.num_params)}
    count = lambda x: float(x.shape[0]) if np.abs(x).max() <= 1 else -1.0
    rows = list(speed_quality(entries, images, count, settings, _with_steps))
    assert [(r["model"], r["evaluations"], r["quality"], r["status"]) for r in rows] == [("gan", 1, 6.0, "ok")]
    assert rows[0]["samples_per_second"] > 0 and rows[0]["train_seconds"] > 0
    assert viz.figure_png(draw_speed_quality(rows, pareto_front(rows))).startswith(b"\x89PNG")
