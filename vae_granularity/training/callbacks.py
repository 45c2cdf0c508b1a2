"""Lightning callbacks of a run: terms, progress, evaluation, checkpoints, compiled steps."""

import logging
import os
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.utilities.exceptions import SIGTERMException
from rich import progress
from torch import Tensor
from torch.nn.functional import pad

from vae_granularity.distributed import mean_over_processes
from vae_granularity.errors import ArgumentError, TrainingError, choice, integer
from vae_granularity.evaluation.evaluate import report
from vae_granularity.evaluation.protocol import EvaluationProtocol
from vae_granularity.evaluation.scores import Metrics
from vae_granularity.files import private_cache
from vae_granularity.models.base import Forward, HyperparameterValues, LatentModel
from vae_granularity.models.gaussian_vae import GaussianVAE, term_means

DECOMPOSITION = ("mutual_information", "between_group_tc", "within_group_tc", "dimension_kl")
# Typical sigma of a dimension, a point beside the prior's 1; see experiments/stability.
POINT = 0.01
COLLAPSING = (
    "step {step}: posteriors are collapsing to points (typical sigma of the sharpest dimension: "
    "{sigma:.4f}): total correlations saturate and the ELBO falls. A smaller beta or granularity, "
    "or a within_group_weight nearer to 0, avoids it"
)

log = logging.getLogger(__name__)


class TermLogger(Callback):
    """Log the means of terms over `every` steps under `train/` and `train/<estimator>/`.

    They stay on the device in between: no step waits for the host. Where the loss does not need
    the decomposition, it is estimated from the last batch of the interval.

    Raises:
        ArgumentError: every < 1.
        TrainingError: a term, or a parameter about to be saved, is not finite; names the first step
            and the terms.
    """

    def __init__(self, every: int = 50) -> None:
        self.every = integer("callbacks.terms.every", every, 1)
        self.latest: dict[str, float] = {}
        self._rows: list[Tensor] = []
        self._names: list[str] = []
        self._warned = False

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        # Kept on the device: reading a number would make the host wait for the step.
        self._names = list(outputs["terms"])
        self._rows.append(torch.stack(tuple(outputs["terms"].values())))
        step = batch_idx + 1
        if step % self.every == 0 or step == trainer.max_steps:
            rows = self.check(step)
            self._rows = []
            means = dict(zip(self._names, rows.mean(0).tolist(), strict=True))
            estimator = ""
            if isinstance(pl_module, GaussianVAE):
                estimator = f"{pl_module.estimator}/"
                if not pl_module.decomposes:
                    with torch.no_grad():
                        terms = pl_module.minibatch_terms(outputs["forward"], pl_module.membership)
                        means |= {name: value.item() for name, value in term_means(terms).items()}
            # Each process has seen its own batches.
            if trainer.world_size > 1:
                values = torch.tensor(list(means.values()), device=pl_module.device)
                means = dict(zip(means, mean_over_processes(values).tolist(), strict=True))
            self.latest = {
                f"train/{estimator if name in DECOMPOSITION else ''}{name}": value
                for name, value in means.items()
            }
            sigma = means.get("sharpest_dimension_sigma", POINT)
            if sigma < POINT and not self._warned:
                self._warned = True
                log.warning(COLLAPSING.format(step=step, sigma=sigma))
            for logger in trainer.loggers:
                logger.log_metrics(self.latest, step=step)

    def keep(self, names: Sequence[str], rows: Tensor) -> None:
        """Add the terms (steps, terms) of steps that a population took without the hooks."""
        self._names = list(names)
        self._rows += rows.unbind()

    def check(self, step: int) -> Tensor:
        """Return the rows (steps, terms) since the last entry, up to `step`, on the CPU.

        Raises:
            TrainingError: one is not finite.
        """
        empty = torch.zeros(0, len(self._names))
        rows = torch.stack(self._rows).double().cpu() if self._rows else empty
        bad = ~rows.isfinite()
        if bad.any():
            first = int(bad.any(1).nonzero()[0])
            values = zip(self._names, rows[first].tolist(), bad[first].tolist(), strict=True)
            terms = ", ".join(f"{name}={value}" for name, value, is_bad in values if is_bad)
            raise TrainingError(
                f"training stopped: not finite at step {step - len(rows) + first + 1}: {terms}. "
                "The last good checkpoint is kept. A lower learning rate, a smaller beta or a "
                "weaker within_group_weight may help"
            )
        return rows

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        # What is saved must be fit to continue from: terms and parameters are finite.
        step = trainer.global_step
        self.check(step)
        broken = [name for name, p in pl_module.named_parameters() if not bool(p.isfinite().all())]
        if broken:
            more = f" and {len(broken) - 1} more" if len(broken) > 1 else ""
            raise TrainingError(
                f"training stopped: parameters not finite at step {step}: {broken[0]}{more}"
            )

    # The steps since the last entry: a continued run logs the same means.
    def state_dict(self) -> dict[str, Any]:
        return {"rows": [row.cpu() for row in self._rows], "names": self._names}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._rows = list(state_dict["rows"])
        self._names = list(state_dict["names"])


