"""What a training step costs against the number of devices, read off the compiled programs; and what splitting the state costs in time.

For each number of simulated devices a process of its own compiles the step of `fit(mesh=)` for arrays that are never made, and reads XLA's
analysis of the program that one device runs: FLOPs, the bytes of state and of everything between, and from its text how many collectives it
has and how many bytes each device sends in a ring. The batch is always the same, so FLOPs should fall as the devices grow. Each figure
stands beside what would be ideal: a one-device step's FLOPs and state divided by the number of devices, and the bytes of one all-reduce of
the gradients (replicated), or of one gathering of the params and one scattering of the gradients (fsdp).

`--only` names entries, `--most` the largest number of devices (256, 8 with `--quick`). `--speed` instead measures steps a second on two
devices at width 512, split against replicated, in turns.
"""

import json
import re
from typing import Any

from common import alone, interleaved, options, report, row, timed

ENTRIES = ("cfm", "energy", "drifting", "meanflow")
WIDTH, BATCH = 512, 4_096
SHARDS = ("replicated", "fsdp")
BYTES = {"f64": 8, "s64": 8, "u64": 8, "f32": 4, "s32": 4, "u32": 4, "bf16": 2, "f16": 2, "s8": 1, "u8": 1, "pred": 1}


def main() -> None:
    args = options(__doc__, only=ENTRIES, most=None, speed=("on", "off"))
    if args.measure is not None:
        print(json.dumps(speed(args.measure["repeats"]) if "repeats" in args.measure else programs(**args.measure)))
        return
    if args.speed is not None and "on" in args.speed:
        figures = alone(__file__, {"repeats": 2 if args.quick else 7}, devices=2)
        case = f"cfm, width {WIDTH}, batch 256, 2 devices"
        report([row(case, "fsdp", "steps/s", figures["fsdp"], "replicated", figures["replicated"], more_is_better=True)], args.out)
        return
    counts = [n for n in (1, 2, 8, 32, 256) if n <= int(args.most or (8 if args.quick else 256))]
    rows = []
    for name in args.only or ENTRIES:
        figures = {n: alone(__file__, {"name": name, "count": n}, devices=n) for n in counts}
        rows += [line for n in counts for shard in SHARDS for line in compared(name, shard, n, figures)]
    report(rows, args.out)


def compared(name: str, shard: str, count: int, figures: dict[int, dict[str, float]]) -> list[dict[str, Any]]:
    """Rows of one program: what a device computes, holds and sends, beside the ideal."""
    here, one = figures[count], figures[1]
    case, params = f"{name}, {shard}, {count} devices", one["replicated params"]
    rows = [
        row(case, "computes a step", "FLOP", here[f"{shard} flops"], "one device's, divided", one[f"{shard} flops"] / count),
        row(case, "holds", "bytes of state", here[f"{shard} state"], "on one device", one[f"{shard} state"]),
        row(case, "holds besides, at most", "bytes", here[f"{shard} temporary"], "on one device", one[f"{shard} temporary"]),
    ]
    if count > 1:
        ring = params * 2 * (count - 1) / count
        rows.append(row(case, f"sends in {here[f'{shard} messages']:.0f} collectives", "bytes", here[f"{shard} sent"], "a ring", ring))
    return rows


