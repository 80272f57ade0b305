"""The computation of the speed-quality study: equal sizes, numbers of evaluations, the front, and a run of the shortest."""

import jax
import numpy as np
import pytest

from jaxgen import bases, transforms, viz, zoo
from jaxgen.cli.speed_quality import MODELS, Settings, draws, front, samplers, speed_quality
from jaxgen.model import Model
from jaxgen.transform import nfe
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
    assert front(rows) == [False, True, True, False, False, False, True]


@pytest.mark.parametrize("kind", MODELS)
def test_a_budget_is_what_a_sample_costs_or_the_nearest_below(kind):
    entry = zoo.build(MODELS[kind], (4, 4, 1), width=4, depth=1)
    found = samplers(entry, (1, 2, 8))
    assert list(found) == {"gan": [1], "one step": [1, 2, 8], "diffusion": [1, 7]}[kind]
    shape = jax.eval_shape(lambda key: entry.model.base.sample(seed=key), jax.random.key(0))
    for evaluations, model in found.items():
        # What a transform says it costs may depend on its params; here it is a constant of the sampler.
        assert nfe(model.transform)(None, np.zeros(shape.shape, np.float32), None) == evaluations


def test_samples_are_cut_to_the_range_of_images_and_to_their_number():
    wide = Model(bases.normal((2, 2, 1)), transforms.affine(0.0, 5.0))
    drawn, speed = draws(wide, (), Settings(num_samples=7, block=4))
    assert drawn.shape == (7, 2, 2, 1) and np.abs(drawn).max() == 1 and len(np.unique(drawn[:, 0, 0, 0])) > 2 and speed > 0


def test_models_are_of_equal_size():
    sizes = [zoo.num_sampling_params(zoo.build(name, (4, 4, 1), num_params=20_000).model) for name in MODELS.values()]
    np.testing.assert_allclose(sizes, 20_000, rtol=0.25)


def test_a_run_measures_each_point_and_is_drawn():
    images = np.random.default_rng(0).uniform(-1, 1, (32, 4, 4, 1)).astype(np.float32)
    settings = Settings(num_params=2_500, steps=2, batch_size=4, num_samples=6, block=4)
    rows = list(speed_quality(images, lambda x: float(x.shape[0]) if np.abs(x).max() <= 1 else -1.0, settings, models=("gan",)))
    assert [(r["model"], r["evaluations"], r["quality"], r["status"]) for r in rows] == [("gan", 1, 6.0, "ok")]
    assert rows[0]["samples_per_second"] > 0 and rows[0]["train_seconds"] > 0
    assert viz.figure_png(draw_speed_quality(rows, front(rows))).startswith(b"\x89PNG")
