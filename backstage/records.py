"""Results of long comparisons, kept with the project, so that a reader need not wait for them.

The networks of a comparison train for many minutes, and only a few numbers of each are used. These
are kept in records/, one file for each comparison, and read from there as long as the code, the
data and the settings are the ones they were computed with. COURSEWORK_FRESH=1 computes all anew.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import fields, is_dataclass
from numbers import Integral, Real

import numpy as np
import torch
from filelock import FileLock

from backstage.files import file_name, write_whole
from backstage.processes import each_result
from backstage.settings import CODE_FOLDER, QUICK, ROOT, is_set, print_once
from backstage.source_marks import source_mark

KEPT = CODE_FOLDER / "records"
NEW = ROOT / "build/records"
_quick_results: dict[str, dict[str, object]] = {}  # of this process, by a function's mark and job


def recorded(name: str, function: Callable, jobs: Sequence[dict], description: str) -> list:
    """The results of in_parallel(function, jobs, description), from a record where there is one.

    The name of the record holds a mark of the function, of all of the project's code that it uses
    and of its data: change one of these, and everything is computed. Jobs that a record does not
    hold are computed and added to it, in build/records, one by one, so that nothing is lost if they
    are interrupted. A quick run uses no records, but computes a job only once.

    Args:
        name: of the comparison, part of the file's name.
        function: gives numbers, strings, arrays, lists and dictionaries of these. Arrays come back
            as lists, floats with six digits, whether they were just computed or read.
        jobs: the keyword arguments of each call: numbers, strings, arrays of whole numbers, and
            dataclasses, lists and dictionaries of these.
        description: the jobs' name beside the progress bar.

    Returns:
        The results in the order of the jobs.

    Raises:
        ValueError: the name is not that of one file, or two jobs differ by too little.
        TypeError: the function is not defined by a def of its own, or a job or a result holds
            something else.
    """
    keys = _keys(jobs)
    start = file_name("record", name)
    if QUICK:
        return _once(function, dict(zip(keys, jobs)), description, keys)
    file = f"{start}-{source_mark(function)}.json"
    kept = {} if is_set("COURSEWORK_FRESH") else _read(file)
    missing = {key: job for key, job in zip(keys, jobs) if key not in kept}
    if missing:
        with closing(each_result(function, list(missing.values()), description)) as results:
            kept |= _kept_one_by_one(file, zip(missing, results))
    if set(keys) <= set(_read(file)):
        print(f"{len(jobs)} results in the record {file}")
    return [kept[key] for key in keys]


def _once(
    function: Callable, jobs: Mapping[str, dict], description: str, keys: Sequence[str]
) -> list:
    """The results of a quick run, of which this process computes each only once."""
    known = _quick_results.setdefault(source_mark(function), {})
    new = {key: job for key, job in jobs.items() if key not in known}
    with closing(each_result(function, list(new.values()), description)) as results:
        known |= {key: _as_kept(result) for key, result in zip(new, results)}
    return [known[key] for key in keys]


def _keys(jobs: Sequence[dict]) -> list[str]:
    """What the jobs are called in a record; ValueError if two that differ are called the same."""
    keys = [describe(job) for job in jobs]
    exact = {}
    for key, job in zip(keys, jobs):
        if exact.setdefault(key, describe(job, ".17g")) != describe(job, ".17g"):
            raise ValueError(f"two jobs differ, but not in the six digits of a record: {key}")
    return keys


def _kept_one_by_one(file: str, results: Iterable[tuple[str, object]]) -> dict[str, object]:
    """Add each result to a record as soon as it is there, and give all of them, as it has them."""
    new = {}
    failed = False
    for key, result in results:
        new[key] = _as_kept(result)
        try:
            NEW.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(NEW.with_suffix(".lock")):
                write_whole(NEW / file, json.dumps(_read(file) | new) + "\n")
        except OSError as e:
            if not failed:
                print(f"the record {file} cannot be written, the comparison goes on: {e}")
            failed = True
    return new


def describe(value: object, digits: str = ".6g") -> str:
    """A job as text: floats to six digits, arrays by shape and content, dataclasses by fields.

    Args:
        value: the job.
        digits: the format of floats.

    Raises:
        TypeError: it holds something that cannot be told from others of its kind, as a function.
    """
    if value is None or isinstance(value, str | bool):
        return repr(value)
    if isinstance(value, Integral):
        return str(int(value))
    if isinstance(value, Real):
        return format(value, digits)
    if isinstance(value, np.ndarray) and value.dtype.kind in "iub":
        content = np.ascontiguousarray(value, "<i8").tobytes()
        return f"{value.shape} {hashlib.sha256(content).hexdigest()[:8]}"
    if isinstance(value, Mapping):
        pairs = (f"{describe(k, digits)}: {describe(v, digits)}" for k, v in value.items())
        return f"{{{', '.join(pairs)}}}"
    if isinstance(value, list | tuple):
        return f"({', '.join(describe(each, digits) for each in value)})"
    if is_dataclass(value) and not isinstance(value, type):
        content = {field.name: getattr(value, field.name) for field in fields(value)}
        return f"{type(value).__qualname__} {describe(content, digits)}"
    raise TypeError(f"a job may hold numbers, strings and dataclasses of them, not {value!r}")


def _read(file: str) -> dict[str, object]:
    """A record's results by job: the project's, and those that this computer has added."""
    results = {}
    for folder in (KEPT, NEW):
        try:
            results |= json.loads((folder / file).read_text(encoding="utf-8"))
        except FileNotFoundError:
            continue
        except (ValueError, TypeError):
            print_once(f"the record {file} is damaged: what it held is computed anew")
    return results


def _as_kept(result: object) -> object:
    """A result as it comes back from a record's file."""
    return json.loads(json.dumps(_plain(result)))


def _plain(value: object) -> object:
    """The same in JSON's types: arrays as lists, floats with six digits."""
    if isinstance(value, np.ndarray | np.generic | torch.Tensor):
        value = value.tolist()
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, Mapping):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value