def term_logger(trainer: Trainer) -> TermLogger | None:
    """Return the trainer's TermLogger, or None."""
    run: Any = trainer  # its `callbacks` are no part of the declared type
    return next((c for c in run.callbacks if isinstance(c, TermLogger)), None)


class ProgressBar(Callback):
    """Show the step, the time left and the latest training ELBO.

    Args:
        lines: number of lines in a run whose output is no terminal.
    """

    def __init__(self, lines: int = 10) -> None:
        self.lines = lines
        self._bar: progress.Progress | None = None
        self._start = (0, 0.0)
        self._moved: list[tuple[logging.StreamHandler, Any]] = []

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._start = (trainer.global_step, time.monotonic())
        if sys.stdout.isatty() and trainer.is_global_zero:
            count = (progress.BarColumn(), progress.MofNCompleteColumn(), "steps")
            clock = (progress.TimeElapsedColumn(), "left", progress.TimeRemainingColumn())
            text = progress.TextColumn("{task.description}")
            self._bar = progress.Progress(*count, *clock, text, refresh_per_second=4)
            self._task = self._bar.add_task(
                "", total=trainer.max_steps, completed=trainer.global_step
            )
            before = sys.stdout, sys.stderr
            self._bar.start()
            # What is logged goes above the bar: handlers hold the streams that it has replaced.
            self._moved = list(_redirected(before, (sys.stdout, sys.stderr)))

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        step = batch_idx + 1
        steps = trainer.max_steps
        if self._bar is not None:
            self._bar.update(self._task, completed=step, description=_latest_elbo(trainer))
        elif trainer.is_global_zero and step % max(1, steps // self.lines) == 0:
            first, begun = self._start
            seconds_per_step = (time.monotonic() - begun) / max(1, step - first)
            remaining = timedelta(seconds=int(seconds_per_step * (steps - step)))
            print(f"step {step}/{steps}, {remaining} left  {_latest_elbo(trainer)}", flush=True)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
            for handler, stream in self._moved:
                handler.setStream(stream)


def _redirected(
    before: tuple[Any, Any], after: tuple[Any, Any]
) -> Iterator[tuple[logging.StreamHandler, Any]]:
    """Move log handlers from the streams `before` to `after`; yield each with its former stream."""
    names = ("", "lightning", "lightning.pytorch", "lightning.fabric")
    handlers: set[logging.Handler] = set()
    for name in names:
        handlers.update(logging.getLogger(name).handlers)
    for handler in handlers:
        stream = getattr(handler, "stream", None)
        if isinstance(handler, logging.StreamHandler) and stream in before:
            handler.setStream(after[before.index(stream)])
            yield handler, stream


def _latest_elbo(trainer: Trainer) -> str:
    terms = term_logger(trainer)
    latest = terms.latest if terms is not None else {}
    return f"ELBO {latest['train/elbo']:.2f} nats" if "train/elbo" in latest else ""


class PeriodicEvaluation(Callback):
    """Evaluate every `protocol.every` steps; the last evaluation comes after training."""

    def __init__(self, protocol: EvaluationProtocol, metrics: Metrics) -> None:
        self.protocol = protocol
        self.metrics = metrics

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        step = batch_idx + 1
        if step % self.protocol.every or step >= trainer.max_steps:
            return
        terms = term_logger(trainer)
        if terms is not None:
            terms.check(step)  # a model that is no longer finite has nothing to measure
        values: dict[str, float] = {}
        if trainer.is_global_zero:
            assert isinstance(pl_module, LatentModel)
            run: Any = trainer  # its `datamodule` is no part of the declared type
            evaluation = report(
                pl_module,
                run.datamodule,
                self.protocol,
                self.metrics,
                trainer.loggers,
                step,
                Path(trainer.default_root_dir),
            )
            values = {
                key: value for key, value in evaluation.logged.items() if key.startswith("val/")
            }
        # In all processes, for callbacks that watch a number: the checkpoint of the best ELBO.
        shared = trainer.strategy.broadcast(values)
        trainer.callback_metrics.update({key: torch.tensor(value) for key, value in shared.items()})


class _Checkpoint(ModelCheckpoint):
    @property
    def state_key(self) -> str:
        # Lightning's own names the intervals: a run continued with others would lose the state.
        return type(self).__qualname__

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        # A run may have been moved: its checkpoints lie where it lies now.
        models = {self._here(path): value for path, value in state_dict["best_k_models"].items()}
        names = ("best_model_path", "kth_best_model_path", "last_model_path")
        paths = {name: self._here(state_dict.get(name, "")) for name in names}
        super().load_state_dict(
            {**state_dict, **paths, "best_k_models": models, "dirpath": self.dirpath}
        )

    def _here(self, path: str) -> str:
        return str(Path(str(self.dirpath)) / Path(path).name) if path else path


class NewestCheckpoints(_Checkpoint):
    """Keep the newest checkpoints by step, and save on SIGTERM, when Lightning ends a whole step.

    Args:
        dirpath: folder of the checkpoints.
        every_n_train_steps: steps between checkpoints.
        save_top_k: how many stay; the one before the newest, should that turn out unreadable.
    """

    def __init__(self, dirpath: Path, every_n_train_steps: int = 1000, save_top_k: int = 2) -> None:
        super().__init__(
            dirpath,
            filename="{step}",
            enable_version_counter=False,  # a damaged one of an earlier attempt is replaced
            monitor="step",
            mode="max",
            save_top_k=save_top_k,
            every_n_train_steps=every_n_train_steps,
            save_on_exception=True,
        )

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        if isinstance(exception, SIGTERMException):
            super().on_exception(trainer, pl_module, exception)


class BestCheckpoint(_Checkpoint):
    """Keep best.ckpt, of the evaluation with the best value of a logged number.

    Args:
        dirpath: folder of the checkpoints.
        every_n_train_steps: steps between evaluations.
        monitor: name of the number.
        mode: max | min.
    """

    def __init__(
        self, dirpath: Path, every_n_train_steps: int, monitor: str = "val/elbo", mode: str = "max"
    ) -> None:
        super().__init__(
            dirpath,
            filename="best",
            auto_insert_metric_name=False,
            enable_version_counter=False,
            monitor=monitor,
            mode=mode,
            save_top_k=1,
            every_n_train_steps=every_n_train_steps,
        )


class GatherBatches(Callback):
    """Estimate the terms from the batches of all processes together: B is then the sum of theirs,
    and the loss that of one process. Batch norm still normalises by a process's own batch.

    Without it each process uses its own batch, and B in the estimator is the local one.
    """

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, LatentModel)
        pl_module.gathers = True


