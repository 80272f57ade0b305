"""What an accelerator makes of the library, in eight minutes: flows, continuous flows, diffusion sampling, images, autoregressive sampling.

The script measures first how fast the device multiplies matrices, in float32 and in bfloat16, and how fast it copies memory. Every other
figure then stands beside one of these peaks, as a fraction, or beside a peer on equal terms in the same run: flowjax and distrax at batches
of 65,536 events, diffrax, and plain JAX. Images are timed as training steps of the compiled chunk that `jaxgen.fit` runs, in bfloat16 and in
float32, with the FLOPs of their matrix products over those of the peak (MFU) and the memory of the device at its highest. An autoregressive
image transformer samples with a cache, beside the time that it takes to read its params and its cache once for each pixel.

Each part is a process of its own, so one that fails or runs out of memory leaves the others as they are; what does not fit into the eight
minutes is said to be missing. `--quick` takes tiny sizes and runs on a CPU in a minute or two, to see that it works.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from common import ROOT, Worker, installed, options, report, row
from peers.contender import Case
from peers.equal import EQUAL

HERE = Path(__file__).resolve().parent
SECONDS = 480
FLOWS = {"realnvp D64": ("distrax", "flowjax"), "rqs D64": ("flowjax", "bijx"), "maf D16": ("flowjax", "surjectors")}
DYNAMICS = {"cnf D2": ("diffrax_batched", ("log_prob", "gradient")), "edm D2": ("jax", ("sample",))}
PARTS = ("flows", "dynamics", "images", "sampling")


def main() -> None:
    args = options(__doc__, only=PARTS)
    if args.measure is not None:
        from tasks.on_device import MEASURES

        print(json.dumps(MEASURES[args.measure.pop("part")](**args.measure)))
        return
    run = Run(args.quick)
    peaks = run.alone({"part": "peaks", "quick": args.quick})
    if peaks is None:
        raise SystemExit("accelerator: the peaks could not be measured.")
    print(", ".join(f"{name} {value:.3g}" for name, value in peaks.items()), flush=True)
    for part in args.only or PARTS:
        {"flows": run.flows, "dynamics": run.dynamics, "images": run.images, "sampling": run.sampling}[part](peaks)
    report(run.rows, args.out)


class Run:
    """The rows so far, and how long there is still time."""

    def __init__(self, quick: bool) -> None:
        self.quick, self.rows, self.end = quick, [], time.monotonic() + SECONDS
        self.environment = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", "JAX_PLATFORMS": os.environ.get("JAX_PLATFORMS", "")}
        self.seconds = 0.05 if quick else 1.0

    def add(self, *figures: Any) -> None:
        self.rows.append(row(*figures, more_is_better=True))
        print("  " + " | ".join(f"{f:.4g}" if isinstance(f, float) else str(f) for f in self.rows[-1].values()), flush=True)

    def alone(self, what: dict[str, Any]) -> dict[str, float] | None:
        """The figures of one part in a process of its own; None if it fails or there is no time left."""
        if (left := self.end - time.monotonic()) < 1:
            print(f"  missing, out of time: {what}", flush=True)
            return None
        command = [sys.executable, __file__, "--measure", json.dumps(what)]
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        try:
            done = subprocess.run(
                command,
                env={**os.environ, **self.environment, "PYTHONPATH": path},
                stdout=subprocess.PIPE,
                text=True,
                timeout=left,
                check=True,
            )
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            print(f"  missing, {type(error).__name__}: {what}", flush=True)
            return None
        return json.loads(done.stdout.splitlines()[-1])

    def ask(self, script: str, case: str, side: str, metrics: tuple[str, ...]) -> dict[str, float]:
        """The figures of a contender of `flows.py` or `dynamics.py`, which has the device to itself."""
        if time.monotonic() > self.end:
            print(f"  missing, out of time: {case}, {side}", flush=True)
            return {}
        sizes = {"BENCHMARK_BATCH": "512" if self.quick else "65536", "BENCHMARK_TRAIN_BATCH": "64" if self.quick else "4096", EQUAL: "1"}
        worker = Worker(str(HERE / script), {"case": case, "side": side}, **self.environment, **sizes)
        try:
            return {metric: worker.ask({"metric": metric, "seconds": self.seconds}) for metric in metrics}
        except RuntimeError as error:
            print(f"  missing: {error}", flush=True)
            return {}
        finally:
            worker.close()

    def flows(self, peaks: dict[str, float]) -> None:
        from flows import CASES, METRICS

        for case, sides in {"realnvp D2": ("distrax",)}.items() if self.quick else FLOWS.items():
            ours = self.ask("flows.py", case, "ours", tuple(METRICS))
            for metric, value in ours.items():
                flops = of_one(CASES[case], metric, self.quick)
                self.add(case, f"{metric}, of the matmul peak", "FLOP/s", value * flops, "peak float32", peaks["matmul float32"])
            for side in sides:
                if label := installed(side):
                    for metric, theirs in self.ask("flows.py", case, side, tuple(METRICS)).items():
                        if ours and theirs:
                            self.add(case, metric, METRICS[metric], ours[metric], f"{label}, equal terms", theirs)

    def dynamics(self, peaks: dict[str, float]) -> None:
        for case, (side, metrics) in DYNAMICS.items():
            label = installed(side.split("_")[0])
            own = "ours_rms" if case.startswith("cnf") else "ours"
            ours, theirs = (self.ask("dynamics.py", case, s, metrics) for s in (own, side))
            for metric in ours.keys() & theirs.keys():
                unit = "steps/s" if metric == "gradient" else "events/s"
                self.add(f"{case}, {own}", metric, unit, ours[metric], f"{label}, equal terms", theirs[metric])

    def images(self, peaks: dict[str, float]) -> None:
        for name in ("edm", "vae") if self.quick else ("edm", "cfm", "vae", "image_transformer", "pixelcnn"):
            found = {
                dtype: self.alone({"part": "step", "name": name, "dtype": dtype, "quick": self.quick}) for dtype in ("bfloat16", "float32")
            }
            for dtype, figures in found.items():
                if figures:
                    peak = peaks[f"matmul {dtype}"]
                    self.add(f"{name}, {dtype}", "training, MFU", "FLOP/s", figures["flops"], f"peak {dtype}", peak)
                    if figures["memory"] > 0:
                        print(f"    peak memory {figures['memory'] / 2**30:.3g} GiB, {figures['images']:.4g} images/s", flush=True)
            half, full = found["bfloat16"], found["float32"]
            if half and full:
                self.add(name, "training", "images/s", half["images"], "ours, float32", full["images"])

    def sampling(self, peaks: dict[str, float]) -> None:
        if figures := self.alone({"part": "sampling", "quick": self.quick}):
            self.add("image_transformer", "sampling, bytes read", "B/s", figures["bytes"], "peak memory", peaks["memory"])
            print(f"    {figures['images']:.4g} images/s", flush=True)


def of_one(case: Case, metric: str, quick: bool) -> float:
    """FLOPs of one event, or of one training step."""
    return float(case.matmul_flops() * (3 * (64 if quick else 4096) if metric == "train" else 1))


if __name__ == "__main__":
    main()
