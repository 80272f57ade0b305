"""diffrax as its CNF example uses it, one solve an event under vmap."""

from peers.dynamics import diffrax_batched
from peers.dynamics.case import Case, Contender


def make(case: Case) -> Contender:
    return diffrax_batched.make(case, vmapped=True)
