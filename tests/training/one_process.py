"""One of several processes of a training: `python one_process.py ADDRESS COUNT INDEX FOLDER` trains until another one is killed.

It prints its figures as JSON, and at the end the error that ended it.
"""

import json
import os
import sys
import time
from pathlib import Path

import jax
import numpy as np
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from jaxgen import data, init, sample, zoo
from jaxgen.cores import LEAST
from jaxgen.meshes import placed, to_host
from jaxgen.training import Saving, fit
from jaxgen.training.run_folder import write_run

NUM_STEPS, SLOW_FROM = 40, 10
HOW = {"steps_per_chunk": 4, "batch_size": 16, "progress": False, "eval_every": 8}


def entry_of(seconds):
    """A flow whose noise is prepared on the host, by row, and slowly from some step on, so that it can be killed in between."""
    entry, calls = zoo.build("realnvp", (2,), width=32, num_layers=1), []

    def prepare(key, batch):
        calls.append(key)
        time.sleep(seconds if len(calls) > SLOW_FROM else 0)
        return batch._replace(z=0.1 * np.arange(len(batch.x), dtype=np.float32)[:, None] * np.ones_like(batch.x))

    def loss(params, aux, key, batch, clock):
        return entry.objective.loss(params, aux, key, batch._replace(x=batch.x + batch.z), clock)

    return entry._replace(objective=entry.objective._replace(loss=loss, prepare=prepare))


def images():
    """A batch of eight, another, and a rest of three."""
    return np.random.default_rng(1).integers(0, 256, (19, 2, 2)).astype(np.uint8)


def rows():
    return np.random.default_rng(0).normal(size=(64, 2)).astype(np.float32)


def main(address, count, index, folder):
    # With several devices in a process, those that are still connected may wait for one that is not, until the heartbeat ends all.
    jax.config.update("jax_num_cpu_devices", 1)
    jax.distributed.initialize(address, count, index, heartbeat_timeout_seconds=20)
    mesh, entry, x = jax.make_mesh((count,), ("data",)), entry_of(0.2), rows()
    saving = Saving(lambda fitted: write_run(folder, entry, fitted), seconds=0)
    params, by_row = placed(init(2, entry.model), NamedSharding(mesh, P())), NamedSharding(mesh, P("data"))
    streamed = [to_host(batch.x).tolist() for batch in data.stream(images(), 8, num_epochs=1, num_threads=0, sharding=by_row)]
    drawn = to_host(sample(1, entry.model, params, 16)).tolist()
    # Of params that are on no mesh, each process samples by itself, whatever devices the others have.
    alone = np.asarray(sample(1, entry.model, init(2, entry.model), LEAST * 2))[:3].tolist() if index == 0 else []
    print(json.dumps({"samples": drawn, "alone": alone, "streamed": streamed}), flush=True)
    try:
        fit(0, entry, x, NUM_STEPS, mesh=mesh, shard="fsdp", saving=saving, valid=x, **HOW)
    except OSError as error:
        print(json.dumps({"error": f"{type(error).__name__}: {error}"}), flush=True)
    # Leaving as usual, JAX would wait for the process that is gone.
    os._exit(3)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
