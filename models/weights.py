"""Where weights come from, how they are checked, and how a network becomes a weights file."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from models import eight_bit as packing
from models.assets import asset_folder
from models.bitstream.container import NETWORKS
from models.errors import WeightsError
from models.files import write_file
from models.listed import TABLE_PREFIX, Listed, check, listed, parameters
from models.paths import own_folder, there

if TYPE_CHECKING:
    from torch import Tensor

    from models.bitstream.latents import EntropyData
    from models.bitstream.tables import Tables
    from models.networks.base import CompressionNetwork
    from models.networks.builders import NetworkConfig

SUFFIX = ".safetensors"
_MAX_BYTES = 4 << 30
_CARD_TYPES: dict[str, Any] = {"str": str, "int": int, "float": int | float, "dict[str, Any]": dict}
_FINGERPRINT = re.compile("[0-9a-f]{64}")


_File = TypeVar("_File")


@dataclass(frozen=True)
class Card:
    """What is known about a set of weights.

    codec: the id it serves ("elic:lite"); network: its name in models.networks.builders; steps, hours:
    training so far, hours of wall clock; validation: rows of {"quality", "bpp", "psnr"} from real files;
    losses: {"step", "crops", "train": parts of the loss by name, "validation": the same} on crops of
    training photographs and of others, {} in older cards; configuration: of an imported network, which has
    no name there, all its widths (models.networks.stored), else {}.
    """

    codec: str
    network: str
    recipe: str
    steps: int
    hours: float
    data: str
    licence: str
    revision: str
    created: str
    validation: tuple[dict[str, float], ...] = ()
    validation_data: str = ""
    notes: str = ""
    extra: dict[str, Any] = field(default_factory=dict)
    losses: dict[str, Any] = field(default_factory=dict)
    configuration: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class WeightsFile:
    """A weights file that was found; nothing but its header has been read."""

    path: Path
    card: Card
    fingerprint: str

    @property
    def name(self) -> str:
        """The file's name without suffix."""
        return self.path.name.removesuffix(SUFFIX)


def folders() -> tuple[Path, ...]:
    """Folders searched for weights, first hit wins: HFLIC_WEIGHTS, the person's own, the shipped."""
    return (*_own_folders(), asset_folder() / "weights")


def own() -> Path:
    """Where weights go that come later. Raises WeightsError where no home is known."""
    for folder in _own_folders():
        return folder
    raise WeightsError("there is no folder for weights, as no home is known: set HOME or HFLIC_WEIGHTS")


def where_to_put() -> str:
    """The folder for a person's own weights, in words."""
    return str(next(iter(_own_folders()), "a folder that HFLIC_WEIGHTS names"))


def _own_folders() -> tuple[Path, ...]:
    chosen = os.environ.get("HFLIC_WEIGHTS")
    data = own_folder("data")
    return (*((Path(chosen),) if chosen else ()), *((data / "weights",) if data else ()))


def read_metadata(path: Path) -> dict[str, Any]:
    """The texts in a safetensors file's header. Raises OSError, ValueError, KeyError for anything else."""
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= min(size - 8, 32 << 20):
            raise ValueError("no safetensors header")
        metadata: dict[str, Any] = json.loads(file.read(length))["__metadata__"]
    return metadata


def read_card(text: str) -> Card:
    """A card from its JSON. Raises ValueError, KeyError, TypeError where it is none."""
    values = json.loads(text)
    values["validation"] = tuple(values.get("validation", ()))
    known = {part.name for part in fields(Card)}  # later programs may tell more
    card = Card(**{name: value for name, value in values.items() if name in known})
    for part in fields(card):
        if not isinstance(getattr(card, part.name), _CARD_TYPES.get(str(part.type), object)):
            raise ValueError(f"{part.name} is no {part.type}")
    if card.codec.partition(":")[0] not in NETWORKS.values():
        raise ValueError(f"no codec {card.codec!r}")
    return card


def checked_fingerprint(text: str) -> str:
    """The text, where it is a fingerprint. Raises ValueError."""
    if not _FINGERPRINT.fullmatch(text):
        raise ValueError("no fingerprint")
    return text


