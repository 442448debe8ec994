"""The final networks of both digit notebooks: one recipe for each kind, trained once.

The notebook that trains them first writes them to build/; the other reads them from there. Neither
needs the other: without the file a notebook trains the same networks from the same seeds.
"""

import hashlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from torch import nn

from backstage.files import write_whole
from backstage.interrupts import whole_or_nothing
from backstage.settings import CODE_FOLDER, ROOT, is_set

CODE = (
    "helpers.py",
    "backstage/augmentation.py",
    "backstage/batching.py",
    "backstage/hooks.py",
    "backstage/mnist.py",
)

RECIPES = {  # arguments of helpers.Recipe: what the search of feedForwardMNIST led to
    "feed-forward": {"epochs": 8, "rate": 0.03, "one_cycle": True, "augment": True},
}


class Trained(NamedTuple):
    """A trained network and one row for each of its epochs."""

    net: nn.Module
    rows: list[dict]


def saved_or_trained(
    name: str, make: Callable[[], nn.Module], settings: object, train: Callable[[], list[Trained]]
) -> list[Trained]:
    """Read networks from build/, or train them and write them there.

    Args:
        name: of the networks, part of the file's name.
        make: builds an untrained network to hold saved weights.
        settings: all that the networks depend on, with a repr that shows it: recipe, seeds, data.
        train: trains the networks; called only if there is no file of the same settings and code.

    Returns:
        One entry for each network, on the CPU.
    """
    path = ROOT / "build/finals" / f"{name}-{_fingerprint(settings)}.pt"
    found = None if is_set("COURSEWORK_FRESH") else _read(path, make)
    if found is None:
        with whole_or_nothing():
            found = train()
        saved = [{"net": one.net.state_dict(), "rows": one.rows} for one in found]
        content = io.BytesIO()
        torch.save(saved, content)
        try:
            write_whole(path, content.getvalue())
        except OSError as e:
            print(f"the networks are not kept, the notebook goes on: {e}")
    return found


def _fingerprint(settings: object) -> str:
    """A short name for these settings, this version of PyTorch and this state of the code."""
    mark = hashlib.sha256(f"{settings!r} {torch.__version__}".encode())
    for name in CODE:
        mark.update((CODE_FOLDER / name).read_bytes())
    return mark.hexdigest()[:12]


def _read(path: Path, make: Callable[[], nn.Module]) -> list[Trained] | None:
    """The networks of a file; None without a file, or for one that cannot be read."""
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
        networks = []
        for one in saved:
            net = make()
            net.load_state_dict(one["net"])
            networks.append(Trained(net, one["rows"]))
    except FileNotFoundError:
        return None
    except Exception as e:  # a file of another content raises errors of many kinds
        print(f"{path.name} cannot be read ({type(e).__name__}); the networks are trained anew")
        return None
    return networks
