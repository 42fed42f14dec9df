"""The training loop, for one process or many.

One process    closegap train --config configs/roco-small.yaml --data.root ROCO --out runs/a
One node       accelerate launch --num_processes 8 -m closegap train --config configs/paper.yaml --out runs/b
Two nodes      torchrun --nnodes 2 --nproc_per_node 8 --rdzv_backend c10d --rdzv_endpoint HOST:29500 -m closegap \
                   train --config configs/paper.yaml --out runs/b
"""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import nn

from closegap.batch import Batch, move
from closegap.data import Case, Cases, load_cases
from closegap.data.loader import Draws, GlobalBatches, combinations, loader, take, views
from closegap.data.orders import Order, balanced, shuffled
from closegap.disk import writing
from closegap.embeddings.embedding_set import EmbeddingSet
from closegap.errors import ClosegapError, MissingExtraError, needs
from closegap.files import write_text
from closegap.infer.embed import embed
from closegap.infer.features import FeatureCache
from closegap.infer.prepared import Prepared, feature_set, prepare, verifiers
from closegap.runs import checkpoint
from closegap.runs.checkpoint import TrainingState
from closegap.runs.environment import environment
from closegap.runs.folder import CHECKPOINTS, chosen_checkpoint
from closegap.runs.log import MetricsLog, Nobody, Watcher
from closegap.runs.run import Run
from closegap.runs.training import Training
from closegap.sharding import clip_gradients, shard
from closegap.training import optim
from closegap.training.class_path import class_of
from closegap.training.finite import check_values, check_weights
from closegap.training.schedule import Rates
from closegap.training.task import Setting
from closegap.training.validation import selecting_figure

with needs("train"):
    from accelerate import Accelerator
    from accelerate.utils import broadcast_object_list

START = Path("embeddings/validation-start.safetensors")
_LOG_EVERY = 10


