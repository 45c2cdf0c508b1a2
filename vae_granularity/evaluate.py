"""`python -m vae_granularity.evaluate run=DIR`: measure finished runs again or further."""

from omegaconf import DictConfig

from vae_granularity.training import config


def run(cfg: DictConfig) -> None:
    """Measure every finished run that `run=` names."""
    from vae_granularity.evaluation.measure_again import evaluate_runs  # torch: after the checks

    evaluate_runs(cfg)


def main() -> None:
    config.run_command("evaluate", run)


if __name__ == "__main__":
    main()
