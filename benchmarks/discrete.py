"""Discrete diffusion against data whose entropy is known: nats a site of each reading, steps against distance, and characters of a text.

Each case trains one entry of the zoo for `--seconds` of training time on this machine, or for `--steps`, and prints one line of JSON: the
test negative log-likelihoods of its readings beside the entropy, gaps by the true log probabilities of the same events, and the distances
of samples of few steps: of pairs of neighbours, and for spins the total variations of the histograms of energy and magnetisation beside
those of two real samples. A plane set in Gray code has `ar_discrete` of the same number of steps and size of batch beside it. `mnist` is
binarised MNIST in its fixed binarisation (JAXGEN_DATA). `text` trains the masked network and an autoregressive transformer of equal
width, depth and number of steps.
"""

import json
import time
from typing import Any

from common import options

PLANES = ("two_moons", "eight_gaussians", "checkerboard", "rings", "pinwheel", "two_spirals", "swiss_roll")
CASES = ("markov_chain", "hidden_markov", "ising_chain", "ising_square", *(f"gray_{name}" for name in PLANES), "text", "mnist")
TEMPERATURES = {"ising_chain": (0.5, 1.0, 2.0), "ising_square": (1.5, 2.27, 4.0)}
STEPS = (1, 2, 4, 8, 16)
Effort = tuple[float, int | None]
"""Seconds of training, and a number of steps that replaces them, or None."""


def main() -> None:
    args = options(__doc__, only=CASES, seconds=None, seed=None, size=None, temperature=None, steps=None)
    seconds = 10.0 if args.quick else float(args.seconds or 600)
    rows, steps = [], int(args.steps) if args.steps else None
    for case in args.only or CASES:
        temperatures = (float(args.temperature),) if args.temperature else TEMPERATURES.get(case, (None,))
        for row in run(case, temperatures, (seconds, steps), int(args.seed or 0), json.loads(args.size or "{}"), args.quick):
            rows.append(row)
            print(json.dumps(row), flush=True)
    if args.out:
        args.out.write_text(json.dumps(rows))


def run(case: str, temperatures: Any, effort: Effort, seed: int, size: dict[str, Any], quick: bool) -> list[dict[str, Any]]:
    if case == "mnist":
        return [mnist(effort, seed, size, quick)]
    if case == "text":
        return [text(effort, seed, size, quick)]
    return [known(case, temperature, effort, seed, size, quick) for temperature in temperatures]


def trained(entry: Any, x: Any, effort: Effort, seed: int, batch_size: int) -> Any:
    """Fit for a number of steps, or as many as take some seconds by a first short fit; compilation is not counted."""
    import jax

    import jaxgen

    seconds, steps = effort
    if steps is not None:
        return jaxgen.fit(jax.random.key(seed), entry, x, steps, batch_size=batch_size, progress=False)
    num_steps = 40 if seconds < 30 else 100
    measured = jaxgen.fit(jax.random.key(seed), entry, x, num_steps, batch_size=batch_size, progress=False)
    rate = num_steps / measured.history["train_seconds"]
    return jaxgen.fit(jax.random.key(seed), entry, x, max(20, int(rate * seconds)), batch_size=batch_size, progress=False)


def figures(model: Any, params: Any, x: Any, truth: Any, draws: int = 1) -> dict[str, float]:
    """Nats per event of a reading, its standard error, and the gap to the true log probabilities with its own."""
    import jax
    import numpy as np

    import jaxgen

    value = np.asarray(jaxgen.log_prob(model, params, x, key=jax.random.key(7), num_draws=draws, batch_size=256).value, float)
    out = {"nll": -value.mean(), "stderr": value.std() / len(value) ** 0.5}
    if truth is not None:
        gap = truth[: len(x)] - value
        out |= {"gap_per_site": gap.mean() / x.shape[1], "gap_stderr_per_site": gap.std() / len(gap) ** 0.5 / x.shape[1]}
    return {k: round(float(v), 5) for k, v in out.items()}


