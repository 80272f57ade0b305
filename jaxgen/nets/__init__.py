"""Networks behind one `Net(init, apply)`: the only folder that imports flax, and only its `params` collection is used."""

from jaxgen.nets.causal_transformer import causal_transformer
from jaxgen.nets.columns import column_made
from jaxgen.nets.image_parameters import image_parameters
from jaxgen.nets.lipschitz import lipschitz_mlp
from jaxgen.nets.made import made
from jaxgen.nets.mlp import mlp, time_mlp, times_mlp
from jaxgen.nets.net import Net, from_linen
from jaxgen.nets.pixelcnn import pixelcnn

__all__ = [
    "Net",
    "causal_transformer",
    "column_made",
    "from_linen",
    "image_parameters",
    "lipschitz_mlp",
    "made",
    "mlp",
    "pixelcnn",
    "time_mlp",
    "times_mlp",
]
