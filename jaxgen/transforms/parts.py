"""The parts of a diffusion by name, for every transform that reads one network on a path."""

from jaxgen.paths import Prediction
from jaxgen.transform import Part, field_part


def prediction_parts(prediction: Prediction) -> dict[str, Part]:
    """Return the five readings of a prediction as parts: `eps`, `denoiser`, `velocity`, `score` and `v`, all of a state on the path."""
    return {name: field_part(function) for name, function in prediction.parts().items()}
