"""How many of twenty injected faults of a training are named at the right place: the row, the column, the params, the line or the reason.

Each fault makes a training diverge, and the text of the error is searched for what was injected. `--only` runs some of them.
"""

import re
import sys
import time
from collections.abc import Callable
from typing import Any

from common import options

Case = tuple[Any, Any, dict[str, Any], str]
"""An entry, its data, further arguments of `fit`, and what the error has to say."""
FAULTS: dict[str, Callable[[], Case]] = {}


def fault(make: Callable[[], Case]) -> Callable[[], Case]:
    FAULTS[make.__name__] = make
    return make


def main() -> None:
    args = options(__doc__, only=tuple(FAULTS))
    names = args.only or (list(FAULTS)[:2] if args.quick else list(FAULTS))
    named = [said(name) for name in names]
    print(f"{sum(named)} of {len(names)} faults are named")
    if args.out is not None:
        import json

        args.out.write_text(
            json.dumps([{"case": n, "metric": "named", "unit": "1", "ours": int(s)} for n, s in zip(names, named, strict=True)])
        )
    sys.exit(int(sum(named) < 0.9 * len(names)))


def said(name: str) -> bool:
    import jax

    import jaxgen

    entry, data, arguments, expected = FAULTS[name]()
    began = time.monotonic()
    try:
        jaxgen.fit(jax.random.key(0), entry, data, 60, **{"batch_size": 32, "progress": False, **arguments})
        text = "no error"
    except jaxgen.TrainingDiverged as error:
        text = str(error.diagnosis)
    right = re.search(expected, text) is not None
    print(f"{name}: {'named' if right else f'NOT NAMED (wanted {expected})'} in {time.monotonic() - began:.0f} s: {text}", flush=True)
    return right


def rows(num: int = 64, **changes: float) -> Any:
    """Gaussian rows `(num, 2)`, with the first number of some rows changed."""
    import numpy as np

    x = np.random.default_rng(0).standard_normal((num, 2)).astype(np.float32)
    for row, value in changes.items():
        x[int(row[1:]), 0] = value
    return x


def small(name: str, **changes: Any) -> Any:
    import jaxgen

    return jaxgen.zoo.build(name, (2,), **jaxgen.zoo.small(name))._replace(**changes)


def gaussian(loss: Any = None, optimizer: Any = None) -> Any:
    """A full Gaussian by maximum likelihood; `loss(params, batch)` is added to its loss."""
    import jaxgen
    from jaxgen.training import Entry, adam

    model = jaxgen.Model(jaxgen.bases.normal((2,)), jaxgen.transforms.triangular_affine())
    objective = jaxgen.objectives.maximum_likelihood(model)
    if loss is not None:
        given = objective.loss

        def added(params: Any, aux: Any, key: Any, batch: Any, clock: Any) -> Any:
            value, metrics = given(params, aux, key, batch, clock)
            return value + loss(params, batch), metrics

        objective = objective._replace(loss=added)
    return Entry(model, objective, optimizer or adam(1e-2))


def start(entry: Any, change: Callable[[str, Any], Any]) -> dict[str, Any]:
    """Params and auxiliaries to start from, each array changed by its path."""
    import jax

    import jaxgen

    state = jaxgen.training.init_state(jax.random.key(1), entry, jaxgen.Batch(jax.numpy.asarray(rows())), 60)
    pair = (state.params, state.aux)
    return {"start": jax.tree_util.tree_map_with_path(lambda p, a: change(jax.tree_util.keystr(p, simple=True, separator="/"), a), pair)}


@fault
def outlier_in_a_flow() -> Case:
    return small("realnvp"), rows(r17=1e30), {}, r"Row 17 .*Rows of the data: 17\."


@fault
def outlier_in_a_spline_flow() -> Case:
    return small("nsf"), rows(r40=3e38), {}, r"Row 40 .*Rows of the data: 40\."


@fault
def outlier_in_an_autoencoder() -> Case:
    return small("vae"), rows(r3=1e25), {}, r"Row 3 .*Rows of the data: 3\."


@fault
def outlier_in_flow_matching() -> Case:
    return small("cfm"), rows(r9=-1e30), {}, r"Row 9 .*Rows of the data: 9\."


@fault
def outlier_in_a_diffusion() -> Case:
    return small("ddpm"), rows(r5=1e28), {}, r"Row 5 .*Rows of the data: 5\."


