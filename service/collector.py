"""Python's cycle collector, set for a process that makes many short-lived values and few cycles."""

import gc
from typing import Final

# With the defaults, half the time of a large upload was the collector's: it looked at all that is loaded, again and again.
THRESHOLDS: Final = (50_000, 20, 50)


def calm() -> None:
    """Let the collector leave what is loaded by now alone, and look less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
