"""Runs trained by two processes that are started once: python by_ranks.py FOLDER, which holds
cases.json, with the rank in the environment.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import subprocess
import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from lightning import Trainer
from tiny import tiny_config

from vae_granularity.runs.build import build
from vae_granularity.training.callbacks.gather import GatherBatches
from vae_granularity.training.prepare import IGNORED_WARNINGS

ROOT = Path(__file__).parents[2]
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
        for message in IGNORED_WARNINGS:
            warnings.filterwarnings("ignore", message=message)
        trainer.fit(model, datamodule=data)
    return model.state_dict()


def by_two(
    folder: Path, cases: Mapping[str, tuple[Sequence[str], bool]], timeout: float
) -> list[dict[str, State]]:
    """The states of every case (overrides, whether it gathers) by name, for each of two ranks."""
    (folder / "cases.json").write_text(json.dumps(cases))
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = str(found.getsockname()[1])
    environment = os.environ | {
        "PYTHONPATH": f"{ROOT}{os.pathsep}{Path(__file__).parent}",
        "OMP_NUM_THREADS": "1",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": port,
        "WORLD_SIZE": str(RANKS),
    }
    command = [sys.executable, __file__, str(folder)]
    ranks, logs = [], [folder / f"{rank}.log" for rank in range(RANKS)]
    for rank, log in enumerate(logs):
        with log.open("w") as said:  # a pipe that nobody reads would fill, and stop its process
            own = environment | {"LOCAL_RANK": str(rank)}
            ranks.append(subprocess.Popen(command, env=own, stdout=said, stderr=said))
    try:
        for process, log in zip(ranks, logs, strict=True):
            assert process.wait(timeout) == 0, log.read_text()
    finally:
        for process in ranks:
            process.kill()
            process.wait()
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(RANKS)]


def main(folder: Path) -> None:
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    cases = json.loads((folder / "cases.json").read_text())
    states = {}
    for name, case in cases.items():
        print(name, flush=True)
        states[name] = trained(*case, ranks=RANKS)
    torch.save(states, folder / f"{os.environ['LOCAL_RANK']}.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
