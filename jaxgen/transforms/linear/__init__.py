"""Linear maps of the whole event and their nearest nonlinear relatives, with determinants in closed form."""

from jaxgen.transforms.linear.low_rank import low_rank
from jaxgen.transforms.linear.lu import lu
from jaxgen.transforms.linear.orthogonal import orthogonal
from jaxgen.transforms.linear.planar import planar
from jaxgen.transforms.linear.radial import radial
from jaxgen.transforms.linear.sylvester import sylvester

__all__ = ["low_rank", "lu", "orthogonal", "planar", "radial", "sylvester"]
