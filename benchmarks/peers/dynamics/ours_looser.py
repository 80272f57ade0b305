"""jaxgen at ten times the tolerance: its step is as safe as the worst event needs, so its errors are still no larger than the others'."""

from peers.dynamics import ours
from peers.dynamics.case import TOLERANCE, Case, Contender


def make(case: Case) -> Contender:
    return ours.make(case, 10 * TOLERANCE)
