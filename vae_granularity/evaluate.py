"""`python -m vae_granularity.evaluate run=DIR`: measure finished runs again; what is there under
the same protocol is kept.
"""

from __future__ import annotations

import glob
import json
import sys
import traceback
from pathlib import Path

from omegaconf import DictConfig, ListConfig, OmegaConf

from vae_granularity.errors import DataError, UserError
from vae_granularity.runs.identity import CONFIG, RESULTS, write_atomically
from vae_granularity.runs.protocol import PROTOCOL_VERSION, version_of
from vae_granularity.runs.reading import load_run
from vae_granularity.runs.status import only_writer
from vae_granularity.training import config


def run(cfg: DictConfig) -> None:
    """Evaluate every finished run that `run=` names; what cannot be measured is listed at the end,
    and the exit code is then 1.
    """
    given = [str(path) for path in (cfg.run if isinstance(cfg.run, ListConfig) else [cfg.run])]
    directories, broken = find_runs(given)
    for i, directory in enumerate(directories, 1):
        print(f"run {i} of {len(directories)}: {directory}", flush=True)
        try:
            evaluate_run(directory, cfg)
        except UserError as error:
            broken[directory] = str(error)
        except Exception as error:  # whatever ails one run, the others are measured: it is shown, listed and makes the exit code 1
            traceback.print_exception(error)
            broken[directory] = f"{type(error).__name__}: {error}"
    if broken:
        for directory, reason in broken.items():
            print(f"not evaluated: {directory}: {reason}", file=sys.stderr)
        raise DataError(
            f"{len(broken)} of {len(directories) + sum(path not in directories for path in broken)} runs were not evaluated"
        )


def find_runs(given: list[str]) -> tuple[list[Path], dict[Path, str]]:
    """The finished runs among run directories, folders of them and patterns, each once; and what is
    no finished run, with the reason.

    Raises:
        DataError: there is no finished run at all.
    """
    finished, broken = {}, {}
    for pattern in given:
        # What a pattern happens to meet besides runs (reports, logs) is no run that went wrong.
        met = [
            d
            for path in sorted(glob.glob(pattern))
            for d in _run_directories(Path(path))
            if glob.escape(pattern) == pattern or _is_run(d)
        ]
        for directory in met or [Path(pattern)]:
            reason = _unfinished(directory)
            if reason is None:
                finished[directory] = None
            else:
                broken[directory] = reason
    if not finished:
        raise DataError("; ".join(f"{path}: {reason}" for path, reason in broken.items()))
    return list(finished), broken


def _run_directories(path: Path) -> list[Path]:
    """The path itself, or the run directories in it."""
    if (path / CONFIG).is_file():
        return [path]
    return sorted(
        {file.parent for name in (CONFIG, RESULTS) for file in path.glob(f"*/{name}")}
    ) or [path]


def _is_run(directory: Path) -> bool:
    return (directory / CONFIG).is_file() or (directory / RESULTS).is_file()


def _unfinished(directory: Path) -> str | None:
    if not directory.is_dir():
        return "does not exist"
    if not _is_run(directory):
        return f"holds no finished run: neither {CONFIG} nor */{CONFIG}"
    if not (directory / CONFIG).is_file():
        return f"has no {CONFIG}"
    if not (directory / RESULTS).is_file():
        return f"is not finished: it has no {RESULTS}; start the same run again to continue it"
    try:
        json.loads((directory / RESULTS).read_text())["run"]["steps"]
    except (ValueError, KeyError, TypeError) as error:
        return f"its {RESULTS} is damaged: {type(error).__name__}: {error}"
    return None


def evaluate_run(directory: Path, cfg: DictConfig) -> None:
    """Compute what results.json lacks or holds under another protocol; it is replaced in one move,
    and nothing it holds is lost, but for numbers of another version of the protocol: they are
    computed anew, or left out where they are not asked for.

    Raises:
        UserError: the run cannot be read, or another process works on it.
    """
    from vae_granularity.evaluation.report import report
    from vae_granularity.evaluation.score_table import as_text, tables, term_lines
    from vae_granularity.runs.build import create, create_metrics

    with only_writer(directory):
        loaded = load_run(directory)
        loaded.datamodule.setup()
        protocol = create(OmegaConf.merge(loaded.config.evaluation, cfg.evaluation))
        metrics = create_metrics(cfg if cfg.get("metrics") else loaded.config)
        before = loaded.results
        found = report(
            loaded.model,
            loaded.datamodule,
            protocol,
            metrics,
            [],
            before["run"]["steps"],
            directory,
            final=True,
            before=before,
        )
        computed = [
            name
            for name in ("terms", *metrics)
            if name not in found.kept and name not in found.protocol["not_applicable"]
        ]
        if computed:
            results = before | {
                "terms": found.terms,
                "scores": found.scores,
                "protocol": found.protocol,
            }
            write_atomically(directory / RESULTS, json.dumps(results, indent=1))
    print(
        "\n".join(
            [
                *term_lines(found.terms, found.protocol),
                *map(as_text, tables(found.scores, found.protocol)),
            ]
        )
    )
    print(f"kept, same protocol: {', '.join(found.kept) or 'nothing'}")
    print(f"computed: {', '.join(computed) or 'nothing'}", flush=True)
    version = version_of(before.get("protocol", {}))
    if version != PROTOCOL_VERSION:
        lost = [name for name in before.get("scores", {}) if name not in found.scores]
        became = f"protocol version {version} became {PROTOCOL_VERSION}"
        print(f"{became}; left out, not asked for: {', '.join(lost) or 'nothing'}", flush=True)


def main() -> None:
    config.run_command("evaluate", run)


if __name__ == "__main__":
    main()
