"""Cases of the contract: linear maps and their kin, each with its parameters moved by a network of the condition; residual flows."""

from case import Case, mlp, on_normal

from jaxgen import transforms as T

CASES = {
    "low_rank": Case(lambda: on_normal(T.low_rank(2, net=mlp))),
    "lu": Case(lambda: on_normal(T.lu(net=mlp))),
    "orthogonal": Case(lambda: on_normal(T.orthogonal(net=mlp))),
    "planar": Case(lambda: on_normal(T.planar(net=mlp))),
    "radial": Case(lambda: on_normal(T.radial(net=mlp))),
    "sylvester": Case(lambda: on_normal(T.sylvester(2, net=mlp))),
}