class Trainer:
    """Trains one run; everything random depends on (seed, step, process) alone.

    A run that was killed and goes on therefore takes the very steps that it would have taken.

    Args:
        run: what to train.
        folder: the run's folder; gets metrics.jsonl, environment.json, skipped.csv, checkpoints/.
        watcher: who is told how it goes.
        splits: further splits that must have cases, for what comes after training.

    Raises:
        ClosegapError: data, model and objective do not fit; nothing has been trained or written then.
    """

    def __init__(self, run: Run, folder: Path, watcher: Watcher, splits: Sequence[str] = ()) -> None:
        self.run, self.folder = run, folder
        run.objective.check(run.train)
        for key in ("optimizer", "schedule"):
            class_of(f"train.{key}", getattr(run.train, key))
        self.training, self.model = run.train, run.model
        for tracker, extra in (("tensorboard", "train"), ("wandb", "wandb")):
            if tracker in run.train.trackers and find_spec(tracker) is None:  # accelerate would train without it
                raise MissingExtraError(tracker, extra)
        # Autocast is ours: an accelerator's precision cannot be changed for the next run of one process.
        # Without cpu=True, processes that torchrun starts where there is no accelerator would not know of each other.
        self.accelerator = Accelerator(
            cpu=not torch.accelerator.is_available(), log_with=list(run.train.trackers) or None, project_dir=folder
        )
        self.watcher: Watcher = watcher if self.main else Nobody()
        self.state = TrainingState(0)
        self._prepare_data(splits)
        self.towers = checkpoint.frozen_towers(self.model)
        self.sharded = self.training.shard and self.accelerator.num_processes > 1
        if self.sharded:
            self._shard()
        self.optimizer: Any = optim.optimizer(self.task.peak_rates, self.training)
        # The curve of the rate is that of heads and loss; towers may have their own.
        rates = [group["lr"] for group in self.optimizer.param_groups]
        self._shown_group = rates.index(self.training.lr) if self.training.lr in rates else 0
        self.rates = Rates(self.optimizer, self.training, self.steps)

    def train(self) -> None:
        """Train to the end, from the newest checkpoint in the folder or from the start.

        Raises:
            NonFiniteError: a term, the gradient or a weight is NaN or infinite.
            ClosegapError: a checkpoint of another model.
            UsageError: `select` names no validation figure that has a better direction.
        """
        if self.main:
            checkpoint.sweep_remains(self.folder / CHECKPOINTS)
        saved = checkpoint.checkpoints(self.folder / CHECKPOINTS)
        if saved:
            checkpoint.load_model(saved[-1], self.model, self.towers)
            self.state = checkpoint.read_state(saved[-1])
            for name, module in self.task.beside.items():
                checkpoint.load_beside(saved[-1], name, module)
            if self.state.step < self.steps:
                checkpoint.load_optimizer(saved[-1], self.optimizer)
        self.parallel: Any = self.task.module
        if not self.sharded:
            self.parallel, self.optimizer = self.accelerator.prepare(self.parallel, self.optimizer)
        if self.main:
            self.cases.write_skipped(self.folder / "skipped.csv")
            write_text(self.folder / "environment.json", json.dumps(environment(self.run.seed), indent=1) + "\n")
            self.task.write_files(self.folder)
        self.log = MetricsLog(self.folder / "metrics.jsonl", self.state.step) if self.main else None
        if self.training.trackers:
            with writing(self.folder / "logs"):
                self.accelerator.init_trackers("logs")
        if self.state.step == 0:
            self._validate(0)
        self._steps()
        self.accelerator.wait_for_everyone()
        if self.main:
            checkpoint.prune(self.folder / CHECKPOINTS)
        for tracker in self.accelerator.trackers:  # `end_training` would part processes that are still needed
            with writing(self.folder / "logs"):
                tracker.finish()

    def validation_embeddings(self) -> tuple[EmbeddingSet, EmbeddingSet]:
        """The validation split before the first step and with the checkpoint that the run is judged by.

        Every process calls this: one may hold no more than its part of the model.
        """
        checkpoint.load_model(chosen_checkpoint(self.folder, self.training.keep), self.model, self.towers)
        after = embed(self.model, self.validation_split, self.accelerator.device)
        return EmbeddingSet.load(self.folder / START), after

    @property
    def main(self) -> bool:
        """Whether this is the process that writes."""
        return bool(self.accelerator.is_main_process)

    def _prepare_data(self, splits: Sequence[str]) -> None:
        device = self.accelerator.device
        cache = FeatureCache.of_run(self.training)
        cases = self.cases = self._load_cases(cache)
        for split in ("train", *splits):
            cases.split(split)
        self.model.fit({name: views(cases.split("train"), name).items for name in self.model.modalities})
        # One process computes the features; the others then find them on disk.
        with self.accelerator.main_process_first():
            self.train_split = self._prepare_split(cases.split("train"), cache)
            self.validation_split = self._prepare_split(cases.splits.get("validation", ()), cache)
        if self.model.fits_heads and not checkpoint.checkpoints(self.folder / CHECKPOINTS):
            self.model.fit_heads(feature_set(self.train_split, self.model, device))
        self.model.to(device)
        self.run.loss.to(device)
        splits_ready = (self.train_split, self.validation_split)
        self.task = self.run.objective.task(Setting(self.run, self.folder, *splits_ready, cache, device, self.watcher))
        processes, batch_size = self.accelerator.num_processes, self.training.batch_size
        self.order = _order(self.train_split, self.training, self.run.seed)
        whole = GlobalBatches(len(self.train_split.cases), batch_size, 0, self.order, world_size=processes)
        self.steps_per_epoch = whole.steps_per_epoch
        asked = self.training.steps
        self.steps = self.training.epochs * self.steps_per_epoch if asked is None else asked

    def _load_cases(self, cache: FeatureCache | None) -> Cases:
        """The run's cases. One process looks at the items, preparing them if it can; the others find what it wrote."""
        training = self.training
        preparing = verifiers(self.model, cache, self.accelerator.device, self.watcher.features, training.keep_images)
        with self.accelerator.main_process_first():
            try:
                return load_cases(self.run.data, self.run.checks, self.model.modalities, self.watcher.images, preparing)
            except ClosegapError as error:  # told by all processes, when none waits for another any more
                refusal = error
        raise refusal

    def _prepare_split(self, cases: Sequence[Case], cache: FeatureCache | None) -> Prepared:
        device, keep_images = self.accelerator.device, self.training.keep_images
        return prepare(cases, self.model, cache, device, self.watcher.features, keep_images)

    def _shard(self) -> None:
        """Keep a part of the model, and for each tower that steps run an item to run it on when a batch has none."""
        shard(self.task.module, methods=["encode"])
        for name, found in self.train_split.views.items():
            if found.features is None and found.items:
                item = take(found, [0], self.task.preparers[name])
                self.model.stand_ins[name] = move(item, self.accelerator.device)

    def _steps(self) -> None:
        split, accelerator, task = self.train_split, self.accelerator, self.task
        draws = Draws(task.views, split.groups, task.preparers, self.run.seed, task.alike)
        batches = GlobalBatches(
            len(split.cases),
            self.training.batch_size,
            self.steps,
            self.order,
            start=self.state.step,
            rank=accelerator.process_index,
            world_size=accelerator.num_processes,
        )
        validate_every = self.training.validate_every or self.steps_per_epoch
        checkpoint_every = self.training.checkpoint_every or self.steps_per_epoch
        self.parallel.train()
        self.run.loss.train()
        if self.steps == 0 and not checkpoint.checkpoints(self.folder / CHECKPOINTS):
            self._save()  # what the model starts as
        began = time.perf_counter()
        for batch in loader(draws, batches, self.training.workers, accelerator.device.type == "cuda"):
            values = self._step(batch.to(accelerator.device))
            done = self.state.step + 1
            self.state = replace(self.state, step=done)
            last = done == self.steps
            self.watcher.step(done, self.steps, values)
            if done % _LOG_EVERY == 0 or last:
                rate = self.training.batch_size * (done - batches.start) / (time.perf_counter() - began)
                self._record({**values, "epoch": done / self.steps_per_epoch, "cases_per_s": rate})
            validated, saved = (done % every == 0 or last for every in (validate_every, checkpoint_every))
            if validated or saved:
                check_weights(done, (self.model, *self.task.beside.values()))
            if validated:
                self._validate(done)
            if saved or self.state.best_step == done:
                self._save()

    def _save(self) -> None:
        if self.log is not None:
            self.log.sync()
        folder, beside = self.folder / CHECKPOINTS, self.task.beside
        checkpoint.save_checkpoint(folder, self.model, beside, self.optimizer, self.state, self.towers)

    def _step(self, batch: Batch) -> dict[str, float]:
        """One optimisation step; loss terms and what else is worth a curve."""
        step = self.state.step
        torch.manual_seed(_step_seed(self.run.seed, step, self.accelerator.process_index))
        self.rates.set(step)
        self.optimizer.zero_grad(set_to_none=True)
        # Autocast would hold on to its copies of weights that sharding has given up.
        bf16, cached = self.training.precision == "bf16", not self.sharded
        with torch.autocast(self.accelerator.device.type, torch.bfloat16, bf16, cache_enabled=cached):
            terms, watched = self.task.step(self.parallel, batch, step / self.steps)
        stacked = torch.stack(list(terms.values()))
        if stacked.requires_grad:  # a step in micro-batches has its gradients already
            self.accelerator.backward(stacked.sum())
        norm = clip_gradients(self._trained(), self.training.clip_norm)
        # One transfer for all, so that the device waits once a step.
        *found, length = torch.stack(
            [*stacked.detach(), *(value.detach() for value in watched.values()), norm]
        ).tolist()
        values, extra = dict(zip(terms, found, strict=False)), dict(zip(watched, found[len(terms) :], strict=True))
        check_values(step, values, "loss term")
        check_values(step, {"norm": length}, "gradient")
        self.optimizer.step()
        extra |= {"lr": self.optimizer.param_groups[self._shown_group]["lr"], "gradient_norm": length}
        return {"loss": sum(values.values()), **values, **extra}

    def _trained(self) -> list[nn.Parameter]:
        return [parameter for group in self.optimizer.param_groups for parameter in group["params"]]

    def _validate(self, step: int) -> None:
        if not self.validation_split.cases:
            return
        measured, embeddings = self.task.validate(self.accelerator.device)
        if step == 0 and self.main and embeddings is not None:
            embeddings.save(self.folder / START)
        selecting = selecting_figure(self.training.select, measured) if measured else None
        self._record({f"validation/{figure.full_name}": value for figure, value in measured.items()})
        self.watcher.validation(step, measured)
        if step and selecting is not None:
            # Of the first process on all: what is best gets a checkpoint, which processes write together.
            [value] = broadcast_object_list([measured[selecting]])
            if self.state.improved_by(value, selecting):
                self.state = replace(self.state, best_step=step, best_value=value)

    def _record(self, values: Mapping[str, Any]) -> None:
        if self.log is not None:
            self.log.write(self.state.step, values)
            with writing(self.folder / "logs"):
                self.accelerator.log(dict(values), step=self.state.step)


def _order(split: Prepared, training: Training, seed: int) -> Order:
    if training.balance:
        return balanced(combinations(split.views), training.balance, seed)
    return shuffled(len(split.cases), seed, training.shuffle_window)


def _step_seed(seed: int, step: int, process: int) -> int:
    """Seed of one step's dropout on one process."""
    return (seed * 1_000_003 + step) * 4096 + process
