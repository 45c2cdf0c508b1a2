"""How this process asks the system for memory."""

import ctypes
import sys

# Of glibc's malloc.h, and what they are set to: blocks below a gigabyte come from the heap, and the
# heap is not given back below a gigabyte.
TRIM_THRESHOLD, MMAP_THRESHOLD, SIZE = -1, -3, 2**30


def keep_freed_memory() -> bool:
    """Keep freed memory for the next step instead of returning it; whether the system can do that.

    A step frees all its tensors. glibc returns blocks of more than 128 KiB to the system and gets
    them back page by page, zeroed, in the next step: up to two thirds of the time of a small
    network's step (experiments/population). The process stays as large as its largest step.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is None:
        return False
    return all(mallopt(option, SIZE) for option in (TRIM_THRESHOLD, MMAP_THRESHOLD))
