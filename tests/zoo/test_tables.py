"""Entries on tables: coordinates and cells are two views of one row, densities are in the units of the data, and run folders keep all of it."""

import jax
import numpy as np
import pandas as pd
import pytest

import jaxgen
from jaxgen import Density, zoo
from jaxgen.data.frames import read_frame

RNG = np.random.default_rng(0)
ROWS = 240
FRAME = pd.DataFrame(
    {
        "age": RNG.integers(18, 60, ROWS),
        "pay": np.exp(RNG.normal(9, 1, ROWS)),
        "gap": np.where(RNG.uniform(size=ROWS) < 0.4, np.nan, RNG.normal(size=ROWS)),
        "sex": RNG.choice(["f", "m"], ROWS),
        "job": RNG.choice(["a", "b", "c"], ROWS),
        "town": RNG.choice(["x", None, "z"], ROWS),
        "id": 10**7 + RNG.permutation(ROWS),
        "unit": 2.5,
    }
)
DATA = jaxgen.data.load(FRAME)
X = DATA.schema.encode(read_frame(FRAME))
SMALL = {
    "tabular": {"width": 8, "depth": 1, "num_components": 2},
    "mixed_diffusion": {"width": 8, "depth": 1, "num_steps": 4, "num_ode_steps": 4},
    "maf": {"width": 8, "depth": 1, "num_layers": 2},
}
CODED = 1 + 1 + 2 + 1 + 1 + 1 + 1
WIDTHS = {"tabular": CODED, "mixed_diffusion": CODED, "maf": 1 + 1 + 2 + 1 + 3 + 3 + 1}


@pytest.fixture(scope="module", params=SMALL)
def prepared(request):
    return zoo.prepare(request.param, DATA, **SMALL[request.param])


def test_every_row_comes_back_from_its_coordinates(prepared):
    layout = prepared.layout
    z = zoo.tables.encoded(jax.random.key(1), layout, X)
    assert z.shape == (ROWS, WIDTHS[prepared.entry.card.name]) and np.isfinite(z).all()
    back = np.asarray(jax.vmap(lambda z: layout.transform().forward((), z))(z))
    np.testing.assert_allclose(back[:, [0, 2, 3, 4, 5]], X[:, [0, 2, 3, 4, 5]], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(back[:, [1, 6]], X[:, [1, 6]], rtol=1e-5)
    # The numbers of the training rows are standard in these coordinates.
    numbers = z[:, :2]
    assert np.abs(numbers.mean(0)).max() < 0.2 and np.abs(numbers.std(0) - 1).max() < 0.2


def test_a_run_folder_keeps_columns_density_and_samples(prepared, tmp_path):
    fitted = jaxgen.fit(jax.random.key(0), prepared.entry, prepared.data.train, 3, valid=prepared.data.valid, progress=False)
    entry, in_units = prepared.in_units(fitted)
    # Whole numbers are dequantised, so even the exact entry has a bound of them.
    assert entry.model.transform.kind is Density.LOWER_BOUND
    jaxgen.save(tmp_path / "run", entry, in_units)
    again, loaded = jaxgen.load(tmp_path / "run")
    assert zoo.schema_of(again) == DATA.schema and zoo.Layout.from_json(again.card.config["table"]) == prepared.layout
    jax.tree.map(np.testing.assert_array_equal, in_units.params, loaded.params)
    value = jaxgen.log_prob(again.model, loaded.params, X[:8].astype(np.float32), key=jax.random.key(2), num_draws=3)
    assert np.isfinite(value.value).all()
    frame = jaxgen.data.to_frame(DATA.schema, jaxgen.sample(jax.random.key(1), again.model, loaded.params, 20))
    assert frame.dtypes.tolist() == FRAME.dtypes.tolist() and list(frame) == list(FRAME)


def test_numbers_alone_stay_exact_and_their_density_is_that_of_the_data():
    """With the affine marginal the density is the standardised one changed by the scale, as `in_units` has it; with another, by its slope."""
    frame = FRAME[["pay", "gap"]].assign(gap=RNG.normal(size=ROWS))
    data = jaxgen.data.load(frame)
    x = np.asarray(frame, np.float32)
    assert [m.family for m in zoo.tables.find_marginals(data.schema, x, False)] == ["affine", "affine"]
    prepared = zoo.prepare("maf", data, **SMALL["maf"])
    assert [m.family for m in prepared.layout.marginals] == ["above", "affine"]
    params = jaxgen.init(jax.random.key(0), prepared.entry.model)
    inner = jaxgen.training.Fitted(params, (), {}, "finished", None)
    entry, fitted = prepared.in_units(inner)
    assert entry.model.transform.kind is Density.EXACT
    z = zoo.tables.encoded(jax.random.key(0), prepared.layout, x)
    values = jaxgen.log_prob(entry.model, fitted.params, x[:9]).value
    log_dets = [
        jax.vmap(m.scalar.inverse, (None, 0))(np.asarray(m.theta, np.float32), x[:9, j])[1] for j, m in enumerate(prepared.layout.marginals)
    ]
    np.testing.assert_allclose(values, jaxgen.log_prob(prepared.entry.model, params, z[:9]).value + sum(log_dets), atol=1e-3)
    # In standardised units, as `compare` has it, the density differs by the scales of the columns.
    standard, of_standard = prepared.standardised(inner)
    other = jaxgen.log_prob(standard.model, of_standard.params, data.units.standardise(x[:9])).value
    np.testing.assert_allclose(other, values + np.log(data.units.scale).sum(), atol=1e-3)


def test_the_affine_marginal_of_whole_numbers_is_that_of_their_cells():
    """A whole number n stands for [n, n + 1), whose middle is half a unit above it."""
    x = np.array([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0], [1.0, 1.0]])
    schema = jaxgen.data.Schema((jaxgen.data.Column("n", "integer"), jaxgen.data.Column("y")))
    assert [marginal.theta[0] for marginal in zoo.tables.find_marginals(schema, x, False)] == [1.5, 1.0]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tabular", "mixed_diffusion"])
