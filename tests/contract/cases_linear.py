"""Cases of the contract: linear maps and their kin, each with its parameters moved by a network of the condition; residual flows."""

from case import MANY, WIDTH, Case, D, mlp, ode, on_normal

from jaxgen import nets
from jaxgen import transforms as T


def residual(**options):
    """Width and depth at which the Jacobian of the contraction is far from zero."""
    return on_normal(T.residual(nets.lipschitz_mlp(D, width=WIDTH, depth=2, lipschitz=0.8), lipschitz=0.8, **options))


CASES = {
    "low_rank": Case(lambda: on_normal(T.low_rank(2, net=mlp))),
    "lu": Case(lambda: on_normal(T.lu(net=mlp))),
    "orthogonal": Case(lambda: on_normal(T.orthogonal(net=mlp))),
    "planar": Case(lambda: on_normal(T.planar(net=mlp))),
    "ode_flow-gaussian": Case(lambda: on_normal(ode(solver=MANY, trace="hutchinson_gaussian", num_probes=2)), tol=1e-4),
    "ode_flow-hutch++": Case(lambda: on_normal(ode(solver=MANY, trace="hutch++")), tol=1e-4),
    "radial": Case(lambda: on_normal(T.radial(net=mlp))),
    "residual": Case(residual, tol=1e-8),
    "residual-roulette": Case(lambda: residual(log_det="roulette"), tol=1e-8),
    "sylvester": Case(lambda: on_normal(T.sylvester(2, net=mlp))),
}