AUTO = "auto"
NONE = "none"
MODES = (NONE, AUTO, "default", "reduce-overhead")


class CompiledStep(Callback):
    """Compile the tensor work of a step (`model.loss_and_logs`) once, while a trainer fits.

    What moves during training enters as tensors of a fixed shape (hyperparameters as scalars,
    memberships padded to D groups): a schedule compiles nothing again. Noise is drawn outside.

    Args:
        mode: `none`; `auto`, which the command decides before it comes to Lightning's loop, where
            it is `none`; `default`; or `reduce-overhead`, which captures forward and backward pass
            in CUDA graphs and without CUDA is `default`.
        backend: of `torch.compile`.

    Raises:
        ArgumentError: unknown mode; a model whose step changes state besides its weights, which a
            captured graph would not repeat.
    """

    def __init__(self, mode: str = "default", backend: str = "inductor") -> None:
        self.mode = choice("compile.mode", mode, MODES)
        self.backend = backend

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        assert isinstance(pl_module, LatentModel)
        if self.mode in (AUTO, NONE):
            return
        if pl_module.stateful:
            raise ArgumentError(
                f"compile must be none or auto for {type(pl_module).__name__}, "
                "whose step changes more than the weights"
            )
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(private_cache("compiled"))
        plain = LatentModel.loss_and_logs.__get__(pl_module)
        mode = None if self.backend != "inductor" else self.mode
        compiled = torch.compile(
            plain, mode=mode, backend=self.backend, dynamic=False, fullgraph=True
        )

        def loss_and_logs(
            x: Tensor, noise: Tensor, settings: HyperparameterValues, membership: Tensor
        ) -> tuple[Tensor, dict[str, Tensor], Forward]:
            torch.compiler.cudagraph_mark_step_begin()
            tensors = {
                name: value if isinstance(value, Tensor) else x.new_full((), value)
                for name, value in settings.items()
            }
            return compiled(
                x, noise, tensors, pad(membership, (0, membership.shape[0] - membership.shape[1]))
            )

        vars(pl_module)["loss_and_logs"] = loss_and_logs  # the instance's own name hides the method

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        vars(pl_module).pop("loss_and_logs", None)
