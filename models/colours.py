"""How do a picture's colours become sRGB: by its ICC profile, or by the codes of its format?"""

from __future__ import annotations

import io
import struct
from functools import lru_cache

import numpy as np
from PIL import Image, ImageCms

from models.headers import Told

_PQ_AND_HLG = (16, 18)  # transfer characteristics of ITU-T H.273
_GAMMAS = {4: 2.2, 5: 2.8, 8: 1.0}
_Xyz = tuple[float, float, float]
# Colour primaries of ITU-T H.273 that sRGB does not hold: a name, then X, Y, Z of red, green and blue for the
# white D50, adapted by Bradford's matrix as ICC.1:2022 asks.
_PRIMARIES: dict[int, tuple[str, tuple[_Xyz, _Xyz, _Xyz]]] = {
    9: ("BT.2020", ((0.6735, 0.2790, -0.0019), (0.1657, 0.6753, 0.0300), (0.1251, 0.0456, 0.7968))),
    12: ("Display P3", ((0.5151, 0.2412, -0.0011), (0.2919, 0.6922, 0.0419), (0.1572, 0.0666, 0.7841))),
}


def made_profile(name: str, primaries: tuple[_Xyz, _Xyz, _Xyz], gamma: float | None) -> bytes:
    """A matrix profile (ICC.1:2022, 8.3.3): three primaries, X, Y, Z, and sRGB's curve or a gamma.

    sRGB's stands for BT.709's too: pictures marked so are made on displays, not by cameras.
    """

    def fixed(*values: float) -> bytes:
        return struct.pack(f">{len(values)}i", *(round(value * 65536) for value in values))

    text = name.encode("utf-16-be")
    label = b"mluc" + bytes(4) + struct.pack(">II4sII", 1, 12, b"enUS", len(text), 28) + text
    srgb = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
    numbers = srgb if gamma is None else (gamma,)
    curve = b"para" + bytes(4) + struct.pack(">HH", 3 if gamma is None else 0, 0) + fixed(*numbers)
    white = fixed(0.9642, 1.0, 0.8249)
    tags = {b"desc": label, b"cprt": label, b"wtpt": b"XYZ " + bytes(4) + white}
    for channel, xyz in zip((b"r", b"g", b"b"), primaries, strict=True):
        tags |= {channel + b"XYZ": b"XYZ " + bytes(4) + fixed(*xyz), channel + b"TRC": curve}
    table, body = b"", b""
    for key, value in tags.items():
        table += key + struct.pack(">II", 132 + 12 * len(tags) + len(body), len(value))
        body += value + bytes(-len(value) % 4)
    head = bytes(4) + b"\x04\x40\0\0mntrRGB XYZ " + bytes(12) + b"acsp" + bytes(28) + white + bytes(48)
    rest = head + struct.pack(">I", len(tags)) + table + body
    return struct.pack(">I", len(rest) + 4) + rest


def to_srgb(
    image: Image.Image, profile: bytes | None, told: Told
) -> tuple[Image.Image, Image.Image | None, list[str]]:
    """The picture in mode RGB, its alpha (L) where it has one, and what was done about colours."""
    alpha = None
    if image.mode == "La":  # Pillow knows no other way from premultiplied grey
        image = image.convert("LA")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        alpha = image.getchannel("A")
        image = image.convert("RGB")
    elif image.mode not in {"RGB", "L", "CMYK", "LAB"}:
        image = image.convert("L" if image.mode == "1" else "RGB")
    nclx = image.info.get("nclx_profile") or {}
    primaries = nclx.get("color_primaries", told.primaries)
    transfer = nclx.get("transfer_characteristics", told.transfer)
    if not profile and transfer not in _PQ_AND_HLG and primaries in _PRIMARIES:
        profile = made_profile(*_PRIMARIES[primaries], _GAMMAS.get(transfer))
    if profile:
        converted, note = _through_profile(image, profile)
    elif image.mode == "LAB":
        converted, note = _through_lab(image), ["Colours were converted from CIELAB to sRGB."]
    elif image.mode == "CMYK":
        converted, note = (
            image.convert("RGB"),
            ["CMYK without a colour profile: the colours are approximate."],
        )
    else:
        hdr = transfer in _PQ_AND_HLG
        converted = image if image.mode == "RGB" else image.convert("RGB")
        note = ["HDR without a colour profile: brightness and colours look flat."] if hdr else []
    return converted, alpha, note


def _through_lab(image: Image.Image) -> Image.Image:
    lab = ImageCms.createProfile("LAB")
    return _transformed(image, ImageCms.ImageCmsProfile(lab))


def _through_profile(image: Image.Image, profile: bytes) -> tuple[Image.Image, list[str]]:
    """Through the file's ICC profile; a profile that says sRGB changes nothing."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        space = source.profile.xcolor_space.strip()
        if space == "RGB" and image.mode == "L":
            image = image.convert("RGB")
        if space == "GRAY" and image.mode == "RGB":  # a grey picture that was stored as palette or with alpha
            image = image.convert("L")
        if image.mode == "RGB" and _is_srgb(profile):
            return image, []
        converted = _transformed(image, source)
        name = " ".join(ImageCms.getProfileDescription(source).split()) or "its colour profile"
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return image.convert("RGB"), ["Its colour profile cannot be used; the colours are taken as sRGB."]
    if image.mode == "L" and np.array_equal(np.asarray(converted)[..., 0], np.asarray(image)):
        return converted, []
    return converted, [f"Colours were converted from {name} to sRGB."]


def _transformed(image: Image.Image, source: ImageCms.ImageCmsProfile) -> Image.Image:
    transform = ImageCms.buildTransform(
        source, _srgb(), image.mode, "RGB", ImageCms.Intent.PERCEPTUAL, ImageCms.Flags.BLACKPOINTCOMPENSATION
    )
    converted = transform.apply(image)
    converted.info.pop("icc_profile", None)
    return converted


@lru_cache(maxsize=1)
def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


@lru_cache(maxsize=8)
def _is_srgb(profile: bytes) -> bool:
    """Whether an RGB profile moves no colour of a lattice by more than two levels.

    Its behaviour is asked, not its name: there are dozens of names for sRGB.
    """
    steps = np.linspace(0, 255, 9).round().astype(np.uint8)
    lattice = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(27, 27, 3)
    moved = _transformed(Image.fromarray(lattice), ImageCms.ImageCmsProfile(io.BytesIO(profile)))
    return int(np.abs(np.asarray(moved, dtype=np.int16) - lattice).max()) <= 2
