"""The one condition under which a model can be handed to another library: its density is exact, as those libraries pass no key."""

from jaxgen.lifting import over_batch
from jaxgen.model import Model
from jaxgen.transform import Density


def require_exact(function: str, model: Model) -> None:
    """Refuse a model without an EXACT density and an inverse.

    Args:
        function: The name of the calling function, for the message.
        model: The model.

    Raises:
        ValueError: The density of the model is not EXACT, or its transform has no inverse.
    """
    has_inverse = over_batch(model.transform).inverse is not None
    if model.transform.kind is not Density.EXACT or not has_inverse:
        got = f"one of density {model.transform.kind} {'with' if has_inverse else 'without'} an inverse"
        raise ValueError(f"{function}: model={got}; accepted: a model with an exact density and an inverse.")
