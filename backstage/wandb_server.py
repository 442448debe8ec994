"""Whether W&B and its server are there, found out without a question, and how long to wait."""

import functools
import inspect
import os
import urllib.error
import urllib.request
from typing import NamedTuple

from backstage.settings import ROOT

# W&B's own log goes to stderr where there is no home, and its reports on itself keep a program
# from ending where there is no server.
os.environ.setdefault("WANDB_CACHE_DIR", str(ROOT / "build/wandb"))
os.environ.setdefault("WANDB_ERROR_REPORTING", "false")

try:
    import wandb
except Exception as error:  # missing, or at odds with another package
    wandb = None
    MISSING = f"wandb cannot be imported ({type(error).__name__}: {error})"

FINISH_TIMEOUT = 8  # seconds to wait for a server that stopped answering
FLUSH_INTERVAL = 2  # seconds after which a row is on the disk; what a kill costs at most
MODES = ("online", "offline", "disabled")


class Mode(NamedTuple):
    """Where runs go, and why not online where that was wanted."""

    mode: str
    reason: str | None = None


def tracking_mode() -> Mode:
    """Decide where runs go, without a question and within seconds."""
    chosen = os.environ.get("WANDB_MODE")
    if wandb is None:
        return Mode("disabled", MISSING)
    if chosen == "disabled":
        return Mode(chosen)
    try:
        server = str(wandb.setup(wandb.Settings(silent=True)).settings.base_url)
    except Exception as error:  # an environment variable that W&B refuses
        return Mode("disabled", describe(error))
    if chosen and chosen not in MODES:
        return Mode("offline", f"WANDB_MODE is {chosen!r}; here it may be {', '.join(MODES)}")
    return Mode("offline") if chosen == "offline" else _online_or_not(server, bool(chosen))


def _online_or_not(server: str, wanted: bool) -> Mode:
    """Online with a key and a server that answers; without a key a reason only if wanted."""
    try:
        key = _key()
    except Exception as error:
        return Mode("offline", f"the API key cannot be used ({type(error).__name__})")
    if not key:
        return Mode("offline", "WANDB_MODE is 'online', but there is no key" if wanted else None)
    silence = _silence(server)
    return Mode("offline", silence) if silence else Mode("online")


def _key() -> object:
    """The API key, or whether there is one; versions of W&B without `prompt` would ask for it."""
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


def run_settings(mode: str, init_timeout: float) -> "wandb.Settings":
    """Settings of a run that makes no noise and never waits long (seconds)."""
    wanted = {
        "silent": True,
        "init_timeout": init_timeout,
        "x_transaction_log_flush_interval": FLUSH_INTERVAL,
        "x_save_requirements": False,  # a list of all packages, slower than a short training
    }
    if mode == "online":  # for a server that vanishes meanwhile
        wanted |= {"finish_timeout": FINISH_TIMEOUT, "finish_timeout_raises": True}
    known = wandb.Settings.model_fields  # older versions of W&B lack some
    return wandb.Settings(**{name: value for name, value in wanted.items() if name in known})


def describe(error: Exception) -> str:
    """Put an error into one line; a refused setting as its variable and what is allowed."""
    if hasattr(error, "errors"):  # of pydantic, which checks W&B's settings
        first = error.errors()[0]
        variable = "_".join(["WANDB", *map(str, first["loc"])]).upper()
        return f"{variable} is {first['input']!r}: {first['msg']}"
    first = (str(error) or "no reason given").splitlines()[0]
    return f"{type(error).__name__}: {first}"
