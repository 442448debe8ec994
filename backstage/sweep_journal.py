"""The journal file of a sweep without a server: whole lines only, and no trial trained twice."""

import json
import os
from pathlib import Path

import optuna
from filelock import FileLock, Timeout
from optuna.storages.journal import JournalFileBackend, JournalStorage
from optuna.trial import FrozenTrial, TrialState

CREATE_STUDY = 0  # Optuna's code for the first operation in a journal
CREATE_TRIAL = 4
GRID = ("grid_id", "search_space")  # how Optuna marks the point of a grid that a trial has
TRIES = 3  # how often a trial is trained whose process is killed meanwhile


class _JournalLock:
    """A lock that ends with the process that holds it, and drops a line that a kill cut short."""

    def __init__(self, journal: Path) -> None:
        self._journal = journal
        self._lock = FileLock(f"{journal}.lock")

    def acquire(self) -> bool:
        self._lock.acquire()
        self._drop_cut_line()
        return True

    def release(self) -> None:
        self._lock.release()

    def _drop_cut_line(self) -> None:
        content = self._journal.read_bytes() if self._journal.exists() else b""
        if content and not content.endswith(b"\n"):
            os.truncate(self._journal, content.rfind(b"\n") + 1)


def open_journal(journal: Path) -> JournalStorage:
    """Open a journal, or begin it; damaged lines are set aside in a file beside it, with a message.

    Args:
        journal: the path of the file.
    """
    journal.parent.mkdir(parents=True, exist_ok=True)
    lock = _JournalLock(journal)
    lock.acquire()
    try:
        lines = journal.read_bytes().splitlines(keepends=True) if journal.exists() else []
        whole, damaged = _sorted_out(lines)
        if damaged:
            aside = journal.with_name(f"{journal.name}.damaged")
            with open(aside, "ab") as file:
                file.writelines(damaged)
            _rewrite(journal, whole)
            print(
                f"{journal.name} is damaged: {len(whole)} of its {len(lines)} lines are whole and "
                f"stay; the others are set aside in {aside}"
            )
    finally:
        lock.release()
    return JournalStorage(JournalFileBackend(str(journal), lock_obj=lock))


def _sorted_out(lines: list[bytes]) -> tuple[list[bytes], list[bytes]]:
    """Tell whole lines from damaged ones.

    Trials are known by the order of their first lines: where one of these is lost, so is the rest.
    """
    whole: list[bytes] = []
    damaged: list[bytes] = []
    trials = 0
    for place, line in enumerate(lines):
        step = _step(line)
        if step.get("trial_id", -1) >= trials:
            return whole, damaged + lines[place:]
        if "op_code" not in step or (not whole and step["op_code"] != CREATE_STUDY):
            damaged.append(line)
            continue
        trials += step["op_code"] == CREATE_TRIAL
        whole.append(line)
    return whole, damaged


def _step(line: bytes) -> dict:
    """One operation of a journal; an empty one if the line is damaged."""
    try:
        step = json.loads(line)
    except ValueError:  # no JSON, or no text
        return {}
    return step if isinstance(step, dict) else {}


def _rewrite(journal: Path, lines: list[bytes]) -> None:
    part = journal.with_name(f"{journal.name}.part")
    part.write_bytes(b"".join(lines))
    os.replace(part, journal)


class Claims:
    """Which process trains which trial, so that no trial is trained twice and none too many.

    A process claims a trial by a lock that ends with the process. A trial whose process is gone is
    trained again, with the same settings; after TRIES times it counts as failed.
    """

    def __init__(
        self, study: optuna.Study, storage: JournalStorage, journal: Path, names: set[str]
    ) -> None:
        self._study = study
        self._storage = storage
        self._journal = journal
        self._names = names  # of the parameters
        self._lock = FileLock(f"{journal}.claims.lock")
        self._mine: dict[int, FileLock] = {}

    def ended(self) -> list[FrozenTrial]:
        """The trials that count: none that runs, was interrupted or has lost lines of its own."""
        trials = self._study.get_trials(deepcopy=False)
        noted = [
            trial for trial in trials if trial.state.is_finished() and trial.user_attrs.get("state")
        ]
        return [trial for trial in noted if self._names <= set(trial.params)]

    def claim(self, count: int) -> optuna.Trial | None:
        """Begin a trial, unless as many as `count` have ended or are running; then None."""
        with self._lock:
            running = self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
            alive = sum(not self._was_left(trial) for trial in running)
            if len(self.ended()) + alive >= count:
                return None
            trial = self._study.ask()
            self._mine[trial.number] = self._lock_of(trial.number)
            self._mine[trial.number].acquire()
            return trial

    def release(self, trial: optuna.Trial, state: TrialState, value: float | None = None) -> None:
        """End a trial that was claimed here."""
        with self._lock:
            self._study.tell(trial, value, state)
            self._unlock(trial.number, self._mine.pop(trial.number))

    def give_back(self, trial: optuna.Trial) -> None:
        """End a trial that was interrupted: it does not count, and is trained again later."""
        with self._lock:
            left = self._study.get_trials(deepcopy=False)[trial.number]
            if not left.state.is_finished():
                self._again(left, left.user_attrs.get("tries", 1))
            self._unlock(trial.number, self._mine.pop(trial.number))

    def _lock_of(self, number: int) -> FileLock:
        return FileLock(f"{self._journal}.{number}.lock")

    def _unlock(self, number: int, lock: FileLock) -> None:
        lock.release()
        Path(f"{self._journal}.{number}.lock").unlink(missing_ok=True)

    def _was_left(self, trial: FrozenTrial) -> bool:
        """End a running trial if no process holds it any more."""
        lock = self._lock_of(trial.number)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            return False
        tries = trial.user_attrs.get("tries", 1)
        if tries < TRIES:
            self._again(trial, tries + 1)
        else:
            error = f"its process was killed {tries} times in the middle of this training"
            for key, value in {"state": "fail", "history": [], "error": error}.items():
                self._storage.set_trial_user_attr(trial._trial_id, key, value)
            self._study.tell(trial.number, state=TrialState.FAIL)
        self._unlock(trial.number, lock)
        return True

    def _again(self, trial: FrozenTrial, tries: int) -> None:
        """Queue a trial's settings for another training, and end the trial uncounted."""
        place = {key: trial.system_attrs[key] for key in GRID if key in trial.system_attrs}
        again = optuna.trial.create_trial(
            state=TrialState.WAITING,
            system_attrs={"fixed_params": trial.params, **place},
            user_attrs={"tries": tries},
        )
        self._study.add_trial(again)
        self._storage.set_trial_user_attr(trial._trial_id, "state", None)
        self._study.tell(trial.number, state=TrialState.FAIL)
