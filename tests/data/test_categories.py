"""Columns of categories: what is refused and how it is said, codes and one-hot conditions, and the way back to labels."""

import jax
import numpy as np
import pytest

import jaxgen
from jaxgen.data import Categories, DataError
from jaxgen.data.columns import find_column

ROWS = 400
COLOURS = np.array(["red", "blue", "green"])
P_COLOUR = np.array([0.5, 0.3, 0.2])
P_YES = {"red": 0.9, "blue": 0.5, "green": 0.1}
SHIFT = {"red": -3.0, "blue": 0.0, "green": 4.0}


def rows(num, seed=0):
    rng = np.random.default_rng(seed)
    colour = rng.choice(COLOURS, num, p=P_COLOUR)
    yes = np.where(rng.uniform(size=num) < [P_YES[c] for c in colour], "yes", "no")
    size = np.array([SHIFT[c] for c in colour]) + rng.normal(size=num)
    return colour, yes, size, rng.integers(1, 4, num)


def write(path, num=ROWS, cells=None):
    table = [list(map(str, row)) for row in zip(*rows(num), strict=True)]
    for (i, j), value in (cells or {}).items():
        table[i][j] = value
    path.write_text("colour,answer,size,grade\n" + "\n".join(",".join(row) for row in table))
    return path


def test_codes_labels_and_units_come_back(tmp_path):
    data = jaxgen.data.load(write(tmp_path / "t.csv"), discrete=["colour", "answer", "grade"])
    assert data.columns == ("colour", "answer", "size", "grade")
    assert data.num_categories == (3, 2, 0, 3)
    assert data.categories[0] == Categories("colour", ("blue", "green", "red"))
    assert data.categories[3].labels == ("1", "2", "3")
    assert abs(data.train[:, 2].mean()) < 1e-5 and data.train.dtype == np.float32
    own = data.table(np.concatenate([data.train, data.valid, data.test]))
    colour, yes, size, grade = rows(ROWS)
    order = np.argsort(own["size"])
    np.testing.assert_allclose(own["size"][order], np.sort(size), rtol=1e-5, atol=1e-5)
    for name, expected in (("colour", colour), ("answer", yes), ("grade", grade.astype(str))):
        np.testing.assert_array_equal(own[name][order], expected[np.argsort(size)])


def test_discrete_conditions_are_one_hot_and_new_ones_are_encoded_alike(tmp_path):
    data = jaxgen.data.load(write(tmp_path / "t.csv"), columns="size", cond_columns=["colour", "grade"], discrete="colour")
    assert data.cond_names == ("colour=blue", "colour=green", "colour=red", "grade")
    assert data.cond_shape == (4,) and data.categories == ()
    assert np.array_equal(np.unique(data.train_cond[:, :3]), [0, 1]) and np.all(data.train_cond[:, :3].sum(1) == 1)
    cond = data.encode_cond({"grade": [1, 3], "colour": ["red", "blue"]})
    np.testing.assert_array_equal(cond[:, :3], [[0, 0, 1], [1, 0, 0]])
    np.testing.assert_allclose(np.sort(np.unique(data.train_cond[:, 3]))[[0, 2]], cond[:, 3], rtol=1e-6)
    for table, match in (
        ({"grade": [1], "colour": ["mauve"]}, r"row 1, column 'colour': unseen category 'mauve'; accepted: 'blue', 'green', 'red'"),
        ({"grade": [1, 2], "colour": ["red", None]}, r"row 2, column 'colour': the category is missing"),
        ({"grade": [1, np.nan], "colour": ["red", "red"]}, r"row 2, column 'grade': the value is missing"),
        ({"colour": ["red"]}, r"condition columns 'colour'; accepted: 'colour', 'grade'"),
        ({"grade": [1], "colour": ["red", "red"]}, "accepted: the same number in each"),
    ):
        with pytest.raises(DataError, match=match):
            data.encode_cond(table)
    with pytest.raises(DataError, match="no condition"):
        jaxgen.data.load(tmp_path / "t.csv", columns="size").encode_cond({})


@pytest.mark.parametrize("cell", ["", " ", "NaN", "None", "null"])
def test_a_missing_category_is_a_category_of_its_own(tmp_path, cell):
    path = write(tmp_path / "t.csv", cells={(6, 0): cell})
    data = jaxgen.data.load(path)
    assert data.categories[0].labels == ("blue", "green", "red", "") and data.schema.event[0].missing
    everything = data.table(np.concatenate([data.train, data.valid, data.test]))
    assert sum(label is None for label in everything["colour"]) == 1


