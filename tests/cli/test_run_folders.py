"""train, sample, log-prob and evaluate on a user's own file: its units, its columns, its condition; and what a mistake is answered with."""

import contextlib
import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

import jaxgen
from jaxgen import atomic, zoo

HEADER = "height,age,weight"


def write_csv(path, rows, header=HEADER):
    np.savetxt(path, rows, delimiter=",", header=header, comments="")
    return path


@pytest.fixture
def table(tmp_path):
    """300 rows far from the origin and on unlike scales: weight follows height, both follow age."""
    rng = np.random.default_rng(0)
    age = rng.uniform(20, 60, 300)
    height = 1_700 + age + 30 * rng.standard_normal(300)
    weight = 0.07 + 0.00002 * (height - 1_700) + 0.001 * rng.standard_normal(300)
    return write_csv(tmp_path / "table.csv", np.stack([height, age, weight], 1))


@pytest.fixture
def trained(command, table, tmp_path, tmp_path_factory):
    """A run folder trained on the table; one training serves the module, each test has a copy."""
    once = tmp_path_factory.getbasetemp() / "trained"
    if not once.exists():
        columns = ("--columns", "height", "weight", "--cond-columns", "age")
        ended = command("train", "--model", "realnvp", "--data", table, *columns, "--steps", 60, "--width", 8, "--out", once)
        assert ended.status == 0, ended.err
        # The closing lines say how good the model is, and beside what.
        assert re.search(r"realnvp: finished after 60 steps, loss \S+, best validation loss \S+ at step \d+", ended.out)
        assert re.search(r"NLL of the 30 validation rows.*realnvp has \S+, a Gaussian has \S+, a mixture of \d \S+", ended.out)
    return shutil.copytree(once, tmp_path / "run")


def test_a_conditional_model_of_a_file_keeps_its_units(command, trained, table, tmp_path):
    rows = np.loadtxt(table, delimiter=",", skiprows=1)
    ages = write_csv(tmp_path / "ages.csv", rows[:, 1:2], "age")
    drawn = tmp_path / "drawn.csv"
    assert command("sample", trained, "--cond", ages, "--out", drawn).status == 0
    assert drawn.read_text().startswith("height,age,weight\n")
    samples = np.loadtxt(drawn, delimiter=",", skiprows=1)
    np.testing.assert_allclose(samples[:, 1], rows[:, 1], rtol=1e-6)
    samples = samples[:, [0, 2]]
    np.testing.assert_allclose(samples.mean(0), rows[:, [0, 2]].mean(0), rtol=0.02)
    np.testing.assert_allclose(samples.std(0), rows[:, [0, 2]].std(0), rtol=0.6)

    logs = tmp_path / "logs.csv"
    ended = command("log-prob", trained, table, "--columns", "height", "weight", "--cond", ages, "--out", logs)
    assert ended.status == 0 and "300 events: mean log p" in ended.out and "exact" in ended.out
    entry, fitted = jaxgen.load(trained)
    truth = jaxgen.log_prob(entry.model, fitted.params, rows[:, [0, 2]].astype(np.float32), rows[:, 1:2].astype(np.float32))
    np.testing.assert_allclose(np.loadtxt(logs, delimiter=",", skiprows=1)[:, 0], truth.value, rtol=1e-5)
    # The file has the columns of events and conditions under their names, so none has to be named.
    assert command("log-prob", trained, table).out.strip() == ended.out.split(";")[0].strip()
    # A density in other units than the file's would be off by the logarithm of the scales, here about 4.
    gaussian = -0.5 * np.linalg.slogdet(2 * np.pi * np.e * np.cov(rows[:, [0, 2]].T))[1]
    assert abs(float(truth.value.mean()) - gaussian) < 1.0

    assert command("evaluate", trained, "--num-samples", 60).status == 0
    figures = json.loads((trained / "evaluation.json").read_text())
    # Given the age, height and weight are independent beyond the slope: the entropies of both noises, from 30 rows.
    entropy = np.log(2 * np.pi * np.e) + np.log(30) + np.log(0.001)
    assert abs(figures["nll_gaussian"] - entropy) < 0.7 and abs(figures["nll_mixture"] - entropy) < 0.7
    assert figures["model"] == "realnvp" and np.isfinite(figures["nll"]) and np.isfinite(figures["sliced_w2"])


