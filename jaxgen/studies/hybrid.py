"""Three families in one model: a decoder, a latent flow and drifting, against each part alone at equal parameters and steps."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen import data, zoo
from jaxgen.evaluation import sliced_w2
from jaxgen.model import Model, encode, sample
from jaxgen.nets import mlp
from jaxgen.objectives import drifting, with_prior
from jaxgen.studies.effects import effects_section, figure_rows
from jaxgen.studies.predicted import predicted
from jaxgen.studies.study import QUICK_SEEDS, Cell, Prediction, Row, Study, Table, completed
from jaxgen.training import Entry, adam, fit
from jaxgen.transforms import generator
from jaxgen.types import Params
from jaxgen.viz import Section
from jaxgen.zoo.sizing import width_for

HYBRID, REFINED, PRIOR = "decoder + latent flow + drifting", "decoder + drifting", "decoder + latent flow"
DECODER, MATCHED, DRIFTED = "decoder alone", "flow matching alone", "drifting alone"
TOTAL, LESS = "equal parameters and steps", "a part taken away"
SW2, OFF = "SW2", "off-mode mass"
ODE_STEPS, LATENT = 8, 2
_COLUMNS = {
    "target": "The density that is learnt.",
    "seed": "The seed.",
    "protocol": "What is held equal.",
    "arm": "What was trained.",
    "figure": "What is measured.",
    "value": "Its value.",
}


class _Task(NamedTuple):
    """What all arms of a seed share: the key, the events, the total number of steps and of parameters that sampling needs."""

    key: jax.Array
    train: np.ndarray
    steps: int
    num_params: int

    def fit(self, entry: Entry, share: float, stage: int, x: np.ndarray | None = None, start: Params | None = None) -> Params:
        """Train for a share of the steps and return the params."""
        steps, begin = max(1, round(share * self.steps)), None if start is None else (start, ())
        data = self.train if x is None else x
        return completed(fit(jax.random.fold_in(self.key, stage), entry, data, steps, start=begin, progress=False)).params


def _decoder(num_params: int) -> Entry:
    """Return a variational autoencoder whose sampling takes about a number of parameters."""

    def build(width: int) -> Entry:
        return zoo.build("vae", event_shape=(2,), latent_dim=LATENT, width=width, depth=3)

    return build(width_for(lambda width: build(width).model, num_params, None))


def _flow(dim: int, num_params: int) -> Entry:
    """Return a flow-matching model of vectors, solved in a few steps."""

    def build(width: int) -> Entry:
        return zoo.build("cfm", event_shape=(dim,), width=width, depth=3, num_steps=ODE_STEPS)

    return build(width_for(lambda width: build(width).model, num_params, None))


def _alone(task: _Task, entry: Entry) -> tuple[Model, Params]:
    return entry.model, task.fit(entry, 1.0, 0)


def _drifted(task: _Task) -> tuple[Model, Params]:
    def build(width: int) -> Model:
        return Model(zoo.build("gan", event_shape=(2,)).model.base, generator(mlp(2, width=width, depth=3)))

    model = build(width_for(build, task.num_params, None))
    return _alone(task, Entry(model, drifting(model), adam(2e-3)))


def _composed(task: _Task, latent_flow: bool, refinement: bool) -> tuple[Model, Params]:
    """Train the decoder, then the flow on its codes, then all of it by drifting: each present stage for an equal share of the steps."""
    share = 1 / (1 + latent_flow + refinement)
    vae = _decoder(task.num_params // 2 if latent_flow else task.num_params)
    params, model = task.fit(vae, share, 0), vae.model
    if latent_flow:
        z = np.asarray(encode(vae.model, params, task.train, key=jax.random.fold_in(task.key, 9))["latent"])
        flow = _flow(LATENT, task.num_params // 2)
        prior = task.fit(flow, share, 1, (z - z.mean(0)) / z.std(0))
        model = with_prior(vae.model, flow.model)
        params = (prior, {"loc": jnp.asarray(z.mean(0)), "log_scale": jnp.log(jnp.asarray(z.std(0)))}, params)
    if refinement:
        params = task.fit(Entry(model, drifting(model), adam(1e-3)), share, 2, start=params)
    return model, params


ARMS: dict[str, Callable[[_Task], tuple[Model, Params]]] = {
    HYBRID: lambda task: _composed(task, latent_flow=True, refinement=True),
    PRIOR: lambda task: _composed(task, latent_flow=True, refinement=False),
    REFINED: lambda task: _composed(task, latent_flow=False, refinement=True),
    DECODER: lambda task: _alone(task, _decoder(task.num_params)),
    MATCHED: lambda task: _alone(task, _flow(2, task.num_params)),
    DRIFTED: _drifted,
}
"""Functions `task -> (model, params)` by the name of the arm."""


def _run(cell: Cell) -> list[Row]:
    """Train all arms of one seed; the hybrid is compared with each part alone, and with itself without one part."""
    seed, target = cell["seed"], cell["target"]
    train = data.load(target, num_train=50_000, num_valid=1, num_test=1, seed=seed)
    task = _Task(jax.random.key(seed), train.train, cell["steps"], cell["num_params"])
    figures = {name: _judged(*arm(task), target, train, seed) for name, arm in ARMS.items()}
    rows: list[Row] = []
    for protocol, references in ((TOTAL, (DECODER, MATCHED, DRIFTED)), (LESS, (PRIOR, REFINED))):
        for name in references:
            # Each part is its own comparison, so that one arm can be compared with several.
            pair = f"{protocol}: {name}"
            rows += figure_rows(figures[name], protocol=pair, arm=name, differences=(OFF,))
            rows += figure_rows(figures[HYBRID], protocol=pair, arm=HYBRID, against=name, differences=(OFF,))
    return rows


def _judged(model: Model, params: Params, target: str, train: data.Dataset, seed: int) -> Mapping[str, float]:
    samples = np.asarray(sample(jax.random.key(seed + 1_000), model, params, 10_000, batch_size=10_000))
    assert train.mode is not None
    return {SW2: sliced_w2(samples, data.draw(target, seed, 10_000)), OFF: float(np.mean(train.mode(samples) < 0))}


def _cells(quick: bool, seeds: Sequence[int]) -> list[Cell]:
    targets, steps = (("eight_gaussians",), 300) if quick else (("eight_gaussians", "gaussian_mixture"), 6_000)
    chosen = seeds[:QUICK_SEEDS] if quick else seeds
    return [{"target": target, "num_params": 20_000, "steps": steps, "seed": seed} for target in targets for seed in chosen]


def _pick(protocol: str, name: str, figure: str = SW2) -> dict[str, Any]:
    return {"target": "eight_gaussians", "protocol": f"{protocol}: {name}", "arm": HYBRID, "figure": figure}


_PREDICTIONS: tuple[Prediction, ...] = (
    predicted(
        "The hybrid beats the decoder alone: its SW2 is at most two thirds, as the latent flow mends the law of the codes.",
        "The mean ratio is above 2/3.",
        lambda c: c.effect.mean <= 2 / 3,
        _pick(TOTAL, DECODER),
    ),
    predicted(
        "It does not beat the best part alone, because optimisation and not operation decides: its SW2 is not below that of flow matching.",
        "The interval of the ratio lies below 1.",
        lambda c: c.effect.high >= 1,
        _pick(TOTAL, MATCHED),
    ),
    predicted(
        "No stage removes the bridges: it is one continuous map of one Gaussian, so its mass off the modes is not below that of flow "
        "matching.",
        "The interval of the difference lies below 0.",
        lambda c: c.effect.high >= 0,
        _pick(TOTAL, MATCHED, OFF),
    ),
    predicted(
        "Drifting at the end lowers the SW2 of the decoder with its latent flow, in equal steps.",
        "The interval of the ratio is not below 1.",
        lambda c: c.effect.high < 1,
        _pick(LESS, PRIOR),
    ),
)


def _texts(row: Row) -> list[str]:
    return [str(row[name]) for name in ("target", "seed", "protocol", "arm", "figure")] + [f"{row['value']:.4g}"]


def _sections(rows: Sequence[Row]) -> list[Section]:
    text = "All arms take the same number of parameters to sample and the same total number of steps, divided equally among their stages."
    return [effects_section(rows, "Effects", text, ("target",))]


HYBRID_STUDY = Study(
    "hybrid",
    "Is a model of three families, a decoder with a latent flow that drifting refines, better than each part alone at equal parameters and "
    "steps?",
    _PREDICTIONS,
    _cells,
    _run,
    Table(_COLUMNS, _texts, _sections),
    quick_minutes=8,
    full_minutes=60,
)
