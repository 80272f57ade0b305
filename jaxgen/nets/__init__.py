"""Networks behind one `Net(init, apply)`: the only folder that imports flax, and only its `params` collection is used."""

from jaxgen.nets.classifier import classifier
from jaxgen.nets.columns import column_made
from jaxgen.nets.lipschitz import lipschitz_mlp
from jaxgen.nets.made import made
from jaxgen.nets.mlp import mlp, time_mlp, times_mlp
from jaxgen.nets.net import Net, from_linen

__all__ = [
    "Net",
    "classifier",
    "column_made",
    "from_linen",
    "lipschitz_mlp",
    "made",
    "mlp",
    "time_mlp",
    "times_mlp",
]
