"""Write mnist_train.csv and mnist_test.csv beside this file, from MNIST's four IDX files.

They are taken from $COURSEWORK_DATA/mnist/*.gz if they are there, and downloaded otherwise; either
way the unpacked bytes must have the known SHA-256. It runs with Python's standard library alone.
"""

import gzip
import hashlib
import os
import struct
import sys
import urllib.request
import zlib
from pathlib import Path

HERE = Path(__file__).resolve().parent
MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
FILES = {  # name: SHA-256 of the unpacked file
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}


def unpacked(name, sha256):
    """The bytes of one IDX file.

    raises  OSError or ValueError, with what was tried, if no source has the right bytes
    """
    local = Path(os.environ.get("COURSEWORK_DATA") or "/nowhere") / "mnist" / f"{name}.gz"
    sources = [local] if local.exists() else [f"{mirror}{name}.gz" for mirror in MIRRORS]
    trouble = []
    for source in sources:
        try:
            if isinstance(source, Path):
                packed = source.read_bytes()
            else:
                say(f"downloading {source}")
                with urllib.request.urlopen(source, timeout=60) as answer:
                    packed = answer.read()
            content = gzip.decompress(packed)
        except (OSError, EOFError, zlib.error) as e:
            trouble.append(f"{source}: {e}")
            continue
        if hashlib.sha256(content).hexdigest() == sha256:
            return content
        trouble.append(f"{source}: not the MNIST file (its SHA-256 differs)")
    raise OSError("; ".join(trouble))


def rows(images, labels):
    """The lines `label,p0,...` of two IDX files given as bytes.

    raises  ValueError for a wrong magic number or sizes that do not fit
    """
    magic, count, height, width = struct.unpack(">4I", images[:16])
    label_magic, label_count = struct.unpack(">2I", labels[:8])
    size = height * width
    if (magic, label_magic) != (2051, 2049) or label_count != count:
        raise ValueError(
            f"not a pair of IDX files: magic {magic}, {label_magic}, counts {count}, {label_count}"
        )
    if len(images) != 16 + count * size or len(labels) != 8 + count:
        raise ValueError("an IDX file is cut off")
    text = [str(value) for value in range(256)]
    for i in range(count):
        pixels = images[16 + i * size : 16 + (i + 1) * size]
        yield f"{labels[8 + i]},{','.join(map(text.__getitem__, pixels))}\n"


def write_csv(path, lines):
    """Write the file whole or not at all."""
    part = path.with_name(f".{path.name}.part")
    try:
        with open(part, "w", encoding="ascii", newline="\n") as file:
            file.writelines(lines)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def say(text):
    print(text, file=sys.stderr, flush=True)


def main():
    content = {name: unpacked(name, sha256) for name, sha256 in FILES.items()}
    for target, prefix in (("mnist_train.csv", "train"), ("mnist_test.csv", "t10k")):
        say(f"writing {target}")
        images = content[f"{prefix}-images-idx3-ubyte"]
        labels = content[f"{prefix}-labels-idx1-ubyte"]
        write_csv(HERE / target, rows(images, labels))


if __name__ == "__main__":
    try:
        main()
    except (OSError, ValueError) as e:
        sys.exit(f"get_data.py: {e}")
