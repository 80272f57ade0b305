"""How many steps run as one program before the host can save or stop."""

SECONDS = 2.0
"""A chunk of steps takes about so long at most: an interrupt waits for it."""


def longest_chunk(done: int, most: int, num: int = 0, seconds: float = 0.0) -> int:
    """Return the most steps of the next chunk.

    It ends at a multiple of `most` at the latest, and is a single step as long as nobody knows how long one takes. What is trained does not
    depend on it.

    Args:
        done: The number of steps done.
        most: The most steps of any chunk.
        num: The number of steps of the last chunk, or 0 before the first.
        seconds: The seconds that these steps took.

    >>> longest_chunk(0, 100), longest_chunk(1, 100, 1, 0.001), longest_chunk(100, 100, 99, 198.0)
    (1, 99, 1)
    """
    fast_enough = 1 if num == 0 else int(SECONDS * num / max(seconds, 1e-9))
    return max(1, min(fast_enough, most - done % most))