def test_columns_that_are_no_categories_are_refused(tmp_path):
    path = write(tmp_path / "t.csv", 1_200)
    with pytest.raises(DataError, match=r"column 'size' has 1200 different values, and at most 1000 are categories"):
        jaxgen.data.load(path, discrete=["colour", "answer", "size"])
    with pytest.raises(DataError, match=r"discrete: column 'grade' is neither"):
        jaxgen.data.load(path, columns="size", discrete="grade")
    with pytest.raises(DataError, match="discrete: no column 'shade'"):
        jaxgen.data.load(path, discrete="shade")
    with pytest.raises(DataError, match="only files have columns"):
        jaxgen.data.load("two_moons", discrete="0")
    constant = write(tmp_path / "c.csv", 20, {(i, 0): "red" for i in range(20)})
    assert jaxgen.data.load(constant, discrete=["colour", "answer"]).columns == ("answer", "size", "grade")
    with pytest.raises(DataError, match=r"row 2, column 'colour': 7 is no code; accepted: 0 to 1"):
        Categories("colour", ("a", "b")).decode([0.0, 7.0])


def test_whole_numbers_are_categories_in_arrays_and_parquet_alike(tmp_path):
    values = np.random.default_rng(0).integers(-1, 2, (50, 2)).astype(float)
    np.save(tmp_path / "t.npy", values)
    data = jaxgen.data.load(tmp_path / "t.npy", discrete=[0, 1])
    assert data.categories[1].labels == ("-1", "0", "1")
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    pq.write_table(pa.table({"a": values[:, 0].astype(int), "b": ["x", None, *"xy" * 24]}), tmp_path / "t.parquet")
    assert jaxgen.data.load(tmp_path / "t.parquet", columns="a", discrete="a").categories[0].labels == ("-1", "0", "1")
    assert jaxgen.data.load(tmp_path / "t.parquet", discrete=["a", "b"]).categories[1].labels == ("x", "y", "")


def test_training_recovers_known_probabilities_and_numbers_given_categories(tmp_path):
    """End to end: a csv of text and numbers, `tabular`, samples with labels again."""
    data = jaxgen.data.load(write(tmp_path / "t.csv", 4_000), columns=["colour", "answer", "size"], discrete=["colour", "answer"])
    entry = jaxgen.zoo.build("tabular", data.event_shape, categories=data.num_categories, width=24, depth=1, num_components=2)
    fitted = jaxgen.fit(jax.random.key(0), entry, data.train, 900, ema=0.98)
    drawn = data.table(jaxgen.sample(jax.random.key(1), entry.model, fitted.params, 6_000))
    for colour, p in zip(COLOURS, P_COLOUR, strict=True):
        of = drawn["colour"] == colour
        assert abs(of.mean() - p) < 0.04
        assert abs((drawn["answer"][of] == "yes").mean() - P_YES[colour]) < 0.07
        assert abs(drawn["size"][of].mean() - SHIFT[colour]) < 0.3
        # By quartiles: two logistics have heavier tails than the Gaussian that they are fitted to.
        low, high = np.quantile(drawn["size"][of], [0.25, 0.75])
        assert abs((high - low) / 1.349 - 1) < 0.2
    # The entropy of the truth, in the standardised units of the third column.
    answers = np.array([P_YES[c] for c in COLOURS])
    bits = -np.sum(P_COLOUR * np.log(P_COLOUR)) - np.sum(P_COLOUR * (answers * np.log(answers) + (1 - answers) * np.log1p(-answers)))
    entropy = bits + 0.5 * np.log(2 * np.pi * np.e) - np.log(data.units.scale[2])
    nll = -np.asarray(jaxgen.log_prob(entry.model, fitted.params, data.test).value)
    assert abs(nll.mean() - entropy) < 3 * nll.std() / np.sqrt(len(nll)) + 0.05


def test_labels_that_are_numbers_come_first_and_in_the_order_of_their_values():
    cells = np.empty(6, object)
    cells[:] = ["10", "b", 2.0, "a", "-1", "2"]
    column, codes = find_column("size", cells, "category")
    assert column.labels == ("-1", "2", "10", "a", "b")
    assert codes.tolist() == [2, 4, 1, 3, 0, 1]
