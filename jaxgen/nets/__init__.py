"""Networks behind one `Net(init, apply)`: the only folder that imports flax. Of linen only the collection `params` is used."""

from jaxgen.nets.adapters import from_equinox, from_nnx
from jaxgen.nets.causal_row_transformer import causal_row_transformer
from jaxgen.nets.causal_transformer import causal_transformer
from jaxgen.nets.classifier import classifier
from jaxgen.nets.code_transformer import code_transformer
from jaxgen.nets.column_made import column_made
from jaxgen.nets.conv_autoencoder import conv_decoder, conv_encoder
from jaxgen.nets.coupling_cnn import coupling_cnn
from jaxgen.nets.critic import image_critic, image_generator
from jaxgen.nets.dit import dit, time_dit, times_dit
from jaxgen.nets.lipschitz import lipschitz_mlp
from jaxgen.nets.made import made
from jaxgen.nets.mlp import mlp, time_mlp, times_mlp
from jaxgen.nets.net import Net, from_linen, raveled
from jaxgen.nets.on_codes import on_codes, timeless
from jaxgen.nets.pixelcnn import pixelcnn
from jaxgen.nets.unet import time_unet, times_unet, unet

__all__ = [
    "Net",
    "causal_row_transformer",
    "causal_transformer",
    "classifier",
    "code_transformer",
    "column_made",
    "conv_decoder",
    "conv_encoder",
    "coupling_cnn",
    "dit",
    "from_equinox",
    "from_linen",
    "from_nnx",
    "image_critic",
    "image_generator",
    "lipschitz_mlp",
    "made",
    "mlp",
    "on_codes",
    "pixelcnn",
    "raveled",
    "time_dit",
    "time_mlp",
    "time_unet",
    "times_dit",
    "times_mlp",
    "timeless",
    "times_unet",
    "unet",
]
