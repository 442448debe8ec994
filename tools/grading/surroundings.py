"""What a submission finds around itself: environment variables, and files that it may read."""

import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
FONTS = ".matplotlib"
KEPT = ("LANG", "LC_ALL", "TZ", "SYSTEMROOT", "COURSEWORK_QUICK")
SET = {
    "PATH": os.defpath,
    "COURSEWORK_QUICK": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "LOKY_MAX_CPU_COUNT": "1",
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    "TQDM_DISABLE": "1",
    "WANDB_MODE": "disabled",
    "LOGNAME": "student",
    "USER": "student",
}
SYSTEM = ["/bin", "/lib", "/lib32", "/lib64", "/sbin", "/usr", "/etc/alternatives", "/etc/fonts"]
SYSTEM += ["/etc/group", "/etc/ld.so.cache", "/etc/localtime", "/etc/nsswitch.conf", "/etc/passwd"]


def environment(home: Path, scratch: Path, data: str) -> dict[str, str]:
    """The environment variables of a submission.

    Args:
        home: where the notebook runs.
        scratch: folder for temporary files.
        data: folder with data sets; "": none.
    """
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    own = {"HOME": str(home), "TMPDIR": str(scratch), "USERPROFILE": str(home)}
    own["MPLCONFIGDIR"] = str(home / FONTS)
    return SET | kept | own | ({"COURSEWORK_DATA": os.path.abspath(data)} if data else {})


def visible(data: str) -> list[str]:
    """Files and folders that a submission may read: the system's programs, Python and the data."""
    own = [sys.prefix, sys.base_prefix, os.path.realpath(sys.base_prefix), str(HERE)]
    own += [os.path.abspath(data)] if data else []
    return [*SYSTEM, *(name for name in dict.fromkeys(own) if not name.startswith("/usr/"))]