def read_header(path: Path) -> WeightsFile:
    """The card and fingerprint of a file. Raises WeightsError for a damaged or foreign one."""
    try:
        metadata = read_metadata(path)
        card = read_card(metadata["card"])
        return WeightsFile(path, card, checked_fingerprint(metadata["fingerprint"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise WeightsError(f"{path.name} is not a weights file of this program ({error})") from error


def files(folder: Path, suffix: str = SUFFIX) -> tuple[Path, ...]:
    """Such files by name; none where the folder is not there or cannot be looked at."""
    with contextlib.suppress(OSError):
        return tuple(sorted(folder.glob(f"*{suffix}")))
    return ()


def contents(folder: Path, suffix: str = SUFFIX) -> tuple[tuple[str, int, int], ...]:
    """Name, time of the last change in nanoseconds and bytes of each such file; none where no folder is."""
    found = []
    for path in files(folder, suffix):
        with contextlib.suppress(OSError):  # gone meanwhile
            seen = path.stat()
            found.append((path.name, seen.st_mtime_ns, seen.st_size))
    return tuple(found)


@cache
def _scan(folder: Path, suffix: str, read: Callable[[Path], _File], _stamp: object) -> tuple[_File, ...]:
    found = []
    for path in files(folder, suffix):
        try:
            found.append(read(path))
        except WeightsError:
            continue
    return tuple(found)


def usable(suffix: str, read: Callable[[Path], _File]) -> tuple[_File, ...]:
    """Every file that `read` takes, in the order of `folders`; looked for again where a file has changed.

    read: raises WeightsError for a damaged or foreign file, which is left out.
    """
    found: list[_File] = []
    for folder in folders():
        if there(folder.is_dir):
            found += _scan(folder, suffix, read, contents(folder, suffix))
    return tuple(found)


def available() -> tuple[WeightsFile, ...]:
    """Every usable weights file, in the order of `folders`. Damaged files are left out."""
    return usable(SUFFIX, read_header)


# What a base id may stand for, best first. HFLIC begins as its network trained on squared error: until
# the perceptual stage has weights, the id gives those, and says so by the codec it reports.
_STANDS_FOR = {"hflic": ("hflic", "hflic-mse")}


def candidates(id: str) -> tuple[str, ...]:
    """The exact codec ids ("elic:paper") an id may be served by, best first."""
    base, _, size = id.partition(":")
    bases = _STANDS_FOR.get(base, (base,))
    sizes = (size,) if size else ("paper", "lite")
    return tuple(f"{b}:{s}" for b in bases for s in sizes)


def find(id: str) -> WeightsFile:
    """The weights that serve a codec id best. Raises WeightsError where there are none."""
    present = available()
    for wanted in candidates(id):
        for file in present:
            if file.card.codec == wanted:
                return file
    for file in present:  # imported under a name of their own
        if file.card.configuration and file.card.codec.partition(":")[0] == id:
            return file
    raise WeightsError(f"no weights for '{id}' here: {_how_to_get(id)}")


def _how_to_get(id: str) -> str:
    from models.fetch import ZOO

    base, _, size = id.partition(":")
    if base in ZOO:
        metric = f" --metric {size}" if size == "ms-ssim" else ""
        return f"fetch CompressAI's with 'hflic models fetch {base}:4{metric}' (over the network)"
    return f"train them with 'hflic train', or put a weights file into {where_to_put()}"


def missing(id: str) -> str:
    """Why a learned codec cannot be used here and what to do, "" where it can. Reads headers only."""
    try:
        find(id)
    except WeightsError as error:
        return str(error)
    return ""


def by_fingerprint(prefix: bytes, network: str) -> WeightsFile:
    """The weights a .hflic file was made with. Raises WeightsError that says which ones it needs."""
    for file in available():
        if bytes.fromhex(file.fingerprint).startswith(prefix):
            return file
    raise WeightsError(
        f"this file needs the {network} weights {prefix.hex()}, which are not here: "
        f"put them into {where_to_put()}"
    )


def fingerprint_of(tensors: dict[str, Any]) -> str:
    """The SHA-256 of tensors by name, in hexadecimal; equal tensors have equal ones."""
    hasher = hashlib.sha256()
    for name in sorted(tensors):
        value = np.ascontiguousarray(tensors[name])
        hasher.update(f"{name} {value.dtype.str} {value.shape}\n".encode())
        hasher.update(value.tobytes())
    return hasher.hexdigest()


def as_stored(name: str, value: Tensor) -> Tensor:
    """A parameter in the precision a weights file has for it: float32 for gains and bottleneck, else half."""
    kept = value.detach().float()
    return kept if name.startswith(("gain.", "entropy_bottleneck.")) else kept.half()


def checkerboards(network: CompressionNetwork) -> dict[str, Any]:
    """Of each weight with unused taps, by name: which of its taps are used, (taps,) bool."""
    from models.networks.context import CheckerboardConv

    return {
        f"{name}.weight": module.mask.flatten().bool()
        for name, module in network.named_modules()
        if isinstance(module, CheckerboardConv)
    }


def save(
    network: CompressionNetwork,
    card: Card,
    path: Path,
    *,
    half: bool = True,
    eight_bit: str | tuple[str, ...] = "",
    y_tables: Tables | None = None,
) -> WeightsFile:
    """Write a weights file: float16 tensors (gains and bottleneck float32), the integer tables, the card.

    `half` False keeps all tensors float32, as the author of an imported network published them. Kernels
    whose names begin with `eight_bit` take a byte a value (models.eight_bit); none do where it is "". The
    taps a checkerboard never uses are left out. `y_tables` take the place of those of the network's
    distribution. Written under a temporary name and renamed. Raises
    WeightsError, and writes nothing, where the sums of the entropy networks could pass 2^53 and would not
    be exact.
    """
    from safetensors.numpy import save as to_bytes

    from models.bitstream.exact import entropy_model

    masks = checkerboards(network)
    tensors: dict[str, Any] = {}
    rounded: dict[str, Tensor] = {}
    for name, value in network.named_parameters():
        if packing.takes(name, value, eight_bit):
            tensors[name], tensors[name + packing.STEP] = (part.numpy() for part in packing.packed(value))
            rounded[name] = packing.unpacked(tensors[name], tensors[name + packing.STEP])
            continue
        kept = as_stored(name, value) if half else value.detach().float()
        rounded[name] = kept.float()
        if name in masks:
            kept = kept.flatten(2)[:, :, masks[name]]
        tensors[name] = kept.contiguous().numpy()
    network.load_state_dict(rounded, strict=False)  # the tables belong to the weights as they are stored
    data = export_entropy_data(network)
    if y_tables is not None:
        data = replace(data, y_tables=y_tables)
    entropy_model(network, data)  # raises where it cannot be exact
    tensors |= {
        f"{TABLE_PREFIX}medians": data.medians.numpy(),
        f"{TABLE_PREFIX}thresholds": data.thresholds,
    }
    for kind, tables in (("y", data.y_tables), ("z", data.z_tables)):
        for part in ("counts", "lengths", "first"):
            tensors[f"{TABLE_PREFIX}{kind}.{part}"] = getattr(tables, part)
    path.parent.mkdir(parents=True, exist_ok=True)
    metadata = {"card": json.dumps(asdict(card), sort_keys=True), "fingerprint": fingerprint_of(tensors)}
    write_file(path, to_bytes(tensors, metadata))
    return read_header(path)


def write_card(card: Card, path: Path) -> None:
    """The card as a JSON file beside the weights, for people."""
    text = json.dumps(asdict(card), indent=2, sort_keys=True) + "\n"
    write_file(path.with_name(path.name.removesuffix(SUFFIX) + ".json"), text.encode())


def export_entropy_data(network: CompressionNetwork) -> EntropyData:
    """Compute the integer tables of a network. The only place where they are made."""
    from models.bitstream import tables
    from models.bitstream.latents import SKIP_BELOW, EntropyData
    from models.networks.base import SCALE_LEVELS, SCALE_MAX, SCALE_MIN

    # Under the smallest scale a logistic symbol is not zero once in fifty: all of them are coded.
    unused = SKIP_BELOW if network.logistic else 0
    scales = np.exp(np.linspace(np.log(SCALE_MIN), np.log(SCALE_MAX), SCALE_LEVELS - unused))
    make = tables.logistic_tables if network.logistic else tables.gaussian_tables
    thresholds = tables.scale_thresholds(scales, log_scale=network.log_scale)
    return EntropyData(
        make(np.concatenate([np.full(unused, SCALE_MIN), scales])),
        tables.bottleneck_tables(network.entropy_bottleneck),
        tables.medians_on_grid(network.entropy_bottleneck),
        np.concatenate([tables.unreached(unused), thresholds]),
    )


def read_tensors(path: Path, fingerprint: str) -> dict[str, Any]:
    """The arrays of a safetensors file by name. Raises WeightsError where they are not those promised."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        if path.stat().st_size > _MAX_BYTES:
            raise WeightsError(f"{path.name} is larger than any weights file")
        tensors: dict[str, Any] = load_file(path)
    except (SafetensorError, OSError, KeyError, TypeError) as error:  # the latter: types NumPy has not
        raise WeightsError(f"{path.name} is damaged: fetch it again ({error})") from error
    if fingerprint_of(tensors) != fingerprint:
        raise WeightsError(f"{path.name} does not match its fingerprint: it is damaged, fetch it again")
    return tensors


def load(file: WeightsFile) -> tuple[CompressionNetwork, EntropyData]:
    """Build the network of a weights file and its tables, after checking every name, shape and type.

    All of these are checked before a tensor is read. Raises WeightsError that names the first mismatch.
    """
    from models.networks import builders

    found = listed(file.path)
    network = builders.build(_config_of(file, found))
    masks = checkerboards(network)
    check(network, masks, found, file.path.name)
    tensors = read_tensors(file.path, file.fingerprint)
    stored = {k.removeprefix(TABLE_PREFIX): v for k, v in tensors.items() if k.startswith(TABLE_PREFIX)}
    network.load_state_dict(parameters(network, tensors, masks), strict=False)
    return network.eval(), _entropy_data(network, stored, file.path.name)


def _config_of(file: WeightsFile, found: dict[str, Listed]) -> NetworkConfig:
    """The configuration that the card names or holds, for the tensors `found` in the file."""
    from models.networks import builders, stored

    if not file.card.configuration:
        if file.card.network not in builders.BUILDERS:
            raise WeightsError(f"{file.path.name} is for the unknown network '{file.card.network}'")
        return _as_published(builders.config(file.card.network), found)
    values = sum(tensor.values for tensor in found.values())
    try:
        config = stored.from_json(file.card.configuration)
        wanted = sum(p.numel() for p in stored.skeleton(config).parameters())
    except WeightsError as error:
        raise WeightsError(f"{file.path.name} is damaged: {error}") from error
    if wanted > 4 * values:  # before memory is taken; only the unused taps of checkerboards are not stored
        raise WeightsError(f"{file.path.name} has {values} values, its network needs {wanted}")
    return config


def _as_published(config: NetworkConfig, found: dict[str, Listed]) -> NetworkConfig:
    """A network of this program, with the rates and latents of its file where that is from before it grew."""
    from models.networks.balle import BalleConfig
    from models.networks.elic import EARLIER_LADDERS, EARLIER_LATENT, LITE_LADDER, ElicConfig, narrower
    from models.networks.rate import GAINS

    gains = found.get(f"{GAINS}log_gain")
    if isinstance(config, BalleConfig) or config.ladder != LITE_LADDER or gains is None:
        return config
    if isinstance(config, ElicConfig) and gains.shape[1:] == (EARLIER_LATENT,):
        config = narrower(config)
    earlier = {len(ladder.lambdas): ladder for ladder in EARLIER_LADDERS}
    return replace(config, ladder=earlier.get(gains.shape[0] if gains.shape else 0, LITE_LADDER))


def _entropy_data(network: CompressionNetwork, stored: dict[str, Any], name: str) -> EntropyData:
    import torch

    from models.bitstream.latents import EntropyData
    from models.bitstream.tables import Tables
    from models.networks.base import SCALE_LEVELS

    y, z = (Tables(*(stored[f"{kind}.{part}"] for part in ("counts", "lengths", "first"))) for kind in "yz")
    data = EntropyData(y, z, torch.from_numpy(stored["medians"]), stored["thresholds"])
    if (len(y.lengths), len(z.lengths)) != (SCALE_LEVELS, len(network.entropy_bottleneck.quantiles)):
        raise WeightsError(
            f"{name} has {len(y.lengths)} and {len(z.lengths)} tables, not those of its network"
        )
    return data
