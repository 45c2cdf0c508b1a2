"""`--help` of every command: its keys with their comments, examples, 100 columns, no torch."""

import subprocess
import sys

import pytest

from vae_granularity.training.config import config_dir
from vae_granularity.training.help import EXAMPLES, help_text

COMMANDS = sorted(path.stem for path in config_dir().glob("*.yaml"))


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_keys_comments_examples_and_where_more_is(command):
    text = help_text(config_dir(), command, [])
    assert max(map(len, text.splitlines())) <= 100
    assert all(example in text for example in EXAMPLES[command])
    assert "--cfg job" in text
    assert not any("# " in line[4:] for line in text.splitlines() if line.startswith("  # "))
    for line in (config_dir() / f"{command}.yaml").read_text().splitlines():
        key, _, comment = line.partition(" # ")
        if comment and not line.startswith((" ", "#")):
            assert key.split(":")[0] + ":" in text
            assert comment.split()[0] in text


def test_help_lists_the_keys_of_the_options_that_are_chosen():
    text = help_text(config_dir(), "train", ["model=qlae", "--help"])
    assert "num_values: 10" in text
    assert "within_group_weight: null #" not in text


@pytest.mark.parametrize("module", ["train", "data"])
def test_help_ends_well_and_without_torch(module):
    probe = f"import sys, runpy; sys.argv = ['{module}', '--help']\n"
    probe += f"runpy.run_module('vae_granularity.{module}', run_name='__main__')\n"
    probe += "assert 'torch' not in sys.modules"
    command = [sys.executable, "-c", probe]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "python -m vae_granularity" in done.stdout