def test_going_on_takes_the_steps_that_are_missing(command, tmp_path):
    arguments = ("train", "--model", "maf", "--data", "rings", "--width", 8, "--out", tmp_path / "run")
    assert command(*arguments, "--steps", 20).status == 0
    again = command(*arguments, "--steps", 20)
    assert again.status == 2 and "--resume" in again.err and "--overwrite" in again.err
    assert "has 20 steps already" in command(*arguments, "--steps", 20, "--resume").err
    other = command(*arguments, "--steps", 30, "--resume", "--depth", 1)
    assert other.status == 2 and "options" in other.err
    ended = command(*arguments, "--steps", 30, "--resume")
    assert ended.status == 0 and "finished after 30 steps" in ended.out
    assert jaxgen.load(tmp_path / "run")[1].history["num_steps"] == 30
    fresh = command(*arguments, "--steps", 5, "--overwrite")
    assert fresh.status == 0 and "finished after 5 steps" in fresh.out


def interrupted(command, *arguments):
    """Run a command whose training is interrupted after its first chunk."""

    class Interrupting:
        def update(self, done, metrics):
            signal.raise_signal(signal.SIGTERM)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys.modules["jaxgen.training.fit"], "progress_bar", lambda *a: contextlib.nullcontext(Interrupting()))
        assert command(*arguments).status == 130


@pytest.fixture
def gaussian():
    """An entry of the zoo that compiles in no time."""

    @zoo.register(zoo.Family("of its own"), zoo.vector(width=1))
    def gaussian(nets, *, learning_rate: float = 0.01):
        model = jaxgen.Model(jaxgen.bases.normal(nets.event), jaxgen.transforms.triangular_affine())
        return jaxgen.Entry(model, jaxgen.objectives.maximum_likelihood(model), jaxgen.training.adam(learning_rate))

    yield
    zoo.forget("gaussian")


def test_a_run_that_is_gone_on_with_is_the_run_in_one_piece(command, gaussian, tmp_path):
    """20 steps, and 10 more as a fit of their own that is interrupted: the same bytes as without the interrupts."""
    arguments = ("train", "--model", "gaussian", "--data", "rings")
    for steps in (20, 30):
        assert command(*arguments, "--steps", steps, "--out", tmp_path / "whole", *["--resume"] * (steps > 20)).status == 0
        pieces = (*arguments, "--out", tmp_path / "pieces")
        interrupted(command, *pieces, "--steps", steps, *["--resume"] * (steps > 20))
        # Without --steps a run goes on to the end that it had.
        ended = command(*pieces, "--resume")
        assert ended.status == 0 and f"going on from step {steps - 19 if steps == 20 else 21}" in ended.out
        whole, again = (jaxgen.load(tmp_path / name)[1] for name in ("whole", "pieces"))
        for a, b in zip(jax.tree.leaves((whole.params, whole.aux)), jax.tree.leaves((again.params, again.aux)), strict=True):
            assert np.asarray(a).tobytes() == np.asarray(b).tobytes()
        for name in ("loss", "gradient_norm", "valid_loss", "valid_step", "num_steps"):
            np.testing.assert_array_equal(whole.history[name], again.history[name])


