"""Drawn chests with their lungs: a labelled stand-in where there are no X-rays."""

from typing import NamedTuple

import numpy as np


class Phantoms(NamedTuple):
    """Drawn X-rays and their lung masks.

    Attributes:
        x: (n, size, size, 1), float32, from 0 (black) to 1 (white).
        y: (n, size, size, 1), uint8, 1 where there is lung.
    """

    x: np.ndarray
    y: np.ndarray


def chest_phantoms(n: int, rng: np.random.Generator, size: int = 128) -> Phantoms:
    """Draw n pictures that look like chest X-rays from afar.

    Trunk, lungs, heart, diaphragm and bones vary in size and place; so do exposure, tilt, black
    borders, shadows in the lungs and noise. As in the masks of lung_xray_256.npz, the lung behind
    the heart counts as lung.

    Args:
        n: how many.
        rng: random generator; the same one draws the same pictures.
        size: side of each picture, in pixels.
    """
    pixels = (np.arange(size) + 0.5) / size * 2 - 1
    u, v = np.meshgrid(pixels, pixels)
    drawn = [_phantom(u, v, rng) for _ in range(n)]
    x = np.stack([one.picture for one in drawn])[..., None]
    y = np.stack([one.mask for one in drawn])[..., None]
    return Phantoms(x.astype(np.float32), y.astype(np.uint8))


class _Phantom(NamedTuple):
    picture: np.ndarray  # (rows, columns), 0 to 1
    mask: np.ndarray  # (rows, columns), bool


class _Lungs(NamedTuple):
    density: np.ndarray  # (rows, columns), 1 inside, with a soft rim
    mask: np.ndarray  # (rows, columns), bool


def _phantom(u: np.ndarray, v: np.ndarray, rng: np.random.Generator) -> _Phantom:
    """Draw on pixel centres u (to the right) and v (down), both from -1 to 1."""
    tilt = rng.normal(0, 0.05)
    zoom = rng.uniform(0.8, 1.15)
    lit = _lit(u, v, rng)
    u = u - rng.normal(0, 0.06)
    v = v - rng.normal(0, 0.06)
    across = (u * np.cos(tilt) + v * np.sin(tilt)) / zoom
    down = (v * np.cos(tilt) - u * np.sin(tilt)) / zoom
    trunk = _trunk(across, down, rng)
    dome = rng.uniform(0.35, 0.6)  # height of the diaphragm
    lungs = _lungs(across, down, dome, rng)
    bones = _bones(across, down, trunk, rng)
    heart = _heart(across, down, dome, rng)
    shadows = _shadows(across, down, rng)
    air = rng.uniform(0.3, 0.45) * lungs.density
    soft = (0.22 * heart + shadows) * (0.3 + 0.7 * lungs.density)
    x = 0.62 * np.clip(trunk, 0, 1) - air + soft + bones
    return _Phantom(_exposed(x, down, rng) * lit, lungs.mask & lit)


def _blob(
    u: np.ndarray,
    v: np.ndarray,
    centre: tuple[float, float],
    radii: tuple[float, float],
    power: float = 2.0,
) -> np.ndarray:
    """1 inside a rounded shape, 0 outside, with a soft rim; power 2 is an ellipse, more is boxy."""
    x0, y0 = centre
    rx, ry = radii
    r = (np.abs((u - x0) / rx) ** power + np.abs((v - y0) / ry) ** power) ** (1 / power)
    return 1 / (1 + np.exp(np.clip((r - 1) * 25, -50, 50)))


def _lit(u: np.ndarray, v: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Where the X-rays were let through; outside there is a black border."""
    inside = np.abs(u) < rng.uniform(0.85, 1.1)
    return inside & (np.abs(v) < rng.uniform(0.85, 1.1))


def _trunk(u: np.ndarray, v: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    chest = _blob(u, v, (0, 0.5), (rng.uniform(0.85, 1), 1.3), 3.5)
    return chest + 0.6 * _blob(u, v, (0, -0.9), (0.25, 0.4))


def _lungs(u: np.ndarray, v: np.ndarray, dome: float, rng: np.random.Generator) -> _Lungs:
    density = np.zeros_like(u)
    mask = np.zeros_like(u, bool)
    for side in (-1, 1):
        x0 = side * rng.uniform(0.4, 0.46)
        wide = rng.uniform(0.27, 0.36)
        top = rng.uniform(-0.8, -0.65)
        base = dome + 0.06 * side + 0.8 * (u - 0.9 * x0) ** 2  # falls off to the sides
        shape = _blob(u, v, (x0, dome), (wide, dome - top), 2.3)
        shape = shape / (1 + np.exp(np.clip((v - base) * 40, -50, 50)))
        density = density + shape
        mask = mask | (shape > 0.5)
    return _Lungs(density, mask)


def _bones(u: np.ndarray, v: np.ndarray, trunk: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Ribs, spine and collar bones."""
    ribs = np.zeros_like(u)
    for k in range(10):
        height = v - (k - 4) * 0.17 - 0.25 * u**2 + 0.12 * np.abs(u)
        ribs = ribs + np.exp(-((height / 0.022) ** 2))
    spine = 0.25 * np.exp(-((u / 0.07) ** 2))
    bones = 0.10 * rng.uniform(0.4, 1.4) * ribs * trunk + spine
    for side in (-1, 1):
        height = v + 0.75 - 0.25 * (u - side * 0.4) * side
        bones = bones + 0.15 * np.exp(-((height / 0.035) ** 2)) * (side * u > 0.05)
    return bones


def _heart(u: np.ndarray, v: np.ndarray, dome: float, rng: np.random.Generator) -> np.ndarray:
    centre = (rng.uniform(0.08, 0.16), dome - 0.22)
    return _blob(u, v, centre, (rng.uniform(0.24, 0.34), rng.uniform(0.24, 0.32)))


def _shadows(u: np.ndarray, v: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Up to four round opacities."""
    shadows = np.zeros_like(u)
    for _ in range(rng.integers(0, 5)):
        strength = rng.uniform(0, 0.3)
        squared = (u - rng.uniform(-0.6, 0.6)) ** 2 + (v - rng.uniform(-0.3, 0.5)) ** 2
        shadows = shadows + strength * np.exp(-squared / 0.03)
    return shadows


def _exposed(x: np.ndarray, v: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Vary brightness, its slope from top to bottom and contrast, and add noise."""
    x = x + rng.uniform(-0.08, 0.08) + rng.normal(0, 0.1) * v
    x = np.clip(x, 1e-3, 1) ** np.exp(rng.normal(0, 0.25))
    x = x + rng.normal(0, rng.uniform(0.01, 0.04), x.shape)
    return np.clip(x, 0, 1)
