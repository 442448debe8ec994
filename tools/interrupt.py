"""Imported before the slow imports of a command: Ctrl-C during them ends it without a traceback."""

import os
import signal
import sys
from pathlib import Path

if Path(sys.argv[0]).parent == Path("tools"):  # a command of this folder, not a test
    signal.signal(signal.SIGINT, lambda *_: os._exit(128 + signal.SIGINT))
