"""What does a checkpoint of a HiFiC look like, and how do its tensors become ours?

Two projects: Justin-Tan's, whose training options stand beside the weights and say what no shape tells, and
NeuralCompression's, which MS-ILLM starts from. Both have the paper's layers under names of their own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from models.errors import WeightsError
from models.importing.families import BESIDE
from models.importing.shapes import Layout, Shape, Shapes
from models.networks.factorized import FILTERS
from models.networks.hific import HificConfig


@dataclass(frozen=True)
class Project:
    """Names and conventions of one project.

    The texts are name templates: {i} counts the layers of a transform from 0, {n} from 1. The tuples are the
    names inside a block: a stage's convolution and norm; the generator's first norm, convolution and norm; a
    residual block's convolution, norm, convolution and norm; the three layers of a hyper net.
    """

    name: str
    source: str
    stage: str
    stage_parts: tuple[str, str]
    latents: str
    head: str
    head_parts: tuple[str, str, str]
    block: str
    block_parts: tuple[str, str, str, str]
    up: str
    up_parts: tuple[str, str]
    tail: str
    hyper_analysis: str
    hyper_mean: str
    hyper_scale: str
    hyper_parts: tuple[str, str, str]
    density: str
    density_parts: tuple[str, str, str]  # matrices, biases, factors
    beside: re.Pattern[str]
    options: bool  # the file holds the training's options, which are needed

    def part(self, template: str, index: int, name: str) -> str:
        """The name of part `name` of layer `index` of a transform."""
        return f"{template.format(i=index, n=index + 1)}.{name}"


JUSTIN_TAN = Project(
    name="Justin-Tan/HiFiC",
    source="github.com/Justin-Tan/high-fidelity-generative-compression",
    stage="Encoder.conv_block{n}",
    stage_parts=("1", "2"),
    latents="Encoder.conv_block_out.1",
    head="Generator.conv_block_init",
    head_parts=("0", "2", "3"),
    block="Generator.resblock_{i}",
    block_parts=("conv1", "norm1", "conv2", "norm2"),
    up="Generator.upconv_block{n}",
    up_parts=("0", "1"),
    tail="Generator.conv_block_out.1",
    hyper_analysis="Hyperprior.analysis_net",
    hyper_mean="Hyperprior.synthesis_mu",
    hyper_scale="Hyperprior.synthesis_std",
    hyper_parts=("conv1", "conv2", "conv3"),
    density="Hyperprior.hyperlatent_likelihood",
    density_parts=("H_", "b_", "a_"),
    # The discriminator, the metric it trained with, and tables that coding made.
    beside=re.compile(
        r"^(Discriminator|perceptual_loss)\."
        r"|^Hyperprior\.(hyperprior_entropy_model|prior_entropy_model|prior_density|index_tables)\b"
    ),
    options=True,
)

NEURAL_COMPRESSION = Project(
    name="NeuralCompression HiFiC / MS-ILLM",
    source="github.com/facebookresearch/NeuralCompression",
    stage="encoder.blocks.{i}",
    stage_parts=("0", "1"),
    latents="encoder.blocks.{stages}",
    head="decoder.block_0",
    head_parts=("0", "1", "2"),
    block="decoder.resid_blocks.{i}.sequence",
    block_parts=("0", "1", "3", "4"),
    up="decoder.blocks.{i}",
    up_parts=("0", "1"),
    tail="decoder.blocks.{ups}",
    hyper_analysis="hyper_analysis",
    hyper_mean="hyper_synthesis_mean",
    hyper_scale="hyper_synthesis_scale",
    hyper_parts=("0", "2", "4"),
    density="hyper_bottleneck",
    density_parts=("matrices.", "biases.", "factors."),
    beside=BESIDE,
    options=False,
)

PROJECTS = (JUSTIN_TAN, NEURAL_COMPRESSION)


def project_of(tensors: Mapping[str, Tensor]) -> Project | None:
    """The project whose first layer a file has, None for none."""
    for project in PROJECTS:
        if f"{project.part(project.stage, 0, project.stage_parts[0])}.weight" in tensors:
            return project
    return None


def hific_layout(
    file: str, project: Project, tensors: Mapping[str, Tensor], beside: Mapping[str, Any]
) -> Layout:
    """The layout of named tensors. Raises WeightsError that names the first part that does not fit.

    beside: what the file holds beside them; Justin-Tan's options are under "args".
    """
    options = _options(file, beside) if project.options else {}
    config = _config(Shapes(file, project.name, tensors), project, options)
    told = options.get("n_residual_blocks")
    if told is not None and told != config.blocks:
        raise WeightsError(
            f"{file} has {config.blocks} residual blocks, but its args say n_residual_blocks {told}"
        )
    widths = "-".join(map(str, config.widths))
    facts = (
        f"widths {widths} to {config.latent}, {config.blocks} residual blocks, {config.likelihood} latents, "
        f"pixels {'-1..1' if config.pixels == 'signed' else '0..1'}"
    )
    return Layout(project.name, project.source, "hific", config, HificTranslation(project, config), facts)


def _options(file: str, beside: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a training by Justin-Tan's program, as far as they matter."""
    stored = beside.get("args")
    if not isinstance(stored, Mapping):
        raise WeightsError(
            f"{file} has no args beside its weights: give the checkpoint as its author published it, or save "
            "its model_state_dict with args of normalize_input_image and likelihood_type beside it"
        )
    args = {name: value for name, value in stored.items() if isinstance(value, bool | int | str)}
    if args.get("use_latent_mixture_model"):
        raise WeightsError(f"{file} has mixtures for its latents (use_latent_mixture_model): not known here")
    if args.get("sample_noise"):
        raise WeightsError(f"{file} decodes with random noise (sample_noise): no two decodes would be alike")
    if not args.get("use_channel_norm", True):
        raise WeightsError(f"{file} normalises whole pictures (use_channel_norm False): not known here")
    found: dict[str, Any] = {"n_residual_blocks": args.get("n_residual_blocks")}
    for name, allowed in (
        ("normalize_input_image", (True, False)),
        ("likelihood_type", ("gaussian", "logistic")),
    ):
        if name not in args or args[name] not in allowed:
            told = repr(args[name])[:40] if name in args else "nothing"
            raise WeightsError(f"{file}: its args say {told} for {name}, not {allowed[0]} or {allowed[1]}")
        found[name] = args[name]
    return found