def known(case: str, temperature: float | None, effort: Effort, seed: int, size: dict[str, Any], quick: bool) -> dict[str, Any]:
    import jax
    import numpy as np

    import jaxgen
    from jaxgen.data.registry import CODES

    source = CODES[case]() if temperature is None else getattr(jaxgen.data, case)(temperature)
    rng = np.random.default_rng(seed)
    train, test = (source.sample(rng, n).astype(np.float32) for n in (200_000, 500 if quick else 2_000))
    truth = np.asarray(jax.vmap(source.log_prob)(test), float)
    entry = jaxgen.zoo.build("masked_diffusion", train.shape[1:], levels=source.levels, **size)
    fitted = trained(entry, train, effort, seed, 128)
    row: dict[str, Any] = {"case": case, "temperature": temperature, "seed": seed, "effort": effort, "size": size}
    row |= {"num_steps": int(fitted.history["num_steps"]), "entropy": source.entropy, "sites": train.shape[1]}
    row |= {"true_nll": round(-float(truth.mean()), 5)}
    row["any_order"] = figures(entry.readings["any_order"], fitted.params, test, truth)
    few = test[: 100 if quick else 400]
    row["first_hitting"] = figures(entry.readings["first_hitting"], fitted.params, few, truth)
    row["ancestral"] = figures(entry.readings["ancestral"], fitted.params, few, truth)
    if case.startswith("gray"):
        row["ar_discrete"] = autoregressive_bits(train, test, truth, int(fitted.history["num_steps"]), seed)
    row["samples"] = sampled(entry, fitted.params, source, case, quick)
    return row


def autoregressive_bits(train: Any, test: Any, truth: Any, steps: int, seed: int) -> dict[str, float]:
    """The figures of `ar_discrete` whose two middle bins of width 1 hold the bits, so that its density is their probability."""
    import jax

    import jaxgen

    entry = jaxgen.zoo.build("ar_discrete", train.shape[1:], num_bins=4, bound=2.0)
    peer = jaxgen.fit(jax.random.key(seed), entry, train - 0.5, steps, batch_size=128, progress=False)
    return figures(entry.model, peer.params, test - 0.5, truth)


def observables(case: str, x: Any) -> dict[str, Any]:
    """Whole numbers that say how spins hang together: the energy and the magnetisation of each event; none of other sets."""
    import numpy as np

    spins = 2 * x.astype(int) - 1
    if case == "ising_chain":
        return {"energy": -(spins[:, 1:] * spins[:, :-1]).sum(1), "magnetisation": spins.sum(1)}
    if case == "ising_square":
        square = spins.reshape(len(x), 4, 4)
        energy = sum((square * np.roll(square, 1, axis)).sum((1, 2)) for axis in (1, 2))
        return {"energy": -energy, "magnetisation": spins.sum(1)}
    return {}


def histograms(case: str, a: Any, b: Any) -> dict[str, float]:
    """The total variation of the two samples' histograms of each observable."""
    import numpy as np

    out, of_b = {}, observables(case, b)
    for name, value in observables(case, a).items():
        counts = [np.bincount(v + 64, minlength=129) / len(v) for v in (value, of_b[name])]
        out[name] = round(0.5 * float(np.abs(counts[0] - counts[1]).sum()), 4)
    return out


def sampled(entry: Any, params: Any, source: Any, case: str, quick: bool) -> dict[str, Any]:
    """Distances of pairs of neighbouring sites, and samples a second, by the number of steps; "sites" is one site at a time."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    import jaxgen

    read, n = entry.model.transform.parts["probabilities"], 500 if quick else 2_048
    path = jaxgen.paths.discrete.masked(source.levels)
    prediction = jaxgen.paths.discrete.prediction(path, lambda p, x, t, cond=None: jnp.log(read(p, x, t, cond=cond)))
    event = jax.eval_shape(entry.model.transform.forward, params, jnp.zeros((65, *_event(entry)))).shape
    rng, init = np.random.default_rng(99), lambda key, z, cond=None: params
    real = [source.sample(rng, n) for _ in range(2)]
    out: dict[str, Any] = {"floor": round(pairs(real[0], real[1], source.levels), 5)}
    floors = [histograms(case, real[0], source.sample(rng, n)) for _ in range(20)]
    out["histogram_floors"] = {name: [round(float(np.quantile([f[name] for f in floors], q)), 4) for q in (0.5, 0.95)] for name in floors[0]}
    for steps in (*STEPS, "sites"):
        num = event[0] if steps == "sites" else steps
        transform = jaxgen.transforms.first_hitting(init, prediction, num_steps=min(num, event[0]))
        base = jaxgen.bases.joint({"order": jaxgen.bases.uniform(event), "sites": jaxgen.bases.uniform(event)})
        model = jaxgen.Model(base, transform)
        jax.block_until_ready(jaxgen.sample(jax.random.key(2), model, params, 256, batch_size=256))
        start = time.perf_counter()
        x = jax.block_until_ready(jaxgen.sample(jax.random.key(1), model, params, n // 256 * 256, batch_size=256))
        rate = len(x) / (time.perf_counter() - start)
        out[str(steps)] = {"distance": round(pairs(np.asarray(x), real[0], source.levels), 5), "samples_per_second": round(rate)}
        out[str(steps)] |= histograms(case, np.asarray(x), real[0])
    return out


def _event(entry: Any) -> tuple[int, ...]:
    return tuple(entry.card.config["event_shape"])


def pairs(a: Any, b: Any, levels: int) -> float:
    """The mean over neighbouring sites of the total variation between the two samples' frequencies of pairs of codes."""
    import numpy as np

    total = 0.0
    for i in range(a.shape[1] - 1):
        p, q = (np.bincount((x[:, i] * levels + x[:, i + 1]).astype(int), minlength=levels**2) / len(x) for x in (a, b))
        total += 0.5 * float(np.abs(p - q).sum())
    return total / (a.shape[1] - 1)


