"""Create W&B dashboards of a project: `python -m vae_granularity.dashboards project=NAME`."""

from omegaconf import DictConfig

from vae_granularity.runs.types import check_values
from vae_granularity.training import config
from vae_granularity.training.wandb_login import project_name


def run(cfg: DictConfig) -> None:
    """Create the project's workspace and report, and print their addresses."""
    check_values(
        {str(key): value for key, value in cfg.items()}, {"project": str, "entity": str | None}
    )
    project_name("project", cfg.project)
    if cfg.entity is not None:
        project_name("entity", cfg.entity)
    from vae_granularity.training.wandb_dashboards import publish  # Lightning: after the checks

    publish(cfg.entity, cfg.project)


def main() -> None:
    config.run_command("dashboards", run)


if __name__ == "__main__":
    main()
