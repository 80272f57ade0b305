"""The classifier learns what can be told apart, looks at whole pixels only, and comes back from its folder."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxgen.data
from jaxgen import evaluation
from jaxgen.evaluation.classifier import _moved


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Noisy images in which a side of the frame is brighter than the others; which one is the class."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 600)
    x = rng.normal(90, 30, (600, 6, 5))
    for i, label in enumerate(labels):
        x[i][[np.s_[0], np.s_[-1], np.s_[:, 0]][label]] += 60
    path = tmp_path_factory.mktemp("sides") / "sides.npz"
    np.savez(path, x=x.clip(0, 255).astype(np.uint8), labels=labels)
    return path


@pytest.fixture(scope="module")
def trained(images):
    dataset = jaxgen.data.load(images, labels=True)
    return dataset, evaluation.train_classifier(jax.random.key(0), dataset, num_steps=80, batch_size=32, width=4)


def test_it_names_classes_that_can_be_told_apart(trained):
    dataset, classifier = trained
    test = evaluation.pixels_of(dataset, "test")
    assert classifier.accuracy > 0.9 and classifier.num_test == 60
    assert classifier.accuracy == classifier.agreement(test, dataset.test_cond) == classifier.agreement(test, dataset.test_cond.argmax(1))
    features = classifier.features(test)
    assert features.shape == (60, 64) and features.dtype == np.float64
    # Features tell classes apart: images of another class are further from the test images than other images of all classes are.
    train, of = classifier.features(evaluation.pixels_of(dataset, "train")), dataset.train_cond.argmax(1)
    figures = evaluation.image_figures(train[of == 0], features, train[-60:])
    assert figures["frechet_ratio"] > 5 and figures["recall_ratio"] < 0.8 and figures["kernel_ratio"] > 5


def test_dequantised_pixels_are_the_whole_ones_and_what_overshoots_is_clipped(trained, images):
    dataset, classifier = trained
    whole = jaxgen.data.load(images, labels=True, pixels="discrete")
    np.testing.assert_array_equal(
        classifier.features(evaluation.pixels_of(dataset, "test")), classifier.features(evaluation.pixels_of(whole, "test"))
    )
    bright = np.full((1, 6, 5, 1), 255.0)
    np.testing.assert_array_equal(classifier.features(bright), classifier.features(bright + 40))


def test_it_comes_back_from_its_folder(trained, tmp_path):
    dataset, classifier = trained
    evaluation.save_classifier(tmp_path / "c", classifier)
    again = evaluation.load_classifier(tmp_path / "c")
    test = evaluation.pixels_of(dataset, "test")
    np.testing.assert_array_equal(again.features(test), classifier.features(test))
    assert (again.accuracy, again.num_test, again.config) == (classifier.accuracy, classifier.num_test, classifier.config)


def test_an_image_is_moved_with_its_edge():
    image = np.arange(12.0).reshape(1, 3, 4, 1)
    for by in ((0, 0), (1, 0), (0, -2), (-1, 2)):
        moved = np.asarray(_moved(jnp.asarray(image), jnp.asarray(by), 2))[0, :, :, 0]
        rows, columns = np.clip(np.arange(3) + by[0], 0, 2), np.clip(np.arange(4) + by[1], 0, 3)
        np.testing.assert_array_equal(moved, image[0, rows][:, columns, 0])


def test_what_it_refuses(trained, images):
    dataset, classifier = trained
    for data in (jaxgen.data.load(images), jaxgen.data.load("two_moons", num_train=20, num_valid=2, num_test=2)):
        with pytest.raises(ValueError, match="accepted: images with labels"):
            evaluation.train_classifier(jax.random.key(0), data)
    with pytest.raises(ValueError, match=r"Classifier: pixels=array of shape \(3, 5, 6, 1\); accepted: \(n, 6, 5, 1\)"):
        classifier.features(np.zeros((3, 5, 6, 1)))
    with pytest.raises(ValueError, match="1 of 60 images are not finite"):
        classifier.predict(np.where(np.arange(60)[:, None, None, None] == 7, np.nan, evaluation.pixels_of(dataset, "test")))
