"""Unstable training, read from the history of a fit: losses that swing or climb, and a critic that is too strong."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from jaxgen import checks
from jaxgen.evaluation.detectors.finding import Finding

BLOCKS = 20
FIRST = 5
"""The steps that tell where a loss begins."""
SWING = 2.0
"""The swing of block means, in standard deviations of single steps, above which a loss counts as oscillating."""
CLIMB = 0.5
"""The share of what a loss had gained that it may lose again before it counts as diverging."""
EXPLODED = 3.0
"""By how many times all that training gained a loss may exceed its beginning, before it counts as exploding."""
TOO_STRONG = 0.9
"""The critic's accuracy above which it counts as too strong."""


def oscillating_loss(loss: ArrayLike) -> Finding:
    """Look for a loss that swings: the means of its blocks move by more than its steps do.

    The second half of training is cut into twenty blocks. The differences of neighbouring block means, in which a slow decline cancels, are
    compared with the robust spread of single steps within blocks.

    Args:
        loss: The loss of each step `(n,)`.

    Returns:
        The finding; its effect is the ratio, which is below 1 for a loss that is noise around a smooth curve.

    Raises:
        ValueError: There are fewer than 80 steps.

    >>> noise = np.random.default_rng(0).normal(size=2_000)
    >>> oscillating_loss(noise).alarm, oscillating_loss(noise + 9 * np.sin(np.arange(2_000) / 50)).alarm
    (False, True)
    """
    half = _steps("oscillating_loss", loss)
    half = half[len(half) // 2 :]
    blocks = half[: len(half) // BLOCKS * BLOCKS].reshape(BLOCKS, -1)
    if not np.isfinite(blocks).all():
        return Finding("oscillating loss", True, None, float("inf"), "a loss is not finite")
    moves = float(np.sqrt(np.mean(np.diff(blocks.mean(1)) ** 2) / 2))
    spread = float(np.median(np.std(np.diff(blocks, axis=1), axis=1)) / np.sqrt(2))
    ratio = float(moves / spread) if spread > 0 else 0.0
    return Finding(
        "oscillating loss", bool(ratio >= SWING), None, ratio, f"block means of the loss swing by {ratio:.2f} of its steps' spread"
    )


def diverging_loss(loss: ArrayLike) -> Finding:
    """Look for a loss that climbs again: the end gives back what was gained.

    Args:
        loss: The loss of each step `(n,)`.

    Returns:
        The finding; its effect is the share of the gain, from the first block to the best one, that is lost by the last block. A loss that
        climbs from the start has an infinite one.

    Raises:
        ValueError: There are fewer than 80 steps.

    >>> falling = np.linspace(2.0, 1.0, 400)
    >>> diverging_loss(falling).alarm, diverging_loss(np.concatenate([falling, falling[::-1]])).alarm
    (False, True)
    """
    steps = _steps("diverging_loss", loss)
    blocks = steps[: len(steps) // BLOCKS * BLOCKS].reshape(BLOCKS, -1)
    if not np.isfinite(blocks).all():
        return Finding("diverging loss", True, None, float("inf"), "a loss is not finite")
    means = np.median(blocks, 1)
    noise = float(np.std(np.diff(blocks[-5:], axis=1)) / np.sqrt(2))
    gain, back = float(means[0] - means.min()), float(means[-1] - means.min())
    share = back / gain if gain > 0 else (float("inf") if back > 0 else 0.0)
    return Finding(
        "diverging loss", bool(share >= CLIMB and back > noise), None, share, f"the loss has lost {share:.0%} of what it had gained"
    )


def exploding_loss(loss: ArrayLike) -> Finding:
    """Look for a loss that has jumped far above its beginning, which a learning rate that is too large makes it do.

    A training that explodes early often ends on a plateau that looks calm: the params went where the gradients vanish. The peak tells.

    Args:
        loss: The loss of each step `(n,)`.

    Returns:
        The finding; its effect is the height of the peak above the beginning, in units of what training has gained by its end, or of the spread
        of its first steps if that is more. A peak is what two of three neighbouring steps reach, so that a single odd batch is none.

    Raises:
        ValueError: There are fewer than 80 steps.

    >>> falling = np.linspace(2.0, 1.0, 400)
    >>> exploding_loss(falling).alarm, exploding_loss(np.where(np.arange(400) // 10 == 2, 50.0, falling)).alarm
    (False, True)
    """
    steps = _steps("exploding_loss", loss)
    if not np.isfinite(steps).all():
        return Finding("exploding loss", True, None, float("inf"), "a loss is not finite")
    first, last = steps[:FIRST], steps[-len(steps) // BLOCKS :]
    start, spread = float(np.median(first)), float(np.median(np.abs(np.diff(first))))
    peak = float(np.median(np.lib.stride_tricks.sliding_window_view(steps, 3), 1).max())
    unit = max(start - float(np.median(last)), 3 * spread)
    effect = (peak - start) / unit if unit > 0 else (float("inf") if peak > start else 0.0)
    text = f"the loss has climbed above its beginning by {effect:.2g} times what training gained"
    return Finding("exploding loss", effect >= EXPLODED, None, effect, text)


def strong_critic(accuracy: ArrayLike) -> Finding:
    """Look for a critic that tells real from generated events with ease, so that its slope teaches the generator little.

    Args:
        accuracy: For each step the share of pairs of a real and a generated event in which the critic scores the real one higher, `(n,)`: the
            metric `accuracy` of `objectives.adversarial`.

    Returns:
        The finding; its effect is the mean accuracy over the second half of training. One half is a critic that cannot tell.

    Raises:
        ValueError: There are fewer than 80 steps.

    >>> strong_critic(np.full(100, 0.55)).alarm, strong_critic(np.full(100, 0.99)).alarm
    (False, True)
    """
    steps = _steps("strong_critic", accuracy)
    mean = float(steps[len(steps) // 2 :].mean())
    return Finding("critic too strong", mean >= TOO_STRONG, None, mean, f"the critic tells real from generated in {mean:.0%} of pairs")


def unstable_training(history: Mapping[str, Any]) -> list[Finding]:
    """Run the detectors of training on the history of a fit.

    Args:
        history: `Fitted.history`: arrays of metrics by name.

    Returns:
        One finding for each detector that applies; none for a fit of fewer than 80 steps.
    """
    if not isinstance(history, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ValueError(f"unstable_training: history={checks.short(history)}; accepted: the history of what jaxgen.fit returned.")
    loss = np.atleast_1d(checks.numbers("unstable_training: history['loss']", history.get("loss", ())))
    if len(loss) < 4 * BLOCKS:
        return []
    game = "critic" in history
    # The sum of two players' losses is no measure of progress.
    found = [oscillating_loss(history["generator"] if game else loss)]
    found += [] if game else [diverging_loss(loss), exploding_loss(loss)]
    return found + ([strong_critic(history["accuracy"])] if "accuracy" in history else [])


def _steps(function: str, values: ArrayLike) -> np.ndarray:
    steps = checks.numbers(function, values)
    if steps.ndim != 1 or len(steps) < 4 * BLOCKS:
        raise ValueError(f"{function}: an array of shape {steps.shape}; accepted: (n,) with n >= {4 * BLOCKS}.")
    return steps
