"""A learned codec: one network, its weights and the exact bitstream behind the Codec protocol."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache, cached_property

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from models import realism, tiling, weights
from models.about import about
from models.bitstream.container import FINGERPRINT_BYTES, QUALITY_STEPS, HflicFile, parse, takes
from models.bitstream.exact import entropy_model
from models.bitstream.latents import CodedLatents, Seen
from models.codec import QUIET, Encoding, Rate, Watch, entry, reach, timed
from models.errors import BitstreamError, CodecError
from models.expected import ExpectedSize
from models.footprint import Footprint
from models.networks import fused
from models.networks.complexity import kmac_per_pixel
from models.picture import Picture
from models.refinement import Refiner, why_not
from models.sizing import reach_slowly

_DOWN = 16  # latents to pixels


def _flat(module: nn.Module) -> Iterable[nn.Module]:
    return module if isinstance(module, nn.Sequential) else (module,)


def _run(stack: nn.Module, x: Tensor, watch: Watch, stage: str) -> Tensor:
    """A stack layer by layer, so that it can be watched and stopped between layers."""
    layers = list(_flat(stack))
    for index, layer in enumerate(layers):
        watch.step(stage, index / len(layers))
        x = fused.run(layer, x, own=index > 0)
    return x


class LearnedCodec:
    """Pictures to .hflic files and back with one set of weights."""

    suffix = ".hflic"

    def __init__(
        self, file: weights.WeightsFile, device: str = "cpu", decoder: realism.DecoderFile | None = None
    ) -> None:
        self.file = file
        self._decoder = decoder  # None: whatever `realism.find` finds
        self.device = torch.device(device)
        self.id = file.card.codec
        self.weights: str | None = file.fingerprint[: 2 * FINGERPRINT_BYTES]
        network, data = weights.load(file)
        self.entropy = entropy_model(network, data)  # its copies stay on the CPU, in float64
        self.network = network.to(memory_format=torch.channels_last).requires_grad_(False).to(self.device)
        ladder = network.config.ladder
        self._top = ladder.top if ladder is not None else None
        self._planner = tiling.Planner(network, self.entropy)
        self._blends: dict[str, realism.Blend] = {}  # by the realistic decoder's fingerprint

    @property
    def realistic(self) -> realism.DecoderFile | None:
        """The realistic decoder of these weights, None where there is none."""
        return self._decoder or realism.find(self.file)

    @cached_property
    def kmac_per_pixel(self) -> float:
        """Thousand multiply-accumulates a pixel, encoder and decoder; see `models.networks.complexity`."""
        return kmac_per_pixel(self.network, side=64).total

    @property
    def one_rate(self) -> bool:
        """Whether these weights code at a single rate, whatever the quality."""
        return not self._top

    def _position(self, quality: float) -> Tensor | None:
        if self._top is None:
            return None
        return torch.tensor([quality / 100 * self._top], device=self.device)

    @torch.inference_mode()
    def analyse(self, picture: Picture, watch: Watch = QUIET) -> Tensor:
        """The latents before any gain, (1, M, ceil(H/16), ceil(W/16)); edges are repeated to fill blocks."""
        if (tile := self._planner.plan(picture.width, picture.height).tile) is not None:
            return _finite(tiling.analyse(self.network, picture.pixels, tile, self.device, watch))
        x = torch.from_numpy(picture.pixels).to(self.device).permute(2, 0, 1)[None].float().div_(255)
        x = _repeat_edges(x, _DOWN).contiguous(memory_format=torch.channels_last).sub_(0.5)
        y = _run(self.network.g_a, x, watch, "analysing")
        if self.network.a_shortcut is not None:
            y = y + self.network.a_shortcut(x)
        return _finite(y)

    @torch.inference_mode()
    def code(
        self,
        latents: Tensor,
        quality: float,
        watch: Watch = QUIET,
        seen: Seen | None = None,
        refiner: Refiner | None = None,
    ) -> CodedLatents:
        """The latents of `analyse` at a quality, refined for their picture where there is a `refiner`.

        `seen` is shown the symbols of every pass.
        """
        position = self._position(quality)
        gain = self.network.gain
        factors = gain.gain(position) if gain is not None and position is not None else None
        y = latents * factors if factors is not None else latents
        z = self.network.h_a(_repeat_edges(y, self.entropy.hyper_down))
        if not torch.isfinite(z).all():
            raise CodecError(
                "the network gave no finite hyper-latents for this picture: its weights are unusable"
            )
        height, width = y.shape[2:]
        lean = self._planner.plan(_DOWN * width, _DOWN * height).lean
        if refiner is not None and position is not None:
            latents, factors = refiner(y, z, position, watch), None
        del y  # of a large picture, hundreds of megabytes
        by_channel = factors[0].cpu() if factors is not None else None
        return self.entropy.encode(latents[0].cpu(), z[0].cpu(), watch, gain=by_channel, lean=lean, seen=seen)

    @property
    def unrefinable(self) -> str:
        """Why the latents of pictures cannot be refined with these weights, "" where they can."""
        return why_not(self.network, self.file.card)

    def encode(self, picture: Picture, rate: Rate, watch: Watch = QUIET, refine: int = 0) -> Encoding:
        """See models.codec.Codec; `refine`: see models.refined.Refining."""
        return timed(lambda: self._encode(picture, rate, watch, refine))

    def _encode(self, picture: Picture, rate: Rate, watch: Watch, refine: int) -> Encoding:
        if not takes(picture.width, picture.height):
            size = f"{picture.width} x {picture.height} pixels"
            raise CodecError(f"{size} are too many for a .hflic file: scale the picture down")
        if reason := self._planner.refusal(picture.width, picture.height, refine=refine > 0):
            raise CodecError(reason)
        latents = self.analyse(picture, watch)
        refiner = self._refiner(picture, refine)

        def encode_at(quality: float, refiner: Refiner | None = None) -> bytes:
            coded = self.code(latents, quality, watch, refiner=refiner)
            return self._file(picture, quality, coded).to_bytes()

        target = rate.target(picture)
        if self.one_rate:
            quality, note = 100.0, "these weights have a single rate"
            data = encode_at(quality)
            if target is not None and abs(len(data) / target - 1) <= 0.02:
                note = ""
        elif target is None:
            assert rate.quality is not None
            quality, note = round(rate.quality * QUALITY_STEPS) / QUALITY_STEPS, ""
            data = encode_at(quality, refiner)
        else:
            expect = self._expected_size(latents)

            quick_at = cache(encode_at)  # a refined file is looked for more than once

            def find(size: float) -> tuple[float, bytes, str]:
                return reach(quick_at, size, watch, resolution=1 / QUALITY_STEPS, expect=expect)

            if refiner is None:
                quality, data, note = find(target)
            else:
                quality, data, note = reach_slowly(
                    lambda size: find(size)[:2],
                    lambda quality: encode_at(quality, refiner),
                    target,
                    usual=refiner.usual_share,
                )
        return Encoding(
            data=data,
            codec=self.id,
            quality=quality,
            width=picture.width,
            height=picture.height,
            encode_s=0.0,
            weights=self.weights,
            latents_crc=parse(data).latents_crc,
            note=note,
        )

    def _refiner(self, picture: Picture, steps: int) -> Refiner | None:
        if not steps:
            return None
        if reason := self.unrefinable:
            raise CodecError(reason)
        self._take(0.0)  # the search is for the faithful decoder
        return Refiner(self.network, picture, steps, self.id.partition(":")[0])

    def _expected_size(self, latents: Tensor) -> ExpectedSize:
        def factors(quality: float) -> Tensor:
            gain, position = self.network.gain, self._position(quality)
            assert gain is not None and position is not None  # a network with several rates
            return gain.gain(position)

        return ExpectedSize(latents, factors)

    def _file(self, picture: Picture, quality: float, coded: CodedLatents) -> HflicFile:
        prefix = bytes.fromhex(self.file.fingerprint)[:FINGERPRINT_BYTES]
        base = self.id.partition(":")[0]
        return HflicFile(base, prefix, picture.width, picture.height, quality, coded.crc, coded.payload)

    def _take(self, share: float) -> None:
        """Use this much of the realistic decoder from now on. Raises CodecError where there is none."""
        decoder = self.realistic if realism.checked(share) else None
        if decoder is None:
            if share:
                raise CodecError(realism.why_none(self.file))
            for blend in self._blends.values():
                blend.set(0.0)
            return
        if decoder.fingerprint not in self._blends:
            self._take(0.0)  # a blend begins with the faithful decoder
            self._blends = {
                decoder.fingerprint: realism.Blend(self.network, realism.load(decoder, self.network))
            }
        self._blends[decoder.fingerprint].set(share)

    def decode(self, data: bytes, watch: Watch = QUIET, realism: float = 0.0) -> Picture:
        """See models.codec.Codec. The file must have been made with these very weights.

        `realism`: how much of the realistic decoder is used, 0..1; what is coded does not depend on it.
        """
        file = parse(data)
        if not self.file.fingerprint.startswith(file.fingerprint.hex()):
            raise BitstreamError(
                f"this file needs the {file.network} weights {file.fingerprint.hex()}, not {self.weights}"
            )
        self._take(realism)
        y_hat = self.decode_latents(file, watch)
        return Picture(self.synthesise(y_hat, file.quality, file.height, file.width, watch))

    def read_back(self, data: bytes, watch: Watch = QUIET) -> None:
        """Decode a file's latents just to see that it can be done. Raises CodecError where it cannot.

        Encoding does not do so by itself: it would take half as long again.
        """
        try:
            self.decode_latents(parse(data), watch)
        except BitstreamError as error:
            raise CodecError(
                f"the file just made cannot be read back ({error}): nothing was written, try once more; "
                "should it happen again, this machine computes wrongly"
            ) from error

    def decode_latents(self, file: HflicFile, watch: Watch = QUIET) -> Tensor:
        """y_hat: (M, ceil(H/16), ceil(W/16)) float64. Raises BitstreamError where the checksum differs."""
        height, width = -(-file.height // _DOWN), -(-file.width // _DOWN)
        if len(file.payload) < self.entropy.least_bytes(height, width):
            raise BitstreamError(
                f"the file claims {file.width} x {file.height} pixels, more than its "
                f"{len(file.payload)} bytes of data can hold: it is damaged"
            )
        if reason := self._planner.refusal(file.width, file.height):
            raise BitstreamError(reason)
        plan = self._planner.plan(file.width, file.height)
        y_hat, crc = self.entropy.decode(file.payload, height, width, watch, lean=plan.lean)
        if crc != file.latents_crc:
            raise BitstreamError("the decoded latents do not match the file's checksum: it is damaged")
        return y_hat

    @torch.inference_mode()
    def synthesise(
        self, y_hat: Tensor, quality: float, height: int, width: int, watch: Watch = QUIET
    ) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
        """y_hat of `decode_latents` to (height, width, 3) bytes."""
        if (tile := self._planner.plan(width, height).tile) is not None:
            at = self._position(quality)
            return tiling.synthesise(self.network, y_hat, at, (height, width), tile, self.device, watch)
        y = y_hat[None].float().to(self.device).contiguous(memory_format=torch.channels_last)
        y = self.network.unscale(y, self._position(quality))
        x = _run(self.network.g_s, y, watch, "synthesising")
        if self.network.s_shortcut is not None:
            x = x + self.network.s_shortcut(y)
        watch.step("synthesising", 1.0)
        return tiling.to_bytes(x[0, :, :height, :width])

    @torch.inference_mode()
    def estimated_bytes(self, picture: Picture, quality: float) -> float:
        """What the float model promises for a picture at a quality, by the tables and without the container.

        Latents that are never coded cost nothing, nor do those beyond the picture's blocks.
        """
        network = self.network
        x = torch.from_numpy(picture.pixels).to(self.device).permute(2, 0, 1)[None].float() / 255
        y = network.analyse(_repeat_edges(x, _DOWN), self._position(quality))
        height, width = y.shape[2:]
        y = _repeat_edges(y, self.entropy.hyper_down)
        z = network.h_a(y)
        _, z_likelihood = network.entropy_bottleneck(z, training=False)
        y_hat, raw, mean = network.predict(y, network.hyper_round(z))
        bits = self.entropy.bits((y_hat - mean)[:, :, :height, :width], raw[:, :, :height, :width])
        return (bits - float(torch.log2(z_likelihood).sum())) / 8

    @property
    def footprint(self) -> Footprint:
        """What pictures take in memory."""
        return self._planner.footprint

    def memory(self, width: int, height: int, *, refine: bool = False) -> float:
        """Bytes a picture of this size takes at most; `refine`: where its latents are refined."""
        return self.footprint.memory(width, height, refine=refine)

    def info(self) -> dict[str, str]:
        """See models.codec.Codec."""
        return about(self.file, self.realistic, entry(self.id).source)


def _finite(y: Tensor) -> Tensor:
    if not torch.isfinite(y).all():
        raise CodecError("the network gave no finite latents for this picture: its weights are unusable")
    return y


def _repeat_edges(x: Tensor, multiple: int) -> Tensor:
    """Grow (1, C, H, W) to multiples of `multiple` by repeating the last row and column."""
    height, width = x.shape[2:]
    bottom, right = -height % multiple, -width % multiple
    return functional.pad(x, (0, right, 0, bottom), mode="replicate") if bottom or right else x


KEPT = 3  # imported networks that stay loaded: one rate each, up to 700 MB
_loaded: dict[str, LearnedCodec] = {}
_device = "cpu"


def use_device(name: str) -> None:
    """Run the transforms of codecs made from now on there: "auto", "cpu", "cuda" or "mps".

    The entropy model always runs on the CPU, so files are the same wherever latents are. Raises
    CodecError where torch has no such device.
    """
    global _device  # noqa: PLW0603 - one device a process
    present = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        name = next((device for device in ("cuda", "mps") if present[device]), "cpu")
    if name not in present:
        raise CodecError(f"there is no device '{name}': choose auto, cpu, cuda or mps")
    if not present[name]:
        raise CodecError(f"this machine's torch cannot use {name}: choose --device cpu")
    _device = name


def create(id: str) -> LearnedCodec:
    """The codec of an id with its best weights; one instance a weights file. Raises WeightsError."""
    file = weights.find(id)
    if file.card.configuration:  # each network has one rate, several are a ladder
        from models.importing.ladder import RateLadderCodec, rungs

        if len(files := rungs(file)) > 1:
            file = files[-1]
            known = _loaded.get(file.fingerprint)
            if not isinstance(known, RateLadderCodec) or known.files != tuple(files):
                _loaded[file.fingerprint] = RateLadderCodec(files, _of, _device)
    return _of(file)


def _of(file: weights.WeightsFile) -> LearnedCodec:
    found = _loaded.pop(file.fingerprint, None) or LearnedCodec(file, _device)
    _loaded[file.fingerprint] = found  # the latest used stands last
    gone = [key for key, one in _loaded.items() if one.file.path == file.path and one is not found]
    for key in gone:  # the file holds others now
        del _loaded[key]
    rates = [key for key, one in _loaded.items() if type(one) is LearnedCodec and one.file.card.configuration]
    for key in rates[:-KEPT]:
        del _loaded[key]
    return found


def for_file(data: bytes) -> LearnedCodec:
    """The codec that reads a .hflic file, by the fingerprint in it. Raises BitstreamError, WeightsError."""
    file = parse(data)
    return _of(weights.by_fingerprint(file.fingerprint, file.network))


def read_back(coder: LearnedCodec, data: bytes, watch: Watch) -> None:
    """See LearnedCodec.read_back."""
    coder.read_back(data, watch)


def identify(data: bytes) -> str:
    """The codec id of a .hflic file whose weights are here. Raises BitstreamError, WeightsError."""
    file = parse(data)
    return weights.by_fingerprint(file.fingerprint, file.network).card.codec
