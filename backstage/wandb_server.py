"""Whether W&B's server is there, found out without a question, and how long to wait for it."""

import functools
import inspect
import os
import urllib.error
import urllib.request
from typing import NamedTuple

import wandb

FINISH_TIMEOUT = 20  # seconds to wait for a server that stopped answering


class Mode(NamedTuple):
    """Where runs go, and why not online where that was wanted."""

    mode: str
    reason: str | None = None


def tracking_mode() -> Mode:
    """Decide where runs go, without a question and within seconds."""
    chosen = os.environ.get("WANDB_MODE")
    if chosen:
        return Mode(chosen)
    try:
        key = _key()
    except Exception as error:
        return Mode("offline", f"the API key cannot be used ({type(error).__name__})")
    if not key:
        return Mode("offline")
    silence = _silence(os.environ.get("WANDB_BASE_URL") or "https://api.wandb.ai")
    return Mode("offline", silence) if silence else Mode("online")


def _key() -> object:
    """The API key, or whether there is one; versions of W&B without `prompt` would ask for it."""
    wandb.setup(wandb.Settings(silent=True))
    if "prompt" in inspect.signature(wandb.login).parameters:
        return wandb.login(prompt=False, verify=False)
    return wandb.api.api_key


@functools.cache  # asked once per process: a notebook may start a hundred runs
def _silence(server: str) -> str | None:
    """What happened if the server does not answer within four seconds, else None."""
    try:
        urllib.request.urlopen(server, timeout=4).close()
    except urllib.error.HTTPError:
        return None  # an answer, if not to this question
    except (OSError, ValueError) as error:
        return f"{server} does not answer ({type(error).__name__})"
    return None


def run_settings(mode: str, init_timeout: float) -> wandb.Settings:
    """Settings of a run that makes no noise and never waits long (seconds)."""
    settings = wandb.Settings(silent=True, init_timeout=init_timeout)
    if mode == "online" and "finish_timeout" in wandb.Settings.model_fields:
        settings.finish_timeout = FINISH_TIMEOUT  # for a server that vanishes meanwhile
        settings.finish_timeout_raises = True
    return settings
