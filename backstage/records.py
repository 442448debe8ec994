"""Results of long comparisons, kept with the project, so that a reader need not wait for them.

The networks of a comparison train for many minutes, and only a few numbers of each are used. These
are kept in records/, one file for each comparison, and read from there as long as the code, the
data and the settings are the ones they were computed with. COURSEWORK_FRESH=1 computes all anew.
"""

import json
import os
from collections.abc import Callable, Sequence

import numpy as np

from backstage.files import file_name, write_whole
from backstage.processes import in_parallel
from backstage.settings import CODE_FOLDER, QUICK, ROOT
from backstage.source_marks import describe, source_mark

KEPT = CODE_FOLDER / "records"
NEW = ROOT / "build/records"


def recorded(name: str, function: Callable, jobs: Sequence[dict], description: str) -> list:
    """The results of in_parallel(function, jobs, description), from a record where there is one.

    The name of the record holds a mark of the function, of all of the project's code that it uses
    and of its data: change one of these, and everything is computed. Jobs that a record does not
    hold are computed and added to it, in build/records. A quick run uses no records.

    Args:
        name: of the comparison, part of the file's name.
        function: gives numbers, strings, lists and dictionaries of them; floats are kept to six
            digits, whether they were just computed or read.
        jobs: the keyword arguments of each call.
        description: the jobs' name beside the progress bar.

    Returns:
        The results in the order of the jobs.

    Raises:
        ValueError: the name is not that of one file.
    """
    file = f"{file_name('record', name)}-{source_mark(function)}.json"
    if QUICK:
        return json.loads(json.dumps(_rounded(in_parallel(function, jobs, description))))
    kept = {} if os.environ.get("COURSEWORK_FRESH", "0") not in ("", "0") else _read(file)
    keys = [describe(job) for job in jobs]
    missing = {key: job for key, job in zip(keys, jobs) if key not in kept}
    if missing:
        found = in_parallel(function, list(missing.values()), description)
        content = json.dumps(kept | dict(zip(missing, _rounded(found))))
        write_whole(NEW / file, content + "\n")
        kept = json.loads(content)
    print(f"{len(jobs)} results in the record {file}")
    return [kept[key] for key in keys]


def _read(file: str) -> dict[str, object]:
    """A record's results by job; of this computer's own where it has one, else the project's."""
    for folder in (NEW, KEPT):
        try:
            return json.loads((folder / file).read_text(encoding="utf-8"))
        except (FileNotFoundError, json.JSONDecodeError):
            continue
    return {}


def _rounded(value: object) -> object:
    """The same with floats of six digits and tuples as lists, as a record gives it back."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {name: _rounded(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(inner) for inner in value]
    return value