@fault
def outlier_among_events_that_are_compared() -> Case:
    return small("energy"), rows(r21=1e25), {"batch_size": 256}, r"Row 21 "


@fault
def two_outliers() -> Case:
    return gaussian(), rows(r4=1e25, r30=2e30), {"batch_size": 512}, r"Row (4|30) .*Rows of the data: (4, 30|30, 4)\."


@fault
def outlier_in_a_condition() -> Case:
    import jaxgen

    entry = jaxgen.zoo.build("realnvp", (2,), (1,), **jaxgen.zoo.small("realnvp"))
    cond = rows()[:, :1].copy()
    cond[11] = 1e38
    return entry, rows(), {"cond": cond}, r"condition of row 11 .*Rows of the data: 11\."


@fault
def logarithm_of_zero() -> Case:
    import jax.numpy as jnp

    return gaussian(lambda params, batch: jnp.sum(jnp.log(0 * params["loc"]))), rows(), {}, r"logarithm is taken of 0.*faults.py:\d+"


@fault
def logarithm_of_one_row() -> Case:
    import jax.numpy as jnp

    return gaussian(lambda params, batch: jnp.mean(jnp.log(batch.x[:, 0] + 3))), rows(r8=-3.5), {}, r"logarithm is taken of -0.5.*data: 8\."


@fault
def inverse_of_softplus() -> Case:
    import jax.numpy as jnp

    large = lambda params, batch: jnp.sum(jnp.log(jnp.exp(params["loc"] + 100) - 1))
    return gaussian(large), rows(), {}, r"exponential of 10\d too large|exponential of 10\d is too large.*faults.py"


@fault
def slope_of_a_root_at_zero() -> Case:
    import jax.numpy as jnp

    return gaussian(lambda params, batch: jnp.sum(jnp.sqrt(0 * params["loc"]))), rows(), {}, r"(divided by zero|root is taken of 0).*loc"


@fault
def standardised_by_a_constant_column() -> Case:
    import jax.numpy as jnp

    x = rows()
    x[:, 1] = 2
    return gaussian(lambda params, batch: jnp.mean(batch.x / jnp.std(batch.x, 0))), x, {}, r"divided by zero.*faults.py"


@fault
def activation_normalisation_of_a_constant_column() -> Case:
    import jax.numpy as jnp

    def init(key: Any, params: Any, batch: Any) -> Any:
        return {**params, "loc": params["loc"] + (batch.x[0] - jnp.mean(batch.x, 0)) / jnp.std(batch.x, 0)}, ()

    x, entry = rows(), gaussian()
    x[:, 1] = 2
    return entry._replace(objective=entry.objective._replace(init=init)), x, {}, r"Column 1 .* constant.*Not finite before the step: .*loc"


@fault
def domain_of_the_inverse_cosine() -> Case:
    import jax.numpy as jnp

    return gaussian(lambda params, batch: jnp.sum(jnp.arccos(params["loc"] + 1.5))), rows(), {}, r"acos.*1.5|faults.py"


@fault
def matrix_without_a_root() -> Case:
    import jax.numpy as jnp

    return (
        gaussian(lambda params, batch: jnp.sum(jnp.linalg.cholesky(-jnp.eye(2) + 0 * params["tril"]))),
        rows(),
        {},
        r"not positive definite",
    )


@fault
def learning_rate() -> Case:
    import jax.numpy as jnp
    import optax

    steep = gaussian(lambda params, batch: 50 * jnp.sum(params["loc"] ** 2), lambda num_steps: optax.sgd(1.0))
    return steep, 3 + rows(), {}, r"learning rate is too high"


@fault
def params_that_start_as_nan() -> Case:
    import jax.numpy as jnp

    entry = small("realnvp")
    first: list[str] = []

    def spoil(path: str, a: Any) -> Any:
        first.append(path)
        return a * jnp.nan if path == first[0] else a

    return entry, rows(), start(entry, spoil), r"was not finite before the step.*Not finite before the step: params/"


@fault
def coupling_whose_scale_explodes() -> Case:
    entry = gaussian()
    return entry, rows(), start(entry, lambda path, a: a * 0 + 1e-30 if "tril" in path else a), r"overflow"


@fault
def stiff_flow() -> Case:
    entry = small("cnf")
    return (
        entry,
        rows(),
        start(entry, lambda path, a: 1e15 * (a + 1)),
        r"Numbers of up to .* overflow in \w+\. The first such number comes from \w+ at jaxgen/",
    )


if __name__ == "__main__":
    main()