def test_a_run_on_a_mesh_is_the_run_without_one(command, gaussian, tmp_path):
    """Interrupted on a mesh and gone on with without one: what is trained is the same up to rounding."""
    arguments = ("train", "--model", "gaussian", "--data", "rings", "--steps", 12)
    assert command(*arguments, "--out", tmp_path / "whole").status == 0
    interrupted(command, *arguments, "--out", tmp_path / "pieces", "--mesh", "data=2", "--shard", "fsdp")
    assert command(*arguments, "--out", tmp_path / "pieces", "--resume").status == 0
    whole, again = (jaxgen.load(tmp_path / name)[1] for name in ("whole", "pieces"))
    np.testing.assert_allclose(again.history["loss"], whole.history["loss"], rtol=1e-5)


def test_one_process_works_in_a_folder(command, tmp_path):
    """A second one is refused at once and touches nothing; the lock of a process that was killed is none."""
    fcntl = pytest.importorskip("fcntl")
    (tmp_path / "run").mkdir()
    held = "import fcntl, os, sys; fcntl.flock(os.open(sys.argv[1], os.O_RDONLY), fcntl.LOCK_EX); print(flush=True); sys.stdin.read()"
    other = subprocess.Popen([sys.executable, "-c", held, tmp_path / "run"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    other.stdout.readline()
    arguments = ("train", "--model", "maf", "--data", "rings", "--width", 8, "--steps", 1, "--out", tmp_path / "run")
    ended = command(*arguments)
    assert ended.status == 2 and "another process of jaxgen works in this folder" in ended.err and len(ended.err.splitlines()) == 1
    assert not list((tmp_path / "run").iterdir())
    other.kill()
    other.wait()
    assert command(*arguments).status == 0
    with pytest.raises(BlockingIOError):
        fcntl.flock(os.open(tmp_path / "run", os.O_RDONLY), fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_results_that_are_not_finite_are_named_and_not_written(command, trained, table, tmp_path):
    entry, fitted = jaxgen.load(trained)
    jaxgen.save(trained, entry, fitted._replace(params=jax.tree.map(lambda a: a * np.nan, fitted.params)))
    ages = write_csv(tmp_path / "ages.csv", np.loadtxt(table, delimiter=",", skiprows=1)[:3, 1:2], "age")
    for arguments in (
        ("sample", trained, "--cond", ages, "--out", tmp_path / "x.npy"),
        ("log-prob", trained, table, "--out", tmp_path / "x.csv"),
    ):
        ended = command(*arguments)
        assert ended.status == 2 and re.search(r"(3 of 3|300 of 300) results are not finite, in rows 1, 2, 3", ended.err), ended.err
    assert not (tmp_path / "x.npy").exists() and not (tmp_path / "x.csv").exists()


def test_an_earlier_run_stays_until_the_new_one_is_whole(command, trained, table, monkeypatch):
    before = {p: p.read_bytes() for p in trained.rglob("*") if p.is_file()}
    arguments = ("train", "--model", "realnvp", "--data", table, "--steps", 2, "--width", 4, "--overwrite", "--out", trained)

    def full(*args):
        raise OSError(errno.ENOSPC, "No space left on device", "x")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(atomic.os, "fsync", full)
        ended = command(*arguments)
    assert ended.status == 2 and ended.err.splitlines()[-1] == "jaxgen: error: [Errno 28] No space left on device: 'x'"
    assert before == {p: p.read_bytes() for p in trained.rglob("*") if p.is_file()}
    (trained / "evaluation.json").write_text("{}")
    assert command(*arguments).status == 0
    assert sorted(p.name for p in trained.rglob("*") if p.is_file()) == ["000002.safetensors", "config.json", "metrics.jsonl"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        assert "accepted: a folder that can be made and written" in command(*arguments).err


def test_an_interrupted_run_goes_on_with_its_own_batches_only(command, tmp_path):
    arguments = ("train", "--model", "maf", "--data", "rings", "--width", 8, "--steps", 120, "--out", tmp_path / "run")

    interrupted(command, *arguments, "--batch-size", 32)
    other = command(*arguments, "--batch-size", 16, "--resume")
    assert other.status == 2 and '"batch_size": 32, "ema": 0.999' in other.err
    ended = command(*arguments, "--batch-size", 32, "--resume")
    assert ended.status == 0 and "finished after 120 steps" in ended.out


def test_the_zoo_is_listed_with_its_kinds(command):
    ended = command("list")
    assert ended.status == 0
    for name in (*jaxgen.zoo.NAMES, *jaxgen.zoo.DISCRETE):
        assert name in ended.out
    assert "lower bound" in ended.out and "two_moons" in ended.out


def test_a_listed_model_tells_its_options_and_fits_a_narrow_terminal(command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    ended = command("list")
    assert max(map(len, ended.out.splitlines())) <= 80 and "…" not in ended.out
    one = command("list", "--model", "vae", "--dim", 3)
    options = jaxgen.zoo.describe("vae", (3,))
    assert all(f"{name}={value}" in one.out.replace("\n", " ") for name, value in options.items())
    assert (
        jaxgen.zoo.docstring("vae").split() == one.out.split()[one.out.split().index("Train") :][: len(jaxgen.zoo.docstring("vae").split())]
    )
    wrong = command("list", "--model", "vea")
    assert wrong.status == 2 and "Did you mean 'vae'?" in wrong.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("train", "--model", "nfs"), "name='nfs'; accepted: gan"),
        (("train", "--model", "nsf", "--steps", 0), "--steps 0"),
        (("train", "--model", "nsf", "--learning-rate", -1.0), "learning_rate=-1.0"),
        (("train", "--model", "nsf", "--learning-rate", "inf"), "learning_rate=inf"),
        (("train", "--model", "nsf", "--width", 0), "width=0"),
        (("train", "--model", "nsf", "--depth", -1), "depth=-1"),
        (("train", "--model", "nsf", "--batch-size", 0), "--batch-size 0"),
        (("train", "--model", "nsf", "--ema", "nan"), "--ema nan"),
        (("train", "--model", "nsf", "--seed", 2**40), "--seed 1099511627776: accepted: an integer from 0"),
        (("train", "--model", "nsf", "--mesh", "8"), "--mesh 8: accepted: axes and their sizes"),
        (("train", "--model", "nsf", "--mesh", "data=64"), "--mesh data=64: takes 64 devices; accepted: at most the 2 that JAX finds"),
        (("train", "--model", "nsf", "--shard", "fsdp"), "--shard fsdp: accepted with --mesh"),
        (("train", "--model", "auto", "--data", "{table}", "--mesh", "data=2"), "--mesh data=2: --model auto does not take it"),
        (("train", "--model", "nsf", "--mesh", "data=2", "--batch-size", 5), "batch_size=5; accepted: a multiple of 2"),
        (("sample", "{run}", "--cond", "{age}", "--num", 10**13, "--out", "{tmp}/x.npy"), "--num 10000000000000: takes about"),
        (("sample", "{run}", "--cond", "{age}", "--num", 0, "--out", "{tmp}/x.npy"), "--num 0"),
        (("sample", "{run}", "--cond", "{age}", "--out", "{tmp}"), "accepted: a file that ends in .csv, .npy, .npz or .parquet"),
        (("sample", "{run}", "--cond", "{age}", "--out", "{table}/x.npy"), "is a file, not a folder"),
        (("log-prob", "{run}", "{table}", "--certify", "0"), "--certify 0"),
        (("log-prob", "{run}", "{table}", "--num-draws", 0), "--num-draws 0"),
        (("train", "--model", "nsf", "--data", "three_moons"), "three_moons"),
        (("train", "--model", "nsf", "--data", "absent.csv"), "absent.csv"),
        (("train", "--model", "nsf", "--data", "{holes}"), "row 4.*weight.*infinite"),
        (("train", "--model", "nsf", "--data", "{table}", "--columns", "width"), "width.*height"),
        (("sample", "{tmp}", "--out", "{tmp}/x.npy"), "accepted: a run folder of jaxgen"),
        (("sample", "{run}", "--out", "{tmp}/x.npy"), "conditions of 1 numbers"),
        (("sample", "{run}", "--cond", "{weight}", "--out", "{tmp}/x.npy"), "has no column 'age'"),
        (("sample", "{run}", "--cond", "{age}", "--reading", "ode", "--out", "{tmp}/x.npy"), "--reading ode: accepted: default"),
        (("sample", "{run}", "--cond", "{age}", "--out", "{tmp}/x.pkl"), "x.pkl"),
        (("log-prob", "{run}", "{age}"), "has no column 'height', 'weight'"),
        (("evaluate", "{run}", "--num-samples", 1), "--num-samples 1"),
        (("evaluate", "{run}", "--data", "digits"), "digits"),
    ],
)
def test_a_mistake_is_answered_in_one_line(command, request, table, tmp_path, arguments, message):
    """Exit status 2, the argument and what would be accepted, no traceback; the run folder is as it was."""
    names = {"tmp": tmp_path, "table": table, "run": tmp_path / "run"}
    if any("{run}" in str(a) for a in arguments):
        names["run"] = request.getfixturevalue("trained")
    holes = np.loadtxt(table, delimiter=",", skiprows=1)[:20]
    holes[3, 2] = np.inf
    names["holes"] = write_csv(tmp_path / "holes.csv", holes)
    names["age"] = write_csv(tmp_path / "age.csv", holes[:, 1:2], "age")
    names["weight"] = write_csv(tmp_path / "weight.csv", holes[:, 2:], "weight")
    out = ("--out", tmp_path / "new") if arguments[0] == "train" else ()
    ended = command(*(str(a).format(**names) for a in arguments), *out)
    assert ended.status == 2
    assert re.search(message, ended.err.replace("\n", " ")), ended.err
    assert ended.err.startswith("jaxgen: error: ") and "Traceback" not in ended.err
    assert not (tmp_path / "x.npy").exists() and not (tmp_path / "x.pkl").exists()


def test_a_mistake_with_overwrite_leaves_the_earlier_run(command, trained, table):
    before = {p: p.read_bytes() for p in trained.rglob("*") if p.is_file()}
    for mistake in (("--ema", 2.0), ("--steps", 0), ("--width", 0), ("--learning-rate", "nan")):
        assert command("train", "--model", "realnvp", "--data", table, *mistake, "--overwrite", "--out", trained).status == 2
    assert before == {p: p.read_bytes() for p in trained.rglob("*") if p.is_file()}


@pytest.mark.parametrize("how", ["--overwrite", "--resume"])
@pytest.mark.parametrize("name", ["checkpoints/mine", "config.json", "pictures/mine.png", "results.json", "metrics.jsonl"])
def test_files_of_others_are_never_taken_for_a_run(command, tmp_path, how, name):
    mine = tmp_path / "run" / name
    mine.parent.mkdir(parents=True)
    mine.write_text('{"precious": true}')
    for start in (("train", "--model", "nsf"), ("compare", "--models", "nsf")):
        ended = command(*start, "--steps", 1, how, "--out", tmp_path / "run")
        assert ended.status == 2 and "was not written by jaxgen" in ended.err
    assert mine.read_text() == '{"precious": true}'


def test_diagnose_prints_and_writes_what_it_found(command, trained):
    ended = command("diagnose", trained, "--num-samples", 200)
    assert ended.status == 0, ended.err
    assert "the model has a condition" in ended.out
    written = json.loads((trained / "diagnosis.json").read_text())
    assert written["model"] == "realnvp"
    assert all(set(finding) == {"name", "alarm", "p", "effect", "text"} for finding in written["detectors"])
    assert command("diagnose", trained, "--num-samples", 1).status == 2