def test_a_table_of_300_columns_is_prepared_and_trains(name):
    """Mixed and wide: every third column a category, every third with gaps."""
    rng = np.random.default_rng(1)
    columns = {}
    for j in range(300):
        values = rng.normal(size=120)
        columns[f"c{j}"] = (rng.choice(list("abcd"), 120), values, np.where(rng.uniform(size=120) < 0.2, np.nan, values))[j % 3]
    data = jaxgen.data.load(pd.DataFrame(columns))
    prepared = zoo.prepare(name, data, supports=False, **SMALL[name])
    fitted = jaxgen.fit(jax.random.key(0), prepared.entry, prepared.data.train, 3, progress=False)
    assert fitted.status == "finished" and np.isfinite(fitted.history["loss"]).all() and prepared.data.train.shape[1] == 400


def test_other_data_pass_through():
    data = jaxgen.data.load("two_moons", num_train=20, num_valid=5, num_test=5)
    prepared = zoo.prepare("maf", data, **SMALL["maf"])
    assert prepared.layout is None and prepared.data is data and zoo.schema_of(prepared.entry) is None
    fitted = jaxgen.training.Fitted((), (), {}, "finished", None)
    assert prepared.in_units(fitted) == (prepared.entry, fitted)


def test_only_a_data_set_is_prepared():
    with pytest.raises(ValueError, match="zoo.prepare: data=<DataFrame>; accepted: what jaxgen.data.load returned"):
        zoo.prepare("tabular", FRAME)


@pytest.mark.parametrize("coded", [True, False])
def test_a_layout_for_questions_leaves_gaps_open_and_brings_known_cells_back(coded):
    """A gap has no coordinate of its own and no label: it is NaN in all of its column's; a known cell becomes a point that stands for it."""
    layout = zoo.Layout(DATA.schema, zoo.tables.find_marginals(DATA.schema, X), coded, partial=True)
    assert layout.widths == [1] * 7 if coded else layout.widths == [1, 1, 1, 1, 3, 1, 1]
    rows = zoo.partial_rows(DATA.schema, read_frame(FRAME))
    gone = np.isnan(rows)
    assert gone[:, [2, 5]].any(0).all() and not gone[:, [0, 1, 3, 4, 6]].any()
    z = zoo.tables.encoded(jax.random.key(0), layout, X)
    np.testing.assert_array_equal(np.isnan(z), np.repeat(gone, layout.widths, 1))
    last = layout.transform()
    known = zoo.known_cells.known_in(last)
    with jax.enable_x64(True):
        back, coordinates = jax.jit(jax.vmap(lambda row: (last.forward((), known(row)), known(row))))(rows)
        np.testing.assert_array_equal(np.isnan(coordinates), np.isnan(z))
        np.testing.assert_allclose(np.where(gone, 0, back), np.where(gone, 0, rows), rtol=1e-9, atol=1e-9)
        # What is not asked for counts nothing: the log-determinants of a row without gaps are those of its columns, one by one.
        row = rows[~gone.any(1)][0]
        singles = np.where(np.eye(7, dtype=bool), row, np.nan)
        pre = jax.jit(jax.vmap(lambda row: last.inverse((), row, None, None)))(np.concatenate([row[None], singles]))
        parts = np.asarray(pre.log_det - pre.log_q)
        np.testing.assert_allclose(parts[0], parts[1:].sum(), rtol=1e-9)


def test_cells_that_cannot_be_are_refused_by_what_could_be():
    layout = zoo.Layout(DATA.schema, zoo.tables.find_marginals(DATA.schema, X), True, partial=True)
    number = zoo.known_cells.questions_of(DATA.schema, layout.marginals).number
    assert number is not None and number(3, "m") == 1.0 and number(0, "35") == 35.0 and number(5, "z") == 1.0
    for place, value, said in (
        (3, "x", "accepted: 'f', 'm'"), (5, "y", "accepted: 'x', 'z'"), (1, -2.0, "a number above 0, the support of column 'pay'"),
        (0, 20.5, "a whole number"), (2, None, "leave out what is not known"), (2, float("inf"), "a finite number"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=said):
            number(place, value)


def test_whole_numbers_that_were_not_spread_over_their_cells_are_refused():
    """`build`, `fit` and `in_units` by hand would call a density of the integers themselves exact."""
    data = jaxgen.data.load(pd.DataFrame({"age": np.arange(40), "pay": np.linspace(0.5, 9.7, 40)}))
    entry = jaxgen.zoo.build("realnvp", data.event_shape, width=4, num_layers=2)
    assert data.units is not None
    with pytest.raises(ValueError, match=r"in_units: whole=\['age'\].*zoo.prepare"):
        jaxgen.zoo.in_units(entry, jaxgen.Fitted((), (), {}), *data.units)