def _config(shapes: Shapes, project: Project, options: Mapping[str, Any]) -> HificConfig:
    conv = project.stage_parts[0]
    stages = shapes.count(lambda at: project.part(project.stage, at, conv))
    widths = tuple(shapes.of(project.part(project.stage, at, conv))[0] for at in range(stages))
    blocks = shapes.count(lambda at: project.part(project.block, at, project.block_parts[0]))
    ours = project is JUSTIN_TAN
    try:
        return HificConfig(
            widths=widths,
            latent=shapes.of(project.latents.format(stages=stages))[0],
            hyper_width=shapes.of(f"{project.hyper_analysis}.{project.hyper_parts[0]}")[0],
            blocks=blocks,
            pixels="signed" if options.get("normalize_input_image") else "unit",
            padding="reflect" if ours else "zeros",
            likelihood=options.get("likelihood_type", "gaussian"),
            prior=(3, 3, 3) if ours else FILTERS,
            bent_prior=ours,
        )
    except ValueError as error:
        raise WeightsError(
            f"{shapes.file}: the encoder of {project.name} has {stages} stages, not 5"
        ) from error


class HificTranslation:
    """HiFiC's tensors; see `Translation`."""

    def __init__(self, project: Project, config: HificConfig) -> None:
        self.project = project
        self._names = _names(project, config)

    def theirs(self, ours: str) -> str | None:
        """See Translation. Justin-Tan's density has no quantiles: its symbols are rounded around zero."""
        part, _, last = ours.rpartition(".")
        if part in self._names:
            return f"{self._names[part]}.{last}"
        if ours == "entropy_bottleneck.quantiles":
            return None if self.project is JUSTIN_TAN else f"{self.project.density}.quantiles"
        kinds = dict(zip(("matrices", "biases", "factors"), self.project.density_parts, strict=True))
        return f"{self.project.density}.{kinds[part.removeprefix('entropy_bottleneck.')]}{last}"

    def shape(self, ours: str, shape: Shape) -> Shape:
        """See Translation."""
        return (shape[1], shape[0], *shape[2:]) if self._turned(ours) else shape

    def tensor(self, ours: str, tensor: Tensor, module: nn.Module) -> Tensor:
        """See Translation."""
        if self._turned(ours):  # a transposed convolution of stride 1 is one with the kernel turned around
            return tensor.transpose(0, 1).flip(2, 3)
        return tensor

    def beside(self, name: str) -> bool:
        """See Translation."""
        return self.project.beside.search(name) is not None

    def _turned(self, ours: str) -> bool:
        return self.project is JUSTIN_TAN and ours in {"h_s_mean.4.weight", "h_s_scale.4.weight"}


def _names(project: Project, config: HificConfig) -> dict[str, str]:
    """Each layer of ours with its name there."""
    stages, ups = len(config.widths), len(config.widths) - 1
    first = 0 if config.pixels == "centred" else 1  # what moves the pixels comes before
    names = {
        f"g_a.{first + 3 * stages}": project.latents.format(stages=stages),
        "g_s.tail.0": project.tail.format(ups=ups),
    }
    for at in range(stages):
        for place, part in enumerate(project.stage_parts):
            names[f"g_a.{first + 3 * at + place}"] = project.part(project.stage, at, part)
    for place, part in enumerate(project.head_parts):
        names[f"g_s.head.{place}"] = f"{project.head}.{part}"
    for at in range(config.blocks):
        for place, part in zip((0, 1, 3, 4), project.block_parts, strict=True):
            names[f"g_s.blocks.{at}.branch.{place}"] = project.part(project.block, at, part)
    for at in range(ups):
        for place, part in enumerate(project.up_parts):
            names[f"g_s.up.{3 * at + place}"] = project.part(project.up, at, part)
    for ours, theirs in (
        ("h_a", project.hyper_analysis),
        ("h_s_mean", project.hyper_mean),
        ("h_s_scale", project.hyper_scale),
    ):
        for place, part in zip((0, 2, 4), project.hyper_parts, strict=True):
            names[f"{ours}.{place}"] = f"{theirs}.{part}"
    return names