def programs(name: str, count: int) -> dict[str, float]:
    """The figures of the step of an entry on `count` devices, for each layout."""
    import jax
    import numpy as np
    from jax.sharding import NamedSharding
    from jax.sharding import PartitionSpec as P

    import jaxgen
    from jaxgen.meshes import automatic
    from jaxgen.training import init_state, make_step, state_sharding
    from jaxgen.training.sharding import bytes_per_device

    entry, mesh = jaxgen.zoo.build(name, (2,), width=WIDTH, depth=3), automatic(jax.make_mesh((count,), ("data",)))
    batch = jaxgen.Batch(jax.ShapeDtypeStruct((BATCH, 2), np.float32))
    key = jax.eval_shape(lambda: jax.random.key(0))
    state = jax.eval_shape(lambda key, batch: init_state(key, entry, batch, 1_000), key, batch)
    figures, by_row = {}, NamedSharding(mesh, P("data"))
    for shard in SHARDS:
        lies = state_sharding(mesh, shard, state)
        placed = jax.tree.map(lambda a, s: jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=s), state, lies.state)
        rows = jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=by_row), batch)
        step = jax.jit(make_step(entry, 1_000, sharding=lies), donate_argnums=0, out_shardings=(lies.state, None))
        compiled = step.lower(placed, rows, key).compile()
        cost, memory = compiled.cost_analysis(), compiled.memory_analysis()
        messages, sent = collectives(compiled.as_text(), count)
        figures |= {f"{shard} flops": cost["flops"], f"{shard} temporary": memory.temp_size_in_bytes}
        figures |= {f"{shard} state": bytes_per_device(state, lies), f"{shard} messages": messages, f"{shard} sent": sent}
        figures[f"{shard} params"] = sum(a.size * a.dtype.itemsize for a in jax.tree.leaves((state.params, state.aux)))
    return figures


def collectives(program: str, count: int) -> tuple[int, float]:
    """How many collectives a program has, and how many bytes a device sends in them over a ring."""
    shares = {"all-reduce": 2, "all-gather": 1, "reduce-scatter": count, "all-to-all": 1, "collective-permute": count / max(count - 1, 1)}
    number, sent, program = 0, 0.0, re.sub(r"/\*.*?\*/", "", program)
    for result, kind in re.findall(rf"= (\([^=]*?\)|\S+) ({'|'.join(shares)})(?:-start)?\(", program):
        sizes = [(BYTES.get(dtype, 4), shape) for dtype, shape in re.findall(r"(\w+)\[([\d,]*)\]", result)]
        volume = sum(width * _product(shape) for width, shape in sizes)
        number, sent = number + 1, sent + shares[kind] * volume * (count - 1) / count
    return number, sent


def _product(shape: str) -> int:
    total = 1
    for size in filter(None, shape.split(",")):
        total *= int(size)
    return total


def speed(repeats: int) -> dict[str, float]:
    """Steps a second on two devices, replicated, split, and without a mesh; medians of interleaved rounds."""
    import jax
    import numpy as np

    import jaxgen
    from jaxgen.training.chunk import Plan
    from jaxgen.training.placement import placement
    from jaxgen.training.step import init_state

    entry, plan, num = jaxgen.zoo.build("cfm", (2,), width=WIDTH, depth=3), Plan(100_000, 256, 0.999, 20), 20
    data = jaxgen.Batch(jax.numpy.asarray(np.random.default_rng(0).normal(size=(10_000, 2)), np.float32))

    def runner(mesh: Any, shard: str) -> Any:
        where = placement(None, mesh, shard, plan.batch_size)  # pyright: ignore[reportArgumentType]
        state = where.born(lambda key, batch: init_state(key, entry, batch, plan.num_steps), jax.random.key(0), data)
        chunk = where.chunk(entry, state, data, jax.random.key(1), plan)
        held = {"state": chunk.state, "done": 0}

        def steps_a_second() -> dict[str, float]:
            with timed() as seconds:
                held["state"], _ = chunk.run(held["state"], held["done"], held["done"] + num)
                jax.block_until_ready(held["state"])
            held["done"] += num
            return {"steps/s": num / seconds()}

        steps_a_second()
        return steps_a_second

    mesh = jax.make_mesh((2,), ("data",))
    runners = {"no mesh": runner(None, "replicated"), **{shard: runner(mesh, shard) for shard in SHARDS}}
    return {name: figures["steps/s"] for name, figures in interleaved(runners, repeats).items()}


if __name__ == "__main__":
    main()
