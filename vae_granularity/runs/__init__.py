"""One run directory: its identity, status, checkpoints, protocol, and reading it back."""
