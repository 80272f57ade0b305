"""A new entry is one function and one line of registration: everything that lists entries then knows it, by what it says of itself."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxgen
from jaxgen import bases, evaluation, objectives, training, transforms, zoo
from jaxgen.cli import list_
from jaxgen.viz.of_entry import picture

X = np.random.default_rng(0).standard_normal((40, 2)).astype(np.float32)
MINE = zoo.Family("mine", training.Style("#123456", "A sentence.", stage="stage {step}"))


@pytest.fixture
def shear():
    """An entry of a family of its own, for vectors and for images, with an option and a part that sampling drops."""

    @zoo.register(MINE, zoo.vector(width=7, small={"layers": 1}, num_steps=9), zoo.image("continuous", name="shear_image", width=3))
    def shear(nets: zoo.Nets, *, layers: int = 3, learning_rate: float = 1e-2) -> jaxgen.Entry:
        """Stack diagonal affines."""
        model = jaxgen.Model(bases.normal(nets.event), transforms.repeat(transforms.diagonal_affine(), layers))
        entry = jaxgen.Entry(model, objectives.maximum_likelihood(model), training.adam(learning_rate))
        return entry._replace(card=entry.card._replace(objective="likelihood", dropped={"half": lambda aux, x, cond: 0.5 * jnp.sum(x)}))

    yield zoo.build("shear", (2,), **zoo.small("shear"))
    zoo.forget("shear")
    zoo.forget("shear_image")


def test_an_entry_is_listed_built_described_and_forgotten(shear):
    assert "shear" in zoo.NAMES and "shear" in zoo.COMPARED and "shear_image" in zoo.IMAGES and "shear_image" not in zoo.NAMES
    assert zoo.FAMILIES["shear"] == shear.card.family == "mine" and shear.card.style == MINE.style and shear.card.num_steps == 9
    assert zoo.describe("shear") == {"width": 7, "layers": 3, "learning_rate": 1e-2}
    assert zoo.small("shear") == {"width": 16, "layers": 1} and zoo.pixels("shear_image") == "continuous"
    assert zoo.build("shear_image", (2, 2, 1), size="published").card.num_steps == 20_000
    zoo.forget("shear")
    assert "shear" not in zoo.NAMES + zoo.COMPARED and "shear" not in zoo.FAMILIES
    with pytest.raises(ValueError, match="name='shear'; accepted: gan, "):
        zoo.build("shear", (2,))


def test_pages_pictures_and_folders_take_it_as_it_describes_itself(shear, tmp_path, capsys, monkeypatch):
    fitted = jaxgen.fit(jax.random.key(0), shear, X, 2, batch_size=8, progress=False)
    jaxgen.save(tmp_path, shear, fitted)
    assert jaxgen.load(tmp_path)[0].card.config == shear.card.config
    followed = evaluation.follow(jax.random.key(1), shear.model, fitted.params, X)
    row = picture(shear, fitted, followed, X, None, "")
    assert (row.accent, row.family, row.objective) == ("#123456", "mine", "likelihood")
    assert [part.label for part in row.dropped] == ["half"] and row.dropped[0].kind == "field"
    monkeypatch.setattr(list_, "NAMES", ["shear"])
    list_.list_entries()
    assert "shear" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [({"layers": 0}, "shear: layers=0; accepted: an integer"), ({"depth": 1}, "shear has no option depth; accepted: width=7, layers=3")],
)
def test_its_options_are_checked_by_its_own_signature(shear, options, message):
    with pytest.raises(ValueError, match=message):
        zoo.build("shear", (2,), **options)


def test_a_form_with_a_default_for_no_option_is_refused():
    with pytest.raises(ValueError, match="widht"):
        zoo.register(MINE, zoo.vector(widht=3))(lambda nets: None)


def test_options_of_networks_are_declared_once():
    shared = {field.name for field in dataclasses.fields(zoo.Nets)}
    from jaxgen.zoo import registry

    for entries in registry._REGISTRY.values():
        for entered in entries.values():
            own = entered.make.__kwdefaults__ or {}
            assert not shared & set(own), entered.make.__name__
