"""`python -m vae_granularity.data prepare|info dataset=NAME [key=value ...]`.

`prepare` fetches, verifies and converts ahead of a job. `info` prints the card, says what is here
and what is real, and writes a contact sheet; it downloads no official files. Keys are those of the
training command: `dataset.source`, `dataset.data_dir`, `dataset.variant`, `paths.cache_dir` ...
(`python -m vae_granularity.train dataset=NAME --help` lists them). Examples:

    python -m vae_granularity.data info dataset=mpi3d dataset.source=rendered
    python -m vae_granularity.data prepare dataset=shapes3d paths.cache_dir=/fast/disk
"""

import logging
import re
import sys

from omegaconf import DictConfig, OmegaConf

from vae_granularity.errors import ArgumentError, UserError, writable_folder
from vae_granularity.terminal import end_if_unread, say, tolerant_output
from vae_granularity.training.arguments import check_arguments
from vae_granularity.training.config import compose, config_dir, end_with_message

VERBS = ("prepare", "info")


def main() -> None:
    """Run the command of `sys.argv`; a user error ends in one message and an exit code."""
    with tolerant_output():
        _main(sys.argv[1:])


def _main(arguments: list[str]) -> None:
    if {"--help", "-h"} & set(arguments):
        print(str(__doc__).strip())
        return
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    try:
        verb, *overrides = arguments or [""]
        if verb not in VERBS:
            raise ArgumentError(
                f"the first word must be one of {', '.join(VERBS)}, got {verb!r}: "
                "python -m vae_granularity.data info dataset=NAME (--help)"
            )
        check_arguments("data", overrides, config_dir())
        config = compose("train", overrides)
        say(run(verb, config.dataset))
    except BrokenPipeError as error:
        end_if_unread(error)
        raise
    except UserError as error:
        say(f"error: {error}", to_stderr=True)
        sys.exit(2 if isinstance(error, ArgumentError) else 1)
    except Exception as error:  # of any kind: Hydra raises anything of an odd command line
        end_with_message(error, "train")


def run(verb: str, config: DictConfig) -> str:
    """Prepare or describe the dataset of a config node; return the text to print."""
    # torch and Lightning take seconds to import: a mistyped key is answered before.
    from hydra.utils import instantiate

    from vae_granularity.data.base import ImageDataModule
    from vae_granularity.data.files import sources
    from vae_granularity.data.info import contact_sheet, describe
    from vae_granularity.runs.types import check_types

    checked = OmegaConf.create({"dataset": OmegaConf.to_container(config, resolve=True)})
    check_types(checked)
    # Partial, because Hydra would wrap our errors otherwise.
    data = instantiate(checked.dataset, _partial_=True)()
    assert isinstance(data, ImageDataModule), "conf/dataset names data modules"
    # No batches are drawn here, and no data set is too small for one image.
    data.batch_size = 1
    may_fetch = verb == "info" and data.source in ("auto", "official")
    if may_fetch and not sources.all_here(data.card, data.data_dir, data.cache_dir):
        if data.source == "official" or not data.card.renderer:
            return describe(data)
        data.source = "rendered"
    data.prepare_data(thorough=verb == "prepare")
    if verb == "prepare":
        return f"{describe(data, hashed=True)}\nready"
    if len(data.image_shape) != 3:
        return describe(data)
    data.setup()
    name = "_".join(["contact_sheet", *re.findall(r"[a-z0-9]+", data.title)])
    path = data.cache_dir / data.card.name / f"{name}.png"
    writable_folder("paths.cache_dir", path.parent)
    contact_sheet(data).save(path)
    return f"{describe(data)}\n{'contact sheet':<22} {path}"


if __name__ == "__main__":
    main()
