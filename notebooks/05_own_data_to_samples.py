# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # From your own data to samples
#
# Three steps lead from a table to new rows: `jaxgen.data.load` reads the file and finds out what its columns are, `jaxgen.zoo.prepare` and
# `jaxgen.fit` train a model that suits them, and `in_units` with `sample` returns rows with the same columns, labels and whole numbers. The
# same model gives the log density of every row, which finds the odd ones, and, with conditions, answers "what if".
#
# `jaxgen train --data survey.csv --out run` does the same on the command line. This notebook takes a minute on two cores.
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/jaxgen/jaxgen/blob/gh-pages/notebooks/05_own_data_to_samples.ipynb)

# %%
import csv
import tempfile
from pathlib import Path

import jax
import matplotlib.pyplot as plt
import numpy as np

import jaxgen

key = jax.random.key(0)

# %% [markdown]
# ## A table
#
# A survey that somebody might bring: ages are whole numbers, incomes are positive and skewed, hours have a bound, and a job is a word. We
# make it up, so that we know what is in it: incomes grow with age, and nurses work fewer hours.

# %%
rng = np.random.default_rng(0)
num = 3_000
WORDS = ["baker", "nurse", "smith"]
job = rng.choice(WORDS, num, p=[0.5, 0.3, 0.2])
age = rng.integers(18, 66, num)
income = np.exp(6.5 + 0.02 * age + 0.3 * (job == "smith") + 0.25 * rng.standard_normal(num))
hours = 40 * rng.beta(np.where(job == "nurse", 4.0, 8.0), 2.0)

file = Path(tempfile.mkdtemp()) / "survey.csv"
with file.open("w", newline="", encoding="utf-8") as stream:
    writer = csv.writer(stream)
    writer.writerow(["age", "income", "hours", "job"])
    writer.writerows(zip(age, income.round(2), hours.round(3), job, strict=True))
print(file.read_text(encoding="utf-8")[:110])

# %% [markdown]
# ## Read it
#
# The type of each column is found from its cells. A part of the rows is held out for validation and another for the test.

# %%
data = jaxgen.data.load(file)
for column in data.schema.event:
    print(column.name, column.kind)
data.train.shape, data.valid.shape, data.test.shape

# %% [markdown]
# ## Train a model that suits it
#
# `prepare` brings each column to coordinates in which a network learns easily, and keeps the way back. A column that is never negative is
# told from one that only happens not to be, and the density of an income below zero is zero. `tabular` is an autoregression over the
# columns: every column given those before it.

# %%
ready = jaxgen.zoo.prepare("tabular", data, width=48)
for column, marginal in zip(data.schema.event, ready.layout.marginals, strict=False):
    print(column.name, "is", marginal)
fitted = jaxgen.fit(key, ready.entry, ready.data.train, num_steps=1_200, valid=ready.data.valid)
jaxgen.viz.training(fitted)

# %% [markdown]
# The ring marks the params that are returned: those with the best validation loss.
#
# ## New rows
#
# `in_units` chains the way back onto the model. From here on everything is in the units of the file.

# %%
entry, fitted = ready.in_units(fitted)
samples = jaxgen.sample(jax.random.key(1), entry.model, fitted.params, 3_000)
rows = jaxgen.data.to_frame(data.schema, samples, library="pandas")
rows.head()

# %% [markdown]
# Words are words again and ages are whole. Look at the pairs of numbers: grey is real, colour is the model.

# %%
numbers = [column.name for column in data.schema.event if column.name != "job"]
real = jaxgen.data.to_frame(data.schema, data.units.restore(data.train), library="pandas")
jaxgen.viz.corner({"data": real[numbers].to_numpy(float), "model": rows[numbers].to_numpy(float)}, numbers)

# %% [markdown]
# Numbers say it more exactly, each beside the same number of two halves of the real rows, because two samples never agree.

# %%
shares = {word: (round(float(np.mean(real.job == word)), 3), round(float(np.mean(rows.job == word)), 3)) for word in WORDS}
gap = {word: (round(float(real.hours[real.job == word].mean()), 1), round(float(rows.hours[rows.job == word].mean()), 1)) for word in WORDS}
assert all(abs(a - b) < 0.06 for a, b in shares.values())
print("share of each job, real and sampled:", shares)
print("mean hours of each job, real and sampled:", gap)

# %% [markdown]
# ## The density of a row
#
# `log_prob` returns nats, and says which kind of number they are. Rows that the model has not seen are as likely as those it has; otherwise
# it would have learnt them by heart.

# %%
lp = jaxgen.log_prob(entry.model, fitted.params, data.units.restore(data.test), key=jax.random.key(2))
seen = jaxgen.log_prob(entry.model, fitted.params, data.units.restore(data.train[:300]), key=jax.random.key(2))
assert abs(lp.value.mean() - seen.value.mean()) < 0.5
print(f"held out {lp.value.mean():.2f}, seen {seen.value.mean():.2f} nats; {lp.density}")

# %% [markdown]
# The least likely rows are the odd ones. Put three impossible people among the real ones, and see where they come out.

# %%
odd = np.array(data.units.restore(data.test[:3]))
columns = [column.name for column in data.schema.event]
odd[0, columns.index("income")] = 40_000.0
odd[1, columns.index("hours")] = 1.5
odd[2, columns.index("age")], odd[2, columns.index("income")] = 18, 9_000.0
strange = jaxgen.log_prob(entry.model, fitted.params, odd, key=jax.random.key(2)).value
figure, panel = plt.subplots(figsize=(5, 2.6), layout="constrained")
panel.hist(np.asarray(lp.value), 40, color="lightgrey", label="held-out rows")
for value in np.maximum(np.asarray(strange), -60):
    panel.axvline(value, color="C3")
panel.set(xlabel="log density in nats (cut at -60); red: the three strange rows")
panel.legend()
plt.close(figure)
assert max(strange) < np.quantile(lp.value, 0.05)
figure

# %% [markdown]
# ## What if?
#
# Name the columns that are given, and the model learns the others given these. Here are the hours of each job, asked of the model and of
# the file.

# %%
given = jaxgen.data.load(file, cond_columns=["job"], drop=["age", "income"])
ready = jaxgen.zoo.prepare("nsf_ar", given, width=32, depth=2)
fitted = jaxgen.fit(key, ready.entry, ready.data.train, num_steps=600, cond=ready.data.train_cond)
entry, fitted = ready.in_units(fitted)
figure, panel = plt.subplots(figsize=(5, 2.6), layout="constrained")
plt.close(figure)
for number, word in enumerate(given.schema.cond[0].labels):
    one_hot = np.eye(3, dtype=np.float32)[number]  # a category is given by its place among the labels
    drawn = jaxgen.sample(jax.random.key(3), entry.model, fitted.params, 2_000, cond=one_hot[None])
    panel.hist(np.asarray(drawn)[:, 0], 50, density=True, alpha=0.4, color=f"C{number}", label=f"{word}, model")
    panel.hist(hours[job == word], 50, density=True, histtype="step", color=f"C{number}")
    assert abs(np.mean(drawn) - hours[job == word].mean()) < 1.5
panel.set(xlabel="hours per week; lines: the file", xlim=(0, 45))
panel.legend()
figure

# %% [markdown]
# `jaxgen.save` writes a folder with a config and arrays, and `jaxgen evaluate` adds a page with the errors of each column and each pair,
# with how well a classifier tells samples from data, and with how close samples come to training rows.
# [`docs/how-to/data.md`](../docs/how-to/data.md) is the whole story.
