"""Distributions over sequences of codes, with their exact log probabilities and entropies: what discrete models are held against."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen.data.source import LogProb


class CodeSource(NamedTuple):
    """Hold a distribution over events of codes 0.0, 1.0, ...

    Attributes:
        sample: `(rng, n) -> (n, sites)` codes, a pure function of the generator's state.
        levels: How many codes a site has.
        log_prob: JAX function of ONE event `(sites,)`: its log probability in nats, -inf for numbers that are no codes.
        entropy: The entropy in nats, or None if it is not known.
    """

    sample: Callable[[np.random.Generator, int], np.ndarray]
    levels: int
    log_prob: LogProb
    entropy: float | None


def of_codes(num_sites: int, levels: int, log_prob: LogProb) -> LogProb:
    """Return `log_prob` of integer codes as a checked and jitted function of one event of numbers.

    Args:
        num_sites: The number of sites of an event.
        levels: How many codes a site has.
        log_prob: One event `(num_sites,)` of int32 codes to its log probability.

    Returns:
        A function of one floating point event, -inf if a number is no code. It raises ValueError for another shape.
    """

    @jax.jit
    def jitted(x: jax.Array) -> jax.Array:
        known = jnp.all((x >= 0) & (x < levels) & (x == jnp.floor(x)))
        value = log_prob(jnp.where(known, x, 0).astype(jnp.int32))
        return jnp.where(known, value.astype(x.dtype), -jnp.inf)

    def checked(x: jax.Array) -> jax.Array:
        x = jnp.asarray(x)
        if x.shape != (num_sites,):
            raise ValueError(f"log_prob: x of shape {x.shape}; accepted: one event of shape ({num_sites},); for a batch use jax.vmap.")
        return jitted(x)

    return checked


def markov_chain(num_sites: int = 32, levels: int = 8) -> CodeSource:
    """Build a stationary Markov chain with fixed random transitions; its entropy is exact.

    Args:
        num_sites: The length of the chain.
        levels: The number of states.

    >>> source = markov_chain(3, 2)
    >>> every = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)], np.float32)
    >>> bool(np.isclose(sum(np.exp(source.log_prob(x)) for x in every), 1.0))
    True
    """
    return chain_of(np.random.default_rng(0).dirichlet(np.full(levels, 0.3), levels), num_sites)


def chain_of(transition: np.ndarray, num_sites: int) -> CodeSource:
    """Build the stationary Markov chain of a transition matrix.

    Args:
        transition: The probabilities `(k, k)` of the next state, in rows.
        num_sites: The length of the chain.
    """
    levels, start = len(transition), stationary(transition)
    logs, first = _log(transition), _log(start)

    def sample(rng: np.random.Generator, n: int) -> np.ndarray:
        rows = [choice(rng, np.broadcast_to(start, (n, levels)))]
        for _ in range(num_sites - 1):
            rows.append(choice(rng, transition[rows[-1]]))
        return np.stack(rows, 1)

    def log_prob(x: jax.Array) -> jax.Array:
        return jnp.asarray(first)[x[0]] + jnp.sum(jnp.asarray(logs)[x[:-1], x[1:]])

    entropy = shannon(start) + (num_sites - 1) * float(start @ [shannon(row) for row in transition])
    return CodeSource(sample, levels, of_codes(num_sites, levels, log_prob), entropy)


def hidden_markov(num_sites: int = 32, levels: int = 8, num_hidden: int = 4) -> CodeSource:
    """Build a hidden Markov chain with fixed random transitions and emissions; its log probability is exact, by the forward algorithm.

    Args:
        num_sites: The length of the chain.
        levels: The number of codes that are seen.
        num_hidden: The number of states that are not seen.

    >>> source = hidden_markov(2, 2, 2)
    >>> bool(np.isclose(sum(np.exp(source.log_prob(np.array([i, j], np.float32))) for i in (0, 1) for j in (0, 1)), 1.0))
    True
    """
    rng = np.random.default_rng(1)
    transition, emission = rng.dirichlet(np.full(num_hidden, 0.2), num_hidden), rng.dirichlet(np.full(levels, 0.3), num_hidden)
    start = stationary(transition)

    def sample(rng: np.random.Generator, n: int) -> np.ndarray:
        hidden, rows = choice(rng, np.broadcast_to(start, (n, num_hidden))), []
        for _ in range(num_sites):
            rows.append(choice(rng, emission[hidden]))
            hidden = choice(rng, transition[hidden])
        return np.stack(rows, 1)

    def log_prob(x: jax.Array) -> jax.Array:
        moves, emits = jnp.asarray(_log(transition)), jnp.asarray(_log(emission))

        def step(belief: jax.Array, code: jax.Array) -> tuple[jax.Array, None]:
            seen = belief + emits[:, code]
            return jax.nn.logsumexp(seen[:, None] + moves, 0), None

        return jax.nn.logsumexp(jax.lax.scan(step, jnp.asarray(_log(start)), x)[0])

    return CodeSource(sample, levels, of_codes(num_sites, levels, log_prob), None)


def ising_chain(temperature: float = 1.0, num_sites: int = 32) -> CodeSource:
    """Build an open chain of Ising spins with coupling 1 and without a field, coded 0 and 1: a Markov chain with exact entropy.

    Args:
        temperature: The temperature in units of the coupling.
        num_sites: The number of spins.

    >>> bool(np.isclose(ising_chain(1e6, 3).entropy, 3 * np.log(2)))
    True
    """
    stays = 1 / (1 + np.exp(-2 / temperature))
    return chain_of(np.array([[stays, 1 - stays], [1 - stays, stays]]), num_sites)


def ising_square(temperature: float = 2.27, side: int = 4) -> CodeSource:
    """Build a periodic square of Ising spins with coupling 1 and without a field, coded 0 and 1; all 2^(side^2) states are enumerated.

    Args:
        temperature: The temperature in units of the coupling; the default is the critical one of a large square.
        side: The side of the square, at most 4.

    >>> source = ising_square(1e6, 2)
    >>> bool(np.isclose(source.entropy, 4 * np.log(2)))
    True
    """
    if not 2 <= side <= 4:
        raise ValueError(f"ising_square: side={side!r}; accepted: 2, 3 or 4, whose states can be enumerated.")
    num_sites = side * side
    every = (np.arange(2**num_sites)[:, None] >> np.arange(num_sites)) & 1
    spins = (2 * every - 1).reshape(-1, side, side)
    energy = -np.sum(spins * np.roll(spins, 1, 1) + spins * np.roll(spins, 1, 2), (1, 2))
    weights = np.exp(-(energy - energy.min()) / temperature)
    p = weights / weights.sum()
    table = np.log(p)

    def log_prob(x: jax.Array) -> jax.Array:
        return jnp.asarray(table)[jnp.sum(x << jnp.arange(num_sites, dtype=jnp.int32))]

    return CodeSource(lambda rng, n: every[rng.choice(len(p), n, p=p)], 2, of_codes(num_sites, 2, log_prob), shannon(p))


def stationary(transition: np.ndarray) -> np.ndarray:
    """Return the stationary distribution `(k,)` of a transition matrix `(k, k)` with rows that sum to one."""
    k = len(transition)
    equations = np.concatenate([transition.T - np.eye(k), np.ones((1, k))])
    solution = np.clip(np.linalg.lstsq(equations, np.append(np.zeros(k), 1.0))[0], 0, None)
    return solution / solution.sum()


def choice(rng: np.random.Generator, p: np.ndarray) -> np.ndarray:
    """Draw a code from each row of probabilities.

    Args:
        rng: A NumPy generator.
        p: Probabilities `(n, k)`.

    Returns:
        Codes `(n,)` int.
    """
    return np.minimum((rng.random((len(p), 1)) > np.cumsum(p, 1)).sum(1), p.shape[1] - 1)


def shannon(p: np.ndarray) -> float:
    """Return the entropy of probabilities in nats."""
    some = p[p > 0]
    return -float(np.sum(some * np.log(some)))


def _log(p: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(p, 1e-300))
