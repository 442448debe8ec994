"""The first program in a sandbox: it closes the doors behind itself, then becomes another program.

It is started by `unshare` in namespaces of its own (Linux), so that nothing of what it mounts is
seen elsewhere. Afterwards there are: the folders named visible, none of which can be written to;
a file system in memory, limited in size, with a copy of the practice edition; no network; no other
processes; no right to change any of this.
"""

import ctypes
import fcntl
import json
import os
import shutil
import socket
import struct
import sys
from pathlib import Path

LIBC = ctypes.CDLL(None, use_errno=True)
BIND = 0x1000 | 0x4000  # MS_BIND | MS_REC
MOUNT_SETATTR = 442
READ_ONLY = 1 | 2  # MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID
RECURSIVE = 0x8000
NO_NEW_PRIVILEGES = 38
SECURE_BITS = 28
NO_ROOT = 3  # a program that root starts gains no rights, and this cannot be undone
DEVICES = ("null", "zero", "full", "random", "urandom")


def main(wish: dict, program: list[str]) -> None:
    """Enter the new root folder with a copy of the edition, and start a program there."""
    root = Path(wish["root"])
    mount("tmpfs", root, "tmpfs", options=f"size={2 * wish['disk']}m,mode=755")
    for path in wish["visible"]:
        bind(Path(path), root)
    for name in DEVICES:
        bind(Path("/dev", name), root, read_only=False)
    (root / "dev/fd").symlink_to("/proc/self/fd")
    mount("proc", made(root / "proc"), "proc")
    shutil.copytree(wish["edition"], root / "submission")
    scratch = made(root / "scratch")  # so that a folder full of files leaves some space
    mount("tmpfs", scratch, "tmpfs", options=f"size={wish['disk']}m,mode=755")
    own = [root / "submission", *(root / "submission").rglob("*")]
    for path in (*own, scratch, made(root / "tmp"), made(root / "dev/shm")):
        os.chown(path, wish["user"], wish["user"])
    use_loopback()
    os.chroot(root)
    os.chdir("/submission")
    drop_rights(wish["user"])
    os.execv(program[0], program)


def call(what: int) -> None:
    """Raise the error of a call into the C library that did not return 0."""
    if what:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def mount(source: str | Path, target: Path, kind: str, flags: int = 0, options: str = "") -> None:
    """Call mount(2)."""
    texts = [os.fsencode(text) for text in (source, target, kind)]
    call(LIBC.mount(*texts, ctypes.c_ulong(flags), os.fsencode(options)))


def bind(path: Path, root: Path, read_only: bool = True) -> None:
    """Let a file or folder, or what a link leads to, be seen at its place below the new root."""
    target = root / path.relative_to("/")
    if path.is_dir():
        made(target)
    else:
        made(target.parent)
        target.touch()
    mount(path, target, "", BIND)
    if read_only:
        attributes = struct.pack("QQQQ", READ_ONLY, 0, 0, 0)
        where = os.fsencode(target)
        size = ctypes.c_size_t(len(attributes))
        call(LIBC.syscall(MOUNT_SETATTR, -100, where, RECURSIVE, attributes, size))


def made(folder: Path) -> Path:
    """The folder, which is there afterwards."""
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def use_loopback() -> None:
    """Switch on the network of this machine with itself: kernels are spoken to by it."""
    with socket.socket() as s:
        fcntl.ioctl(s, 0x8914, struct.pack("16sh14x", b"lo", 1))  # SIOCSIFFLAGS, IFF_UP


def drop_rights(user: int) -> None:
    """Become an ordinary user for good."""
    if user:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    else:
        call(LIBC.prctl(SECURE_BITS, *map(ctypes.c_ulong, (NO_ROOT, 0, 0, 0))))
    call(LIBC.prctl(NO_NEW_PRIVILEGES, *map(ctypes.c_ulong, (1, 0, 0, 0))))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]), sys.argv[2:])
