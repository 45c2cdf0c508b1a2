"""Runs trained by two processes, forks of the test's process, that are started once for all
cases.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import socket
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from lightning import Trainer
from tiny import tiny_config

from vae_granularity.runs.build import build
from vae_granularity.training.callbacks import GatherBatches
from vae_granularity.training.run import EXPECTED_WARNINGS

RANKS = 2
State = dict[str, torch.Tensor]


def trained(overrides: Sequence[str], gathers: bool, ranks: int = 1) -> State:
    """All that a model saves after the steps of its config, on this process."""
    cfg = tiny_config(Path("unused"), *overrides)
    model, data = build(cfg)
    data.setup()
    model.dataset_size = data.train_size
    trainer = Trainer(
        accelerator="cpu",
        devices=ranks,
        strategy="ddp" if ranks > 1 else "auto",
        max_steps=cfg.trainer.max_steps,
        max_epochs=1,
        callbacks=[GatherBatches()] if gathers else [],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )
    with warnings.catch_warnings():
        for message in EXPECTED_WARNINGS:
            warnings.filterwarnings("ignore", message=message)
        trainer.fit(model, datamodule=data)
    return model.state_dict()


def by_two(
    folder: Path, cases: Mapping[str, tuple[Sequence[str], bool]], timeout: float
) -> list[dict[str, State]]:
    """The states of every case (overrides, whether it gathers) by name, for each of two ranks."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = str(found.getsockname()[1])
    address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": str(RANKS)}
    fork = multiprocessing.get_context("fork")
    ranks = [
        fork.Process(target=_rank, args=(folder, cases, address | {"LOCAL_RANK": str(rank)}))
        for rank in range(RANKS)
    ]
    for process in ranks:
        process.start()
    try:
        for rank, process in enumerate(ranks):
            process.join(timeout)
            assert process.exitcode == 0, (folder / f"{rank}.log").read_text()
    finally:
        for process in ranks:
            process.kill()
            process.join()
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(RANKS)]


def _rank(
    folder: Path, cases: Mapping[str, tuple[Sequence[str], bool]], environment: dict[str, str]
) -> None:
    os.environ.update(environment)
    rank = environment["LOCAL_RANK"]
    log = os.open(folder / f"{rank}.log", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    states = {}
    for name, case in cases.items():
        print(name, flush=True)
        states[name] = trained(*case, ranks=RANKS)
    torch.save(states, folder / f"{rank}.pt")
