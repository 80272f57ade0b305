"""Quality against evaluations: every family that has the choice, at 1, 2, 4, 8, 16 and 50 evaluations of its network, and what they cost.

Two moons, the zoo's own sizes (25 to 30 thousand params) and lengths of training; one set of params a family, read as samplers of more and
fewer steps. Quality is sliced W2 between 10,000 samples and as many fresh points, mean of 3 such pairs, beside the same for two sets of
points (the floor); a sampler of two evaluations a step takes as many steps as fit. Speed is samples a second in one process, the median of
5 calls of 32,768 samples; one evaluation is compared with fifty of the same network (goal: 20 times as fast). `--only` runs some families.
With --out FILE.json the plot is written beside it as FILE.png.
"""

from pathlib import Path
from typing import Any

import numpy as np
from common import options, report, row

EVALUATIONS = (1, 2, 4, 8, 16, 50)
POINTS, PAIRS, TIMED, REPEATS, DATA = 10_000, 3, 32_768, 5, "two_moons"
FAMILIES = ("cfm", "rectified_flow", "meanflow", "imm", "consistency", "ddpm", "score_sde", "edm")
STEPS_OF_OPTION = {"ddpm": ("num_ddim_steps", "ddim"), "score_sde": ("num_steps", "sde"), "edm": ("num_steps", "heun")}


def sampler(name: str, evaluations: int) -> Any:
    """The family's model that takes that many evaluations (edm: at most); None where it has none."""
    import jaxgen
    from jaxgen import bases, nets, zoo
    from jaxgen.transforms import flow_map
    from jaxgen.zoo.velocity import init_in_time, init_in_times

    if name in STEPS_OF_OPTION:
        option, reading = STEPS_OF_OPTION[name]
        return zoo.build(name, (2,), **{option: (evaluations + 1) // 2 if name == "edm" else evaluations}).readings[reading]
    width, depth = zoo.describe(name)["width"], zoo.describe(name)["depth"]
    if name in ("cfm", "rectified_flow", "consistency"):
        net = nets.time_mlp(2, width=width, depth=depth)
        step = flow_map(init_in_time(net), lambda params, x, t, s, cond=None: net.apply(params, x, t, cond), evaluations)
        return jaxgen.Model(bases.normal((2,)), step)
    net = nets.times_mlp(2, width=width, depth=depth)
    return jaxgen.Model(bases.normal((2,)), flow_map(init_in_times(net), net.apply, evaluations))


def family(name: str, quick: bool) -> tuple[dict[int, float], dict[int, float]]:
    """Sliced W2 and samples a second by the number of evaluations."""
    import jax

    import jaxgen
    from jaxgen.evaluation import sliced_w2

    entry = jaxgen.zoo.build(name, (2,))
    data = jaxgen.data.load(DATA)
    fitted = jaxgen.fit(jax.random.key(0), entry, data.train, 60 if quick else entry.card.num_steps, progress=False)
    quality: dict[int, float] = {}
    speed: dict[int, float] = {}
    for evaluations in EVALUATIONS:
        model = sampler(name, evaluations)
        drawn = [np.asarray(jaxgen.sample(jax.random.key(i), model, fitted.params, POINTS)) for i in range(PAIRS)]
        quality[evaluations] = float(np.mean([sliced_w2(x, fresh(i), seed=i) for i, x in enumerate(drawn)]))
        if evaluations in (1, 50):
            speed[evaluations] = rate(model, fitted.params, 2 if quick else REPEATS)
    return quality, speed


def fresh(which: int) -> np.ndarray:
    import jaxgen

    return jaxgen.data.draw(DATA, 100 + which, POINTS)


def rate(model: Any, params: Any, repeats: int) -> float:
    """Samples a second, compilation and the first call left out."""
    import time

    import jax

    import jaxgen

    def once(seed: int) -> float:
        start = time.perf_counter()
        jax.block_until_ready(jaxgen.sample(jax.random.key(seed), model, params, TIMED))
        return time.perf_counter() - start

    once(0)
    return TIMED / float(np.median([once(seed) for seed in range(1, repeats + 1)]))


def plot(quality: dict[str, dict[int, float]], floor: float, file: Path) -> None:
    """Quality against evaluations, both on logarithmic axes, a line a family."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    for name, values in quality.items():
        axes.loglog(list(values), list(values.values()), marker="o", label=name)
    axes.axhline(floor, color="0.6", linestyle="--", label="floor: data against data")
    axes.set_xticks(EVALUATIONS, [str(n) for n in EVALUATIONS])
    axes.minorticks_off()
    axes.set(xlabel="evaluations of the network a sample", ylabel="sliced W2", title=f"{DATA}: quality against evaluations")
    axes.legend(fontsize=8)
    figure.savefig(file, dpi=130)
    print(f"plot: {file}")


def main() -> None:
    args = options(__doc__, only=list(FAMILIES))
    from jaxgen.cli.main import set_up_jax
    from jaxgen.evaluation import sliced_w2

    set_up_jax()
    floor = float(np.mean([sliced_w2(fresh(10 + i), fresh(i), seed=i) for i in range(PAIRS)]))
    quality: dict[str, dict[int, float]] = {}
    rows: list[dict[str, Any]] = []
    print(f"sliced W2 at evaluations | {' | '.join(map(str, EVALUATIONS))} | samples/s at 1 | at 50 | times as fast", flush=True)
    for name in args.only or FAMILIES:
        quality[name], speed = family(name, args.quick)
        faster = speed[1] / speed[50]
        figures = " | ".join(f"{value:.4f}" for value in quality[name].values())
        print(f"{name} | {figures} | {speed[1]:.3g} | {speed[50]:.3g} | {faster:.1f}", flush=True)
        rows += [
            row(name, f"sliced W2, {n} evaluation{'s' * (n > 1)}", "1", w2, "floor: real against real", floor)
            for n, w2 in quality[name].items()
        ]
        rows.append(row(name, "samples a second, 1 evaluation", "1/s", speed[1], "its own 50", speed[50], more_is_better=True))
        rows.append(row(name, "1 evaluation over 50, times as fast", "1", faster, "goal", 20.0, more_is_better=True))
    report(rows, args.out)
    if args.out is not None:
        plot(quality, floor, args.out.with_suffix(".png"))


if __name__ == "__main__":
    main()
