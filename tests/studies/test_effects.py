"""Rows of arms: an arm is compared with the one it names, seed by seed, and never with another protocol's or figure's."""

import pytest

from jaxgen.studies import paired
from jaxgen.studies.effects import comparison, effects_section, figure_rows


def rows(ratio=True):
    found = []
    for seed, plain, changed in ((0, 2.0, 1.0), (1, 3.0, 1.2), (2, 4.0, 2.4)):
        for protocol, factor in (("equal steps", 1.0), ("same first stage", 3.0)):
            arms = figure_rows({"w": plain, "v": 9.0}, protocol=protocol, arm="plain", differences=() if ratio else "wv", transfer="t")
            arms += figure_rows(
                {"w": factor * changed, "v": 9.0},
                protocol=protocol,
                arm="changed",
                against="plain",
                differences=() if ratio else "wv",
                transfer="t",
            )
            found += [{"seed": seed, **row} for row in arms]
    return found[::-1]


@pytest.mark.parametrize("ratio", [True, False])
def test_pairs_share_seed_protocol_and_figure(ratio):
    result = comparison(rows(ratio), protocol="same first stage", arm="changed", figure="w")
    assert result.effect == pytest.approx(paired([2.0, 3.0, 4.0][::-1], [3.0, 3.6, 7.2][::-1], ratio=ratio), rel=1e-9)
    assert (result.before, result.after, result.ratio) == (pytest.approx(3.0), pytest.approx(4.6), ratio)


def test_seeds_that_lack_an_arm_are_left_out_and_one_pair_is_no_comparison():
    some = [row for row in rows() if (row["seed"], row["arm"]) != (1, "plain")]
    assert comparison(some, protocol="equal steps", arm="changed", figure="w").effect.pairs == 2
    one = [row for row in some if row["seed"] != 2]
    assert comparison(one, protocol="equal steps", arm="changed", figure="w") is None
    assert comparison([], arm="changed", figure="w") is None


def test_fields_that_pick_more_than_one_figure_are_refused():
    for labels in ({"arm": "changed", "figure": "w"}, {"arm": "changed", "protocol": "equal steps"}):
        with pytest.raises(ValueError, match="several figures of seed"):
            comparison(rows(), **labels)
    with pytest.raises(ValueError, match="one other arm"):
        comparison(rows(), arm="plain", figure="w", protocol="equal steps")


def test_the_section_lists_every_comparison_once():
    section = effects_section(rows(), "Effects", "text", ("transfer",))
    assert {tuple(run.cells[:5]) for run in section.runs} == {
        ("t", protocol, "changed", "plain", figure) for protocol in ("equal steps", "same first stage") for figure in "wv"
    }
    assert len(section.runs) == 4 and all(len(run.cells) == len(section.columns) for run in section.runs)
