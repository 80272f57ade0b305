"""`Estimator`: any model of the zoo with the conventions of scikit-learn."""

import importlib.util
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from sklearn.base import BaseEstimator, DensityMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from jaxgen import checks, model, questions, zoo
from jaxgen.data import Schema, to_frame
from jaxgen.data.files import described
from jaxgen.data.frames import fill_frame, is_frame
from jaxgen.estimator.auto import AUTO, Settings
from jaxgen.estimator.partly import fit_partly, has_gaps_or_labels, names_that_answer, table_of
from jaxgen.estimator.tables import fit_table
from jaxgen.training import PATIENCE, Fitted
from jaxgen.transform import Density
from jaxgen.zoo.known_cells import takes_gaps

BLOCK = 256
"""Rows are scored in blocks of so many, so that one compiled program serves any number of rows and rounds each row alike."""


class Estimator(DensityMixin, BaseEstimator):
    """Fit a density to a table, score rows and draw new ones, as scikit-learn's density estimators do.

    Args:
        name: The name of an entry of `jaxgen.zoo`, or "auto", which fits a mixture of Gaussians and kernels weighted by cross-validation.
            From 300 rows on, "auto" adds a flow with the weight that held-out rows give it.
        options: Options of the entry, such as `{"width": 32}`; None takes its defaults. With "auto" they are those of `nsf_ar`.
        num_steps: The number of training steps; None takes what is sensible for the number of rows.
        batch_size: The most rows of a training step.
        validation_fraction: The fraction of the rows that decides when to stop and which params are the best.
        patience: Stop after this many validation losses in a row without a better one; None never stops.
        num_draws: How many draws estimate a density that is not exact.
        supports: Whether bounds and heavy tails of columns are looked for.
        any_subset: Train on all subsets of the columns, so that `impute` fills any gaps. A table with missing values or with columns of labels
            or dates is fitted so in any case; "auto" is then the entry `tabular`.
        random_state: An integer, a `numpy.random.RandomState`, or None for another seed each time.

    Attributes:
        entry_: The entry, whose events are rows in the units of the table. `jaxgen.save(path, entry_, fitted_)` writes both.
        fitted_: What was fitted: params, history and how the training ended.
        density_kind_: What the scores are: "exact", "unbiased", "lower bound", or "implicit" for a model without a density. Integers of a
            DataFrame are dequantised, so that their scores are lower bounds of log probabilities; the columns of an array are real numbers.
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
        any_subset: bool = False,
        random_state: Any = None,
    ) -> None:
        self.name, self.options, self.num_steps, self.batch_size = name, options, num_steps, batch_size
        self.validation_fraction, self.patience = validation_fraction, patience
        self.num_draws, self.supports, self.any_subset, self.random_state = num_draws, supports, any_subset, random_state

    def fit(self, X: Any, y: Any = None) -> "Estimator":
        """Fit the density to a table.

        Args:
            X: Rows `(n, d)`, an array or a DataFrame. NaN is a missing value, which is trained on. A DataFrame may have labels and dates.
            y: Ignored; the pipelines of scikit-learn pass it.

        Returns:
            The estimator.

        Raises:
            ValueError: X has an infinite value, or fewer than two rows; or a parameter of the estimator cannot be used.
        """
        self._check_parameters()
        settings = Settings(
            self.name, dict(self.options or {}), self.num_steps, self.batch_size, self.validation_fraction, self.patience,
            _seed(self.random_state), supports=self.supports,
        )  # fmt: skip
        self._frame = type(X) if is_frame(X) else None
        self._typed = True
        if self.any_subset or has_gaps_or_labels(X):
            self.entry_, self.fitted_ = fit_partly(X, settings)
            names = table_of(X).names
            self.n_features_in_ = len(names)
            if is_frame(X):
                self.feature_names_in_ = np.asarray(names, object)
        elif is_frame(X) and importlib.util.find_spec("narwhals"):
            validate_data(self, X, skip_check_array=True)
            schema, rows = described(table_of(X))
            checks.number("Estimator: the number of rows", len(rows), least=2)
            self.entry_, self.fitted_ = fit_table(rows, settings, schema)
        else:
            self._typed = False
            self.entry_, self.fitted_ = fit_table(np.asarray(validate_data(self, X, dtype=np.float64, ensure_min_samples=2)), settings)
        self.density_kind_ = str(self.entry_.model.transform.kind)
        return self

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
            Log densities `(n,)`. Of a row with gaps it is the marginal density of what is there.

        Raises:
            ImplicitDensityError: The model has no density.
        """
        check_is_fitted(self)
        rows = np.asarray(self._rows(X), np.float32)
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
            Rows `(n_samples, d)` in the units of the table: a DataFrame if the estimator was fitted to one, otherwise an array.
        """
        check_is_fitted(self)
        seed = _seed(self.random_state if random_state is None else random_state)
        rows = np.asarray(model.sample(jax.random.key(seed), self.entry_.model, self.fitted_.params, n_samples), np.float64)
        if self._frame is None:
            return rows
        schema = self._schema()
        return self._frame(rows, columns=list(self.feature_names_in_)) if schema is None else to_frame(schema, rows)

    def impute(self, X: Any, draws: int = 1, random_state: Any = None) -> list[Any]:
        """Fill the missing values of a table by draws from their law given the other values of the row.

        Args:
            X: Rows `(n, d)` with NaN, or missing cells of a DataFrame, for what is missing.
            draws: How many times the table is filled: several draws show how uncertain what is missing is.
            random_state: The seed; None takes the estimator's.

        Returns:
            `draws` tables like `X`, with its names, dtypes and index; what was there is unchanged.

        Raises:
            ValueError: The model answers no such question; fit it with `any_subset=True`. Or a cell cannot be used.
        """
        check_is_fitted(self)
        if self.entry_.model.transform.hooks.questions is None:
            raise ValueError(
                f"Estimator.impute: {self.entry_.card.name} was not trained on gaps; accepted: an estimator with any_subset=True, or one that was "
                "fitted to a table with gaps."
            )
        rows, seed = self._rows(X, gaps=True), _seed(self.random_state if random_state is None else random_state)
        drawn = questions.impute(seed, self.entry_.model, self.fitted_.params, rows, draws, batch_size=4_096)
        return [self._like(X, rows, np.where(np.isnan(rows), np.asarray(each, np.float64), rows)) for each in drawn]

    def _schema(self) -> Schema | None:
        """Return what the columns are; None for an array without gaps, whose columns are real numbers."""
        return zoo.schema_of(self.entry_) if self._typed else None

    def _rows(self, X: Any, gaps: bool = False) -> np.ndarray:
        """Return rows of numbers in the units of the table, NaN where a value is missing if there may be gaps."""
        schema = self._schema()
        if schema is None:
            return np.asarray(validate_data(self, X, dtype=np.float64, reset=False, ensure_all_finite="allow-nan" if gaps else True))
        if is_frame(X):
            validate_data(self, X, skip_check_array=True, reset=False)
        return zoo.partial_rows(schema, table_of(X)) if gaps or takes_gaps(self.entry_) else schema.encode(table_of(X))

    def _like(self, X: Any, rows: np.ndarray, filled: np.ndarray) -> Any:
        if not is_frame(X):
            return filled
        schema, names = self._schema(), table_of(X).names
        cells = dict(zip(names, filled.T, strict=True)) if schema is None else schema.rows(filled)
        columns = names if schema is None else [column.name for column in schema.event]
        return fill_frame(X, {name: np.isnan(rows[:, j]) for j, name in enumerate(columns)}, cells)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = self.name in (AUTO, *names_that_answer())
        return tags

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
            config = state["entry_"]
            entry = zoo.build(config["name"], config["event_shape"], config["cond_shape"], **config["options"])
            params, *rest = state["fitted_"]
            fitted = Fitted(jax.tree.map(jnp.asarray, params[0]), *rest)
            state["entry_"], state["fitted_"] = zoo.restored(entry, fitted, config)
        super().__setstate__(state)


def _seed(random_state: Any) -> int:
    if isinstance(random_state, int):
        # JAX would silently cut a larger one to another seed.
        checks.number("Estimator: random_state", random_state, least=0, below=2**32)
        return random_state
    return int(check_random_state(random_state).randint(2**31 - 1))
