"""One run directory: identity, status, checkpoints, protocol, reading it back; trains nothing."""