def text(effort: Effort, seed: int, size: dict[str, Any], quick: bool) -> dict[str, Any]:
    """Bits per character of a masked network and of an autoregressive transformer over the same windows."""
    import math

    import jax
    import numpy as np

    import jaxgen

    data = jaxgen.data.load("text", num_train=20_000, num_test=50 if quick else 400)
    sites = data.train.shape[1]
    entry = jaxgen.zoo.build("masked_diffusion", (sites,), levels=data.levels, **size)
    fitted = trained(entry, data.train, effort, seed, 64)
    steps = int(fitted.history["num_steps"])
    net = jaxgen.nets.causal_transformer(data.levels, width=size.get("width", 64), depth=size.get("depth", 3), num_heads=4)
    transform = jaxgen.transforms.autoregressive(jaxgen.transforms.categorical(data.levels), net)
    model = jaxgen.Model(jaxgen.bases.uniform((1, sites, 1)), transform)
    causal = jaxgen.Entry(model, jaxgen.objectives.maximum_likelihood(model), entry.optimizer)
    images = data.train.reshape(-1, 1, sites, 1)
    peer = jaxgen.fit(jax.random.key(seed), causal, images, steps, batch_size=64, progress=False)
    in_bits = 1 / (sites * math.log(2))
    row: dict[str, Any] = {"case": "text", "effort": effort, "seed": seed, "num_steps": steps, "levels": data.levels, "sites": sites}
    value = jaxgen.log_prob(model, peer.params, data.test.reshape(-1, 1, sites, 1), batch_size=64).value
    row["autoregressive_bits"] = round(-float(np.mean(value)) * in_bits, 4)
    for reading in ("any_order", "first_hitting"):
        row[f"{reading}_bits"] = round(figures(entry.readings[reading], fitted.params, data.test, None)["nll"] * in_bits, 4)
    drawn = jaxgen.sample(jax.random.key(1), entry.model, fitted.params, 2)
    row["samples"] = jaxgen.data.decode_text(np.asarray(drawn), data)
    return row


def mnist(effort: Effort, seed: int, size: dict[str, Any], quick: bool) -> dict[str, Any]:
    """The bound of binarised MNIST by the any-order estimate: one drawn number of masks an image, and several draws an image."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    import jaxgen
    from jaxgen.objective import Batch, Clock

    data = jaxgen.data.load("binarised_mnist", pixels="discrete")
    chosen = {"size": "published", "width": 32, "depth": 2, **size}
    entry = jaxgen.zoo.build("masked_diffusion", data.event_shape, levels=2, **chosen)
    fitted = trained(entry, data.train, effort, seed, 64)
    x = jnp.asarray(data.test[: 256 if quick else 2_048])
    loss = jax.jit(lambda key, x: entry.objective.loss(fitted.params, (), key, Batch(x), Clock(0, 1, ()))[1]["nll_bound"])
    draws = [float(loss(jax.random.fold_in(jax.random.key(3), i), x[j : j + 256])) for i in range(4) for j in range(0, len(x), 256)]
    return {
        "case": "mnist",
        "effort": effort,
        "seed": seed,
        "size": size,
        "num_steps": int(fitted.history["num_steps"]),
        "num_params": jaxgen.zoo.count_params(fitted.params),
        "bound_nats": round(float(np.mean(draws)), 3),
        "stderr": round(float(np.std(draws) / len(draws) ** 0.5), 3),
    }


if __name__ == "__main__":
    main()
