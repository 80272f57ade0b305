"""jaxgen at ten times the tolerance, every event's error under it."""

from peers.dynamics import ours
from peers.dynamics.case import TOLERANCE, Case, Contender


def make(case: Case) -> Contender:
    return ours.make(case, 10 * TOLERANCE)
