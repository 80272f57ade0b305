"""Building entries: names, options and sizes are checked, and a size can be asked for in parameters."""

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from jaxgen import zoo


@pytest.mark.parametrize("name", zoo.NAMES)
def test_a_size_asked_for_in_parameters_is_met_within_a_tenth(name):
    entry = zoo.build(name, (2,), num_params=25_000)
    for model in entry.readings.values():
        assert abs(zoo.num_sampling_params(model) - 25_000) <= 2_500


@pytest.mark.parametrize("name", ["vae", "nsf"])
def test_sizes_count_a_condition_and_the_sampling_side_only(name):
    entry = zoo.build(name, (5,), (3,), num_params=10_000)
    sampled = zoo.num_sampling_params(entry.model, 3)
    assert abs(sampled - 10_000) <= 1_000
    params, _ = zoo.sizing.abstract_params(entry.model, 3)
    assert zoo.count_params(params) > 1.5 * sampled if name == "vae" else zoo.count_params(params) == sampled


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (("nice", (2,)), {}, "name='nice'; accepted: .*realnvp"),
        (("nsf", (4, 4, 1)), {}, r"name='nsf' with event_shape=\(4, 4, 1\); accepted for images: gan"),
        (("nsf", (4, 4, 0)), {}, r"event_shape=\(4, 4, 0\); accepted: \(d,\) with d >= 1, or"),
        (("nsf", (0,)), {}, r"event_shape=\(0,\); accepted: \(d,\) with d >= 1"),
        (("nsf", (True,)), {}, r"event_shape=\(True,\)"),
        (("nsf", (2, 2)), {}, r"event_shape=\(2, 2\)"),
        (("nsf", 2), {}, "event_shape=2"),
        (("nsf", (2,), (0,)), {}, r"cond_shape=\(0,\)"),
        (("nsf", (2,)), {"bins": 4}, "nsf has no option bins; accepted: .*num_bins="),
        (("nsf", (2,)), {"num_params": 100, "width": 8}, "num_params=100 and width=8; accepted: one of the two"),
        (("nsf", (2,)), {"width": 0}, "width=0; accepted: an integer of at least 1"),
        (("maf", (2,)), {"depth": -1}, "depth=-1; accepted: an integer of at least 0"),
        (("edm", (2,)), {"learning_rate": float("inf")}, "learning_rate=inf; accepted: a finite number"),
        (("vae", (2,)), {"latent_dim": 0}, "vae: latent_dim=0"),
        (("nsf", (2,)), {"num_layers": "4"}, "nsf: num_layers='4'"),
        (("edm", (2,)), {"sigma_data": 0.0}, r"sigma_data=0\.0"),
        (("nsf", (2,)), {"num_params": 3}, "num_params=3; accepted: a number near"),
    ],
)
def test_bad_arguments_are_named(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        zoo.build(*arguments, **options)


def test_every_entry_has_a_family_options_and_a_default_reading():
    for name in zoo.NAMES:
        entry = zoo.build(name, (2,))
        assert entry.card.family == zoo.FAMILIES[name] and entry.model is entry.readings[entry.card.reading]
        assert entry.card.objective and "learning_rate" in zoo.describe(name)
    with pytest.raises(ValueError, match="name='nice'"):
        zoo.describe("nice")
    assert len(zoo.NAMES) == len(set(zoo.NAMES))


def test_every_family_has_an_accent_that_reads_on_both_grounds_and_a_sentence_of_its_own():
    styles = {card.family: card.style for card in (zoo.build(name, (2,)).card for name in (*zoo.NAMES, *zoo.DISCRETE))}
    assert (
        len({s.accent for s in styles.values()})
        == len({s.sentence for s in styles.values()})
        == len(styles)
        == len(set(zoo.FAMILIES.values()))
    )
    luminance = lambda rgb: np.dot([0.2126, 0.7152, 0.0722], [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb])
    for style in styles.values():
        light = luminance(to_rgb(style.accent))
        assert 1.05 / (light + 0.05) > 2.5 and (light + 0.05) / (luminance(to_rgb("#181b1f")) + 0.05) > 2.5
