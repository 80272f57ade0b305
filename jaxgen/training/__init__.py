"""Training: one loop for every family, a pure step for people who write their own, checkpoints of arrays."""

from jaxgen.training.checkpoint import load_arrays, save_arrays
from jaxgen.training.entry import Card, Entry, Style
from jaxgen.training.fit import compile_fit, fit
from jaxgen.training.fitted import Fitted, TrainingDiverged
from jaxgen.training.history import PATIENCE
from jaxgen.training.length import steps_for
from jaxgen.training.optimizers import adam, in_turn, players
from jaxgen.training.saving import Saving
from jaxgen.training.seeds import fit_seeds, one_seed
from jaxgen.training.sharded_chunk import ProcessLostError
from jaxgen.training.sharding import Shard, StateSharding, state_sharding
from jaxgen.training.step import State, batch_at, init_state, make_step
from jaxgen.training.verdict import Verdict, verdict
from jaxgen.training.watchers import Watch, tensorboard, wandb

__all__ = [
    "PATIENCE",
    "Card",
    "Entry",
    "Fitted",
    "ProcessLostError",
    "Saving",
    "Shard",
    "State",
    "StateSharding",
    "Style",
    "TrainingDiverged",
    "Verdict",
    "Watch",
    "adam",
    "batch_at",
    "compile_fit",
    "fit",
    "fit_seeds",
    "in_turn",
    "init_state",
    "load_arrays",
    "make_step",
    "one_seed",
    "players",
    "save_arrays",
    "state_sharding",
    "steps_for",
    "tensorboard",
    "verdict",
    "wandb",
]
