"""How does a foreign checkpoint become a codec of this machine, and what does exact coding cost it?"""

from __future__ import annotations

import datetime
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch.nn import functional

from models import metrics, weights
from models.bench import bench_picture
from models.bitstream.container import NETWORKS, parse
from models.codec import Rate
from models.errors import WeightsError
from models.importing.convert import Converted, convert
from models.importing.loss import ExactLoss
from models.learned import LearnedCodec
from models.networks.stored import to_json
from models.picture import Picture
from models.watch import QUIET, Watch

SIDE = 256  # pixels of the photograph everything is measured on
_ID = re.compile(r"[a-z0-9-]+(:[a-z0-9-]+)?")
RECIPE = "imported"


@dataclass(frozen=True)
class Installed:
    """An imported codec. found: one line about the network; rungs: how many rates its id has now."""

    file: weights.WeightsFile
    found: str
    loss: ExactLoss
    rungs: int


def install(path: Path, id: str = "", watch: Watch = QUIET) -> Installed:
    """Convert a checkpoint, measure it and put it where `models.weights` looks first.

    id: what it will be called ("elic", "elic-5:mine"), "" for what its layout is nearest to; without a size
    it is ":paper". Raises WeightsError in one line, and has then installed nothing; OutputError.
    """
    wanted = _full_id(id) if id else ""
    watch.step("reading the checkpoint", 0.0)
    found = convert(path)
    codec = wanted or _full_id(found.layout.codec)
    others = serving(codec)
    _check_others(codec, others, found)
    card = card_for(found, codec, path.name)
    with tempfile.TemporaryDirectory(prefix="hflic-") as folder:
        watch.step("making the tables", 0.2)
        trial = weights.save(found.network, card, Path(folder) / f"trial{weights.SUFFIX}", half=False)
        loss = measure(LearnedCodec(trial), watch)
    watch.step("installing", 0.9)
    card = replace(
        card, validation=(loss.row(),), validation_data=f"{SIDE} x {SIDE} of matplotlib's sample photo"
    )
    name = f"{codec.replace(':', '-')}-{trial.fingerprint[:8]}{weights.SUFFIX}"
    file = weights.save(found.network, card, weights.own() / name, half=False)
    rungs = {other.fingerprint for other in others} | {file.fingerprint}
    return Installed(file, found.describe(), loss, len(rungs))


def card_for(found: Converted, codec: str, file: str) -> weights.Card:
    """What is known about a checkpoint's weights; `file`: its name."""
    return weights.Card(
        codec=codec,
        network=f"{RECIPE}: {found.layout.name}",
        recipe=RECIPE,
        steps=0,
        hours=0.0,
        data="as its authors say",
        licence=f"its authors': see {found.layout.source}",
        revision=file,
        created=datetime.datetime.now(datetime.UTC).date().isoformat(),
        configuration=to_json(found.layout.config),
    )


def serving(codec: str) -> list[weights.WeightsFile]:
    """The weights here under exactly this id."""
    return [file for file in weights.available() if file.card.codec == codec]


def _full_id(id: str) -> str:
    base = id.partition(":")[0]
    if not _ID.fullmatch(id) or base not in NETWORKS.values():
        known = ", ".join(NETWORKS.values())
        raise WeightsError(f"'{id}' cannot be the id of a network: take {known}, or one of these and ':name'")
    return id if ":" in id else f"{id}:paper"


def _check_others(codec: str, others: Sequence[weights.WeightsFile], found: Converted) -> None:
    """Refuse an id that means something else already."""
    for other in others:
        if not other.card.configuration:
            raise WeightsError(
                f"'{codec}' has weights trained by this program ({other.path.name}): choose another id, "
                f"for example --as {codec.partition(':')[0]}:mine"
            )
        if other.card.network != f"{RECIPE}: {found.layout.name}":
            raise WeightsError(
                f"'{codec}' has weights of another network ({other.card.network}): choose another id, "
                f"for example --as {codec.partition(':')[0]}:mine"
            )


@torch.inference_mode()
def measure(codec: LearnedCodec, watch: Watch = QUIET, picture: Picture | None = None) -> ExactLoss:
    """Code a photograph with the float model and with the exact one. Raises CodecError, WeightsError."""
    picture = picture or bench_picture(SIDE, SIDE)
    watch.step("coding with the float model", 0.4)
    float_bits, float_pixels = _with_floats(codec, picture)
    watch.step("coding exactly", 0.6)
    encoding = codec.encode(picture, Rate(quality=100))
    watch.step("decoding exactly", 0.75)
    decoded = codec.decode(encoding.data)
    pixels = picture.width * picture.height
    return ExactLoss(
        float_bpp=float_bits / pixels,
        exact_bpp=8 * len(parse(encoding.data).payload) / pixels,
        float_psnr=metrics.compute("psnr", picture, float_pixels),
        exact_psnr=metrics.compute("psnr", picture, decoded),
        bpp=encoding.bpp,
    )


def _with_floats(codec: LearnedCodec, picture: Picture) -> tuple[float, Picture]:
    """Bits by the likelihoods of the float model, as its authors evaluate it, and its pixels."""
    network = codec.network
    x = torch.from_numpy(picture.pixels).permute(2, 0, 1)[None].float() / 255
    below, right = -picture.height % 64, -picture.width % 64
    padded = functional.pad(x, (0, right, 0, below), mode="replicate") if below or right else x
    top = network.config.ladder.top if network.config.ladder is not None else 0.0
    out = network(padded.to(codec.device), torch.tensor([top], device=codec.device), hard=True)
    levels = (out.x_hat[0, :, : picture.height, : picture.width].cpu() * 255).round().clamp(0, 255)
    bits = float(out.y_bits.sum() + out.z_bits.sum())
    return bits, Picture(levels.to(torch.uint8).permute(1, 2, 0).contiguous().numpy())
