"""A picture of any kind in, also a DICOM file: grey values out."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps

SMALLEST = 16  # pixels a side
ROUNDING = 1e-6  # how far values may lie outside of 0 to 1, or apart, and count as the same
LUMINANCE = np.array([0.299, 0.587, 0.114])  # of red, green and blue
GREY = ("L", "F", "I", "I;16", "I;16L", "I;16B", "I;16N")  # Pillow's modes with grey values
DICOM_ENDINGS = (".dcm", ".dicom")
Picture = np.ndarray | Image.Image | str | Path


def as_grey(image: Picture) -> torch.Tensor:
    """Read an X-ray as grey values.

    Unsigned integers of 8 or 16 bits are divided by their largest possible value. Numbers from 0
    to 1 stay as they are; all others (DICOM's 16 bits with a sign, 0.0 to 255.0) are scaled so
    that the smallest becomes 0 and the largest 1. Colours become their luminance. Transparency is
    left aside, unless the picture has a single colour and lies in its transparency alone.

    Args:
        image: (rows, columns) or (rows, columns, 1, 3 or 4); a PIL image; or the path of a
            picture or of a DICOM file, for which pydicom is needed.

    Returns:
        (rows, columns), float32.

    Raises:
        ValueError: the image is anything else, smaller than 16 pixels a side, the same
            everywhere, or holds values that are not finite; or pydicom is missing.
    """
    array = _as_array(image)
    _check_picture(array)
    scale = _full_scale(array)
    grey = _in_one_channel(array.astype(np.float64) / scale)
    low = grey.min()
    high = grey.max()
    if high - low <= ROUNDING * max(1, abs(high)):
        raise ValueError(f"the image is {low * scale:g} everywhere: there is nothing to see in it")
    if low < -ROUNDING or high > 1 + ROUNDING:
        grey = (grey - low) / (high - low)
    return torch.from_numpy(grey.clip(0, 1).astype(np.float32))


def _as_array(image: Picture) -> np.ndarray:
    if isinstance(image, str | Path):
        image = _read_dicom(image) if _is_dicom(Path(image)) else _open(image)
    if isinstance(image, Image.Image) and image.mode not in GREY:
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    return np.asarray(image)


def _open(path: str | Path) -> Image.Image:
    try:
        with Image.open(path) as picture:
            return ImageOps.exif_transpose(picture)
    except Exception as e:  # a damaged file makes Pillow raise errors of many kinds
        raise ValueError(f"{path} cannot be read as a picture ({type(e).__name__})") from None


def _is_dicom(path: Path) -> bool:
    """Tell by the name's ending, or by the mark DICM after the first 128 bytes."""
    if path.suffix.lower() in DICOM_ENDINGS:
        return True
    if not path.is_file():
        return False
    with open(path, "rb") as file:
        return file.read(132)[128:] == b"DICM"


def _read_dicom(path: str | Path) -> np.ndarray:
    """Read a grey DICOM picture as it is meant to be seen: rescaled, windowed, bright for dense."""
    try:
        import pydicom
        from pydicom.pixels import apply_rescale, apply_voi_lut
    except ImportError:
        raise ValueError(f"{path} is a DICOM file: pip install pydicom to read it") from None
    try:
        file = pydicom.dcmread(path)
        kind = file.PhotometricInterpretation
        values = apply_rescale(file.pixel_array, file)
        if kind.startswith("MONOCHROME"):
            values = apply_voi_lut(values, file).astype(np.float64)
    except Exception as e:  # a damaged file makes pydicom raise errors of many kinds
        raise ValueError(f"{path} cannot be read as DICOM ({type(e).__name__}: {e})") from e
    if not kind.startswith("MONOCHROME"):
        raise ValueError(f"{path} is a DICOM image of kind {kind}; an X-ray is MONOCHROME1 or 2")
    return values.max() - values if kind == "MONOCHROME1" else values


def _check_picture(a: np.ndarray) -> None:
    pictured = a.ndim == 2 or (a.ndim == 3 and a.shape[2] in (1, 3, 4))
    if a.dtype.kind not in "fuib" or not pictured:
        raise ValueError(
            "an image is numbers of shape (rows, columns) or (rows, columns, 1, 3 or 4), not "
            f"{a.dtype} {a.shape}"
        )
    if min(a.shape[:2]) < SMALLEST:
        found = f"the image has {a.shape[0]} x {a.shape[1]} pixels"
        raise ValueError(f"{found}; allowed are {SMALLEST} or more a side")
    if not np.isfinite(a).all():
        raise ValueError(f"the image holds NaN or infinity: shape {a.shape}")


def _full_scale(a: np.ndarray) -> int:
    """The value that means white; 1 where the range of the numbers has to tell."""
    if a.dtype.kind == "u" and a.dtype.itemsize <= 2:
        return 255 if a.dtype.itemsize == 1 else 65535
    return 1


def _in_one_channel(a: np.ndarray) -> np.ndarray:
    """Reduce (rows, columns) or (rows, columns, 1, 3 or 4) to (rows, columns)."""
    if a.ndim == 2:
        return a
    if a.shape[2] == 1:
        return a[..., 0]
    grey = a[..., :3] @ LUMINANCE
    return _laid_on_ground(grey, a[..., 3]) if a.shape[2] == 4 else grey


def _laid_on_ground(grey: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Lay a picture of one colour on black, or on white if it is dark; others stay as they are."""
    visible = grey[alpha > 0]
    if visible.size == 0 or np.ptp(visible) > ROUNDING or np.ptp(alpha) == 0:
        return grey
    white = max(1.0, alpha.max())
    opacity = alpha / white
    ground = 0.0 if visible[0] > white / 2 else white
    return opacity * grey + (1 - opacity) * ground
