"""Import what every run needs. The server that workers are copies of imports this module once."""

import signal

# Ctrl-C reaches all processes of a terminal; the server ends with the command.
signal.signal(signal.SIGINT, signal.SIG_IGN)

import lightning.pytorch  # noqa: E402, F401

import vae_granularity.training.run  # noqa: E402, F401
