"""`Estimator`: any model of the zoo with the conventions of scikit-learn."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from sklearn.base import BaseEstimator, DensityMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from jaxgen import checks, model, zoo
from jaxgen.data import Schema, to_frame
from jaxgen.data.files import described
from jaxgen.data.frames import is_frame, read_frame
from jaxgen.estimator.auto import AUTO, Settings
from jaxgen.estimator.tables import fit_table
from jaxgen.training import PATIENCE, Fitted
from jaxgen.transform import Density

BLOCK = 256
"""Rows are scored in blocks of so many, so that one compiled program serves any number of rows and rounds each row alike."""


class Estimator(DensityMixin, BaseEstimator):
    """Fit a density to a table, score rows and draw new ones, as scikit-learn's density estimators do.

    Args:
        name: The name of an entry of `jaxgen.zoo`, or "auto", which fits a mixture of Gaussians and kernels weighted by cross-validation.
            From 300 rows on, "auto" adds a flow with the weight that held-out rows give it. A table with categories or gaps gets `tabular`.
        options: Options of the entry, such as `{"width": 32}`; None takes its defaults. With "auto" they are those of `nsf_ar`, or of
            `tabular`.
        num_steps: The number of training steps; None takes what is sensible for the number of rows.
        batch_size: The most rows of a training step.
        validation_fraction: The fraction of the rows that decides when to stop and which params are the best.
        patience: Stop after this many validation losses in a row without a better one; None never stops.
        num_draws: How many draws estimate a density that is not exact.
        supports: Whether bounds and heavy tails of columns are looked for.
        random_state: An integer, a `numpy.random.RandomState`, or None for another seed each time.

    Attributes:
        entry_: The entry, whose events are rows in the units of the table. `jaxgen.save(path, entry_, fitted_)` writes both.
        fitted_: What was fitted: params, history and how the training ended.
        schema_: What each column is, if the table was a DataFrame; None for an array, whose columns are real numbers.
        density_kind_: What the scores are: "exact", "unbiased", "lower bound", or "implicit" for a model without a density. Integers and
            dates of a DataFrame are dequantised, so that their scores are lower bounds of log probabilities.
        n_features_in_: The number of columns.
        feature_names_in_: The names of the columns, if the table was a DataFrame.

    >>> import jaxgen, numpy as np
    >>> rows = np.random.default_rng(0).normal([170.0, 65.0], [10.0, 8.0], (200, 2))
    >>> estimator = jaxgen.Estimator(random_state=0).fit(rows)
    >>> estimator.sample(3, random_state=0).shape, bool(abs(estimator.score(rows) + 7.2) < 0.2)
    ((3, 2), True)
    """

    def __init__(
        self,
        name: str = AUTO,
        *,
        options: dict[str, Any] | None = None,
        num_steps: int | None = None,
        batch_size: int = 256,
        validation_fraction: float = 0.15,
        patience: int | None = PATIENCE,
        num_draws: int = 100,
        supports: bool = True,
        random_state: Any = None,
    ) -> None:
        self.name, self.options, self.num_steps, self.batch_size = name, options, num_steps, batch_size
        self.validation_fraction, self.patience = validation_fraction, patience
        self.num_draws, self.supports, self.random_state = num_draws, supports, random_state

    def fit(self, X: Any, y: Any = None) -> "Estimator":
        """Fit the density to a table.

        Args:
            X: Rows `(n, d)`: an array of finite numbers, or a DataFrame of pandas, polars or pyarrow, whose columns may also be integers,
                categories and dates and may have gaps.
            y: Ignored; the pipelines of scikit-learn pass it.

        Returns:
            The estimator.

        Raises:
            ValueError: X has a value or a column that cannot be used, or fewer than two rows; or a parameter of the estimator cannot be used.
        """
        self._check_parameters()
        seed = _seed(self.random_state)
        self.schema_, rows = self._described(X)
        settings = Settings(
            self.name, dict(self.options or {}), self.num_steps, self.batch_size, self.validation_fraction, self.patience, seed,
            supports=self.supports,
        )  # fmt: skip
        self.entry_, self.fitted_ = fit_table(rows, settings, self.schema_)
        self.density_kind_ = str(self.entry_.model.transform.kind)
        return self

    def _described(self, X: Any) -> tuple[Schema | None, np.ndarray]:
        """Return what the columns are and the rows as numbers."""
        if not is_frame(X):
            return None, np.asarray(validate_data(self, X, dtype=np.float64, ensure_min_samples=2))
        validate_data(self, X, skip_check_array=True)
        if len(X) < 2:
            raise ValueError(f"Estimator: a DataFrame of {len(X)} rows; accepted: at least 2.")
        return described(read_frame(X))

    def _rows(self, X: Any) -> np.ndarray:
        """Return rows of a table like the one that was fitted, as float32."""
        if self.schema_ is None or not is_frame(X):
            return np.asarray(validate_data(self, X, dtype=np.float64, reset=False), np.float32)
        validate_data(self, X, skip_check_array=True, reset=False)
        return self.schema_.encode(read_frame(X)).astype(np.float32)

    def _check_parameters(self) -> None:
        """Refuse parameters that cannot be used; scikit-learn wants that done here and not at the construction."""
        checks.counts("Estimator", batch_size=self.batch_size, num_draws=self.num_draws)
        optional = {"num_steps": self.num_steps, "patience": self.patience}
        checks.counts("Estimator", **{name: value for name, value in optional.items() if value is not None})
        checks.number("Estimator: validation_fraction", self.validation_fraction, least=0, below=1)
        if not isinstance(self.options, dict | None):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ValueError(f"Estimator: options={self.options!r}; accepted: None, or a dict of options of the entry by name.")
        accepted = (AUTO, *zoo.NAMES)
        if self.name not in accepted:
            hint = checks.closest(self.name, accepted)
            raise ValueError(f"Estimator: name={self.name!r}; accepted: {', '.join(accepted)}.{hint}")

    def score_samples(self, X: Any) -> np.ndarray:
        """Return the log density of each row, in nats and the units of the table.

        Args:
            X: Rows `(n, d)`.

        Returns:
            Log densities `(n,)`.

        Raises:
            ImplicitDensityError: The model has no density.
        """
        check_is_fitted(self)
        rows = self._rows(X)
        num = len(rows)
        blocks = np.concatenate([rows, np.repeat(rows[-1:], -num % BLOCK, axis=0)]).reshape(-1, BLOCK, rows.shape[1])
        exact = self.entry_.model.transform.kind is Density.EXACT
        key = None if exact else jax.random.key(_seed(0 if self.random_state is None else self.random_state))
        draws = 1 if exact else self.num_draws
        logs = [model.log_prob(self.entry_.model, self.fitted_.params, block, key=key, num_draws=draws).value for block in blocks]
        return np.concatenate([np.asarray(each, np.float64) for each in logs])[:num]

    def score(self, X: Any, y: Any = None) -> float:
        """Return the mean log density of rows, by which cross-validation compares estimators.

        Args:
            X: Rows `(n, d)`.
            y: Not used.
        """
        return float(np.mean(self.score_samples(X)))

    def sample(self, n_samples: int = 1, random_state: Any = None) -> Any:
        """Draw rows from the density.

        Args:
            n_samples: The number of rows.
            random_state: The seed; None takes the estimator's.

        Returns:
            Rows `(n_samples, d)` in the units of the table: if the estimator was fitted to a DataFrame, one with the same columns and types,
            otherwise an array.
        """
        check_is_fitted(self)
        seed = _seed(self.random_state if random_state is None else random_state)
        rows = np.asarray(model.sample(jax.random.key(seed), self.entry_.model, self.fitted_.params, n_samples), np.float64)
        return rows if self.schema_ is None else to_frame(self.schema_, rows)

    def __getstate__(self) -> dict[str, Any]:
        """Return the state without functions: the entry as its config, and params as numpy arrays."""
        inherited: Any = super().__getstate__()
        state: dict[str, Any] = dict(inherited)
        if "entry_" in state:
            state["entry_"] = dict(state["entry_"].card.config)
            state["fitted_"] = jax.tree.map(np.asarray, tuple(state["fitted_"])[:4])
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        if "entry_" in state:
            params, *rest = state["fitted_"]
            fitted = Fitted((jax.tree.map(jnp.asarray, params[0]), ()), *rest)
            state["entry_"], state["fitted_"] = zoo.rebuilt(state["entry_"], fitted)
        super().__setstate__(state)


def _seed(random_state: Any) -> int:
    if isinstance(random_state, int):
        # JAX would silently cut a larger one to another seed.
        checks.number("Estimator: random_state", random_state, least=0, below=2**32)
        return random_state
    return int(check_random_state(random_state).randint(2**31 - 1))
