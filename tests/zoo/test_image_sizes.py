"""Default sizes of image entries: they grow with the picture, stay below the published ones, and are kept with a run."""

import math

import jax
import pytest

from jaxgen import zoo
from jaxgen.objective import Batch
from jaxgen.training import init_state
from jaxgen.zoo import image_sizes

SIDES = (4, 8, 12, 16, 28, 32, 64)
FEWEST = 800_000
"""No default for 8 x 8 pixels on a CPU has as many parameters, those that sampling drops among them."""


@pytest.fixture
def on(monkeypatch):
    return lambda platform: monkeypatch.setattr(image_sizes.jax, "default_backend", lambda: platform)


def numbers(options):
    return {name: value for name, value in options.items() if isinstance(value, int) and not isinstance(value, bool)}


@pytest.mark.parametrize("name", zoo.IMAGES)
def test_sizes_grow_with_the_picture_and_from_small_to_published(name):
    for channels in (1, 3):
        before = None
        for side in SIDES:
            small, base, published = (numbers(zoo.describe(name, (side, side, channels), size)) for size in zoo.SIZES)
            for option in published:
                if option == "stem":
                    assert small[option] >= base[option] >= published[option] == 1
                elif option in small:
                    assert small[option] <= base[option] <= published[option], (option, side)
            assert before is None or all(small[option] >= before[option] for option in before), (before, small)
            before = small
    assert small != published or small == {}


@pytest.mark.parametrize("name", zoo.IMAGES)
def test_a_default_for_8_by_8_pixels_is_small_on_a_cpu(name, on):
    on("cpu")
    levels = {"levels": 17} if "levels" in zoo.describe(name, (8, 8, 1)) else {}
    entry = zoo.build(name, (8, 8, 1), **levels)
    state = jax.eval_shape(
        lambda key, x: init_state(key, entry, Batch(x), 10), jax.random.key(0), jax.ShapeDtypeStruct((2, 8, 8, 1), "float32")
    )
    assert 5_000 < zoo.count_params((state.params, state.aux)) < FEWEST
    assert (entry.card.num_steps, entry.card.batch_size) == (5_000, 64)


def test_no_side_of_what_a_network_in_time_works_on_is_above_its_size():
    for side in range(1, 129):
        for name, places in (("small", 16), ("base", 32)):
            stem = zoo.describe("cfm", (side, 2, 1), name)["stem"]
            # The smallest power of two that folds the picture into so many places.
            assert math.ceil(side / stem) <= places and (stem == 1 or math.ceil(2 * side / stem) > places)


def test_the_device_chooses_and_the_config_remembers(on):
    on("gpu")
    large = zoo.build("edm", (8, 8, 1))
    assert large.card.config["options"] == {} and large.card.batch_size == 256 and large.card.num_steps == 20_000
    on("cpu")
    small = zoo.build("edm", (8, 8, 1), num_steps=3)
    assert small.card.config["options"] == {"width": 32, "depth": 1, "network": "dit", "num_steps": 3}
    # Where a run folder is loaded, another device may decide: what was built before sizes were kept has the published ones.
    again = zoo.build("edm", (8, 8, 1), size="published", **small.card.config["options"])
    assert again.card.config["options"] == small.card.config["options"]


def test_what_is_given_stays_and_decides_the_rest(on):
    on("cpu")
    assert zoo.build("cfm", (8, 8, 1), width=64, network="unet").card.config["options"] == {"depth": 1, "width": 64, "network": "unet"}
    assert zoo.build("vae", (28, 28, 1)).card.config["options"]["width"] == 448
    assert zoo.build("vae", (28, 28, 1), network="convolution").card.config["options"]["width"] == 16
    # The logits of 256 levels would take a perceptron of a hundred million weights.
    bytes_ = zoo.build("vae", (28, 28, 1), levels=256).card.config["options"]
    assert (bytes_["network"], bytes_["width"], bytes_["depth"]) == ("convolution", 16, 1)
    assert zoo.build("vae", (28, 28, 1), levels=256, network="mlp").card.config["options"]["width"] == 448


def test_a_size_that_does_not_apply_is_refused():
    with pytest.raises(ValueError, match="size='tiny'; accepted: small, base, published"):
        zoo.build("cfm", (8, 8, 1), size="tiny")
    with pytest.raises(ValueError, match=r"size='small' with event_shape=\(2,\); accepted: None"):
        zoo.build("cfm", (2,), size="small")
