"""Networks behind one `Net(init, apply)`: the only folder that imports flax, and only its `params` collection is used."""

from jaxgen.nets.causal_rows import causal_rows
from jaxgen.nets.causal_transformer import causal_transformer
from jaxgen.nets.classifier import classifier
from jaxgen.nets.columns import column_made
from jaxgen.nets.convolution import conv_decoder, conv_encoder, raveled
from jaxgen.nets.critic import image_critic, image_generator
from jaxgen.nets.dit import dit, time_dit, times_dit
from jaxgen.nets.image_parameters import image_parameters
from jaxgen.nets.lipschitz import lipschitz_mlp
from jaxgen.nets.made import made
from jaxgen.nets.mlp import mlp, time_mlp, times_mlp
from jaxgen.nets.net import Net, from_linen
from jaxgen.nets.pixelcnn import pixelcnn
from jaxgen.nets.unet import time_unet, times_unet, unet

__all__ = [
    "Net",
    "causal_rows",
    "causal_transformer",
    "classifier",
    "column_made",
    "conv_decoder",
    "conv_encoder",
    "dit",
    "from_linen",
    "image_critic",
    "image_generator",
    "image_parameters",
    "lipschitz_mlp",
    "made",
    "mlp",
    "pixelcnn",
    "raveled",
    "time_dit",
    "time_mlp",
    "time_unet",
    "times_dit",
    "times_mlp",
    "times_unet",
    "unet",
]
