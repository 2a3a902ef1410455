"""Peak memory of a process, measured from its own start: `ru_maxrss` is inherited from the parent."""

from pathlib import Path

STATUS = Path("/proc/self/status")


def peak_memory() -> int:
    """Largest resident size of this process so far, in bytes (Linux)."""
    line = next(row for row in STATUS.read_text(encoding="ascii").splitlines() if row.startswith("VmHWM"))
    return int(line.split()[1]) * 1024
