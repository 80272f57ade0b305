"""The option `--processes`: one training shared by several processes, whose first one alone prints and writes."""

import os
import re
from collections.abc import Callable
from typing import Any, TypeVar

import jax
import numpy as np
from jax.experimental import multihost_utils

from jaxgen.meshes import to_host
from jaxgen.training import Fitted

ACCEPTED = "accepted: auto, or HOST:PORT,COUNT,INDEX, such as 10.0.0.1:1234,2,0 for the first of two"
T = TypeVar("T")


class Processes:
    """Take part in a training as one of several processes; the standard output of all but the first is closed.

    Args:
        text: The value of `--processes`: "auto", by which JAX finds the others (under Slurm, Open MPI, Kubernetes and on TPU), or the address of the
            first process, the number of processes and the index of this one. None is a process that is alone.

    Raises:
        ValueError: The text is neither, or JAX does not find the other processes.

    >>> Processes(None).first
    True
    >>> Processes("two")
    Traceback (most recent call last):
    ValueError: --processes two: accepted: auto, or HOST:PORT,COUNT,INDEX, such as 10.0.0.1:1234,2,0 for the first of two.
    """

    def __init__(self, text: str | None) -> None:
        self.several = text is not None
        if text is not None:
            _join(text)
        self.first = not self.several or jax.process_index() == 0
        if not self.first:
            # Below Python, as the library that connects the processes prints as well.
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)

    def mesh(self, mesh: str | None) -> str | None:
        """Return the text of `--mesh`, by default one axis of all devices of all processes."""
        return f"data={jax.device_count()}" if self.several and mesh is None else mesh

    def first_does(self, function: Callable[[], T], otherwise: T) -> T:
        """Call a function in the first process, for which the others wait.

        Args:
            function: What the first process does, such as making the folder of the run.
            otherwise: What the other processes return.

        Returns:
            The result of the function in the first process, `otherwise` in the others.

        Raises:
            ValueError: In the other processes, if the function has failed in the first one, where its own error is raised.
        """
        if not self.several:
            return function()
        result, error = otherwise, None
        if self.first:
            try:
                result = function()
            except (OSError, ValueError) as raised:
                error = raised
        failed = bool(multihost_utils.broadcast_one_to_all(np.asarray(error is not None)))
        if failed:
            raise error or ValueError("--processes: the first process has ended with an error, which it says; accepted: no such error.")
        return result

    def gathered(self, fitted: Fitted) -> Fitted:
        """Return a fit with its params on the host of every process, so that the first one can use them alone."""
        return to_host(fitted) if self.several else fitted


def _join(text: str) -> None:
    address = _address(text)
    # The training answers SIGTERM itself, and tells the others.
    jax.config.update("jax_enable_preemption_service", False)
    try:
        jax.distributed.initialize(**address)
    except (RuntimeError, ValueError) as error:
        raise ValueError(f"--processes {text}: JAX says: {str(error).splitlines()[0].rstrip('.')}; {ACCEPTED}.") from None


def _address(text: str) -> dict[str, Any]:
    if text == "auto":
        return {}
    found = re.fullmatch(r"(\S+:\d+),(\d+),(\d+)", text, re.ASCII)
    if found is None or not int(found[3]) < int(found[2]):
        raise ValueError(f"--processes {text}: {ACCEPTED}.")
    return {"coordinator_address": found[1], "num_processes": int(found[2]), "process_id": int(found[3])}
