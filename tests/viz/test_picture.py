"""A picture whose arrays do not fit together is refused by name."""

import numpy as np
import pytest

from jaxgen.viz.picture import Dropped, Picture, Stage, check

POINTS = np.zeros((4, 2))
FIELD = (np.arange(3.0), np.arange(5.0), np.zeros((5, 3)))
GOOD = Picture(
    name="m",
    family="diffusion",
    objective="denoising",
    reading="ode",
    colour=POINTS,
    base_kind="gaussian",
    stages=(Stage("a", POINTS), Stage("b", POINTS, np.zeros((2, 9, 2)))),
    target=np.zeros((7, 2)),
    density=FIELD,
    paths=np.zeros((3, 6, 2)),
    dropped=(Dropped("critic", "field", field=FIELD), Dropped("codes", "points", np.zeros((9, 2)))),
)


def test_a_fitting_picture_passes():
    assert check(GOOD) is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stages": (Stage("a", POINTS),)}, "stages=1 entries; accepted: two or more"),
        ({"stages": (Stage("a", POINTS), Stage("b", POINTS[:3]))}, r"stage 'b' has shape \(3, 2\); accepted: \(4, 2\)"),
        ({"stages": (Stage("a", POINTS, np.zeros((2, 9))), Stage("b", POINTS))}, "grid of stage 'a'"),
        ({"colour": np.zeros((4, 3))}, r"colour has shape \(4, 3\)"),
        ({"target": np.zeros((0, 2))}, "target has shape"),
        ({"paths": np.zeros((3, 2))}, "paths has shape"),
        ({"density": (FIELD[1], FIELD[0], FIELD[2])}, r"density has xs \(5,\), ys \(3,\) and values \(5, 3\)"),
        ({"dropped": (Dropped("critic", "field"),)}, "dropped 'critic': kind='field'"),
        ({"dropped": (Dropped("codes", "points", np.zeros((9, 2)), colour_by_base=True),)}, r"dropped 'codes' has shape \(9, 2\)"),
    ],
)
def test_a_misfit_is_named(change, message):
    with pytest.raises(ValueError, match=f"^Picture m: .*{message}"):
        check(GOOD._replace(**change))
