"""Distillation into one step, which is made for an ODE, of an SDE: the student reads all the noise of all the steps."""

from collections.abc import Mapping
from typing import Any

import jax
from jax.flatten_util import ravel_pytree

from jaxgen import zoo
from jaxgen.model import Model
from jaxgen.nets import Net, mlp
from jaxgen.objectives import distillation
from jaxgen.studies.effects import figure_rows
from jaxgen.studies.fits import EQUAL_STEPS, SAME_STAGE
from jaxgen.studies.predicted import predicted
from jaxgen.studies.study import Row, completed
from jaxgen.studies.transfer.transfer import Transfer, distance, plane
from jaxgen.training import Entry, adam, fit
from jaxgen.transforms import generator

DATA, NAME = "eight_gaussians", "distilling an SDE into one step"
SDE, ODE, ONE_STEP = "student of the SDE", "student of the ODE", "one step of the teacher"
NUM_STEPS = 32


def run(seed: int, steps: int) -> list[Row]:
    """Train a diffusion, then two students of one evaluation: of its ODE and of its SDE, in as many steps.

    Args:
        seed: The seed.
        steps: The number of steps of each stage.
    """
    key_teacher, key_student = jax.random.split(jax.random.key(seed))
    train = plane(DATA, seed)

    def diffusion(num_steps: int) -> Entry:
        return zoo.build("ddpm", event_shape=(2,), num_steps=NUM_STEPS, num_ddim_steps=num_steps)

    entry = diffusion(NUM_STEPS)
    teacher = completed(fit(key_teacher, entry, train, steps, progress=False)).params
    longer = completed(fit(key_teacher, entry, train, 2 * steps, progress=False)).params
    students: dict[str, Mapping[str, float]] = {}
    for name, reading in ((ODE, "ddim"), (SDE, "ancestral")):
        student = _student_of(entry.models[reading], teacher)
        params = completed(fit(key_student, student, train, steps, progress=False)).params
        students[name] = {"SW2": distance(student.model, params, DATA, seed)}
    one_step = {"SW2": distance(diffusion(1).models["ddim"], longer, DATA, seed)}
    rows = figure_rows(students[ODE], protocol=SAME_STAGE, arm=ODE)
    rows += figure_rows(students[SDE], protocol=SAME_STAGE, arm=SDE, against=ODE)
    for name, model in (("the ODE itself", "ddim"), ("the SDE itself", "ancestral")):
        figures = {"SW2": distance(entry.models[model], teacher, DATA, seed)}
        rows += figure_rows(figures, protocol=SAME_STAGE, arm=name, against=ODE)
    rows += figure_rows(one_step, protocol=EQUAL_STEPS, arm=ONE_STEP)
    return rows + [row for name in (ODE, SDE) for row in figure_rows(students[name], protocol=EQUAL_STEPS, arm=name, against=ONE_STEP)]


def _student_of(teacher: Model, params: Any) -> Entry:
    model = Model(teacher.base, generator(_of_all_noise(mlp(2, width=108, depth=3))))
    return Entry(model, distillation(model, teacher, params=params), adam(2e-3))


def _of_all_noise(net: Net) -> Net:
    """Return the network that reads all the numbers of a tree of noise in one row."""
    return Net(
        lambda key, z, cond=None: net.init(key, ravel_pytree(z)[0], cond),
        lambda params, z, cond=None: net.apply(params, ravel_pytree(z)[0], cond),
    )


def _pick(protocol: str, arm: str) -> dict[str, Any]:
    return {"transfer": NAME, "protocol": protocol, "arm": arm, "figure": "SW2"}


DISTILLED = Transfer(
    NAME,
    150,
    2_000,
    run,
    (
        predicted(
            "A one-step student of the SDE is worse than one of the ODE by at least 1.5 times: it has 33 times as much noise to read.",
            "The mean ratio of SW2, from the same teacher, is below 1.5.",
            lambda c: c.effect.mean >= 1.5,
            _pick(SAME_STAGE, SDE),
        ),
        predicted(
            "It still beats one DDIM step of a teacher that is trained for all these steps.",
            "The interval of the ratio of SW2, in equal steps, is not below 1.",
            lambda c: c.effect.high < 1,
            _pick(EQUAL_STEPS, SDE),
        ),
    ),
)
