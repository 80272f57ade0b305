"""How long to train: by the number of rows, because a training passes over few rows many times."""

from jaxgen import checks

EPOCHS = 200
"""The most passes over the data that a default training makes."""
FEWEST = 200
"""The fewest steps of a default training, in which the learning rate rises and falls."""


def steps_for(num_steps: int, num_rows: int, batch_size: int = 256) -> int:
    """Return a sensible number of training steps for a table or a set of images.

    Args:
        num_steps: The number of steps that are sensible if rows are plenty, as `Entry.card.num_steps` says it.
        num_rows: The number of rows to train on.
        batch_size: The number of rows of a step.

    Returns:
        At most `num_steps`. If these would pass over the data more than 200 times, the steps of 200 passes, but at least 200 steps.

    >>> steps_for(3_000, 50_000), steps_for(3_000, 2_000), steps_for(3_000, 150, 150)
    (3000, 1563, 200)
    """
    checks.counts("steps_for", num_steps=num_steps, num_rows=num_rows, batch_size=batch_size)
    return min(num_steps, max(FEWEST, -(-EPOCHS * num_rows // batch_size)))
