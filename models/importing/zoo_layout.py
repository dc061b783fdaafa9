"""What does a checkpoint of CompressAI's zoo look like, and how do its tensors become ours?"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from models.errors import WeightsError
from models.importing.families import BESIDE, in_attention
from models.importing.shapes import Layout, Shape, Shapes
from models.networks.balle import BalleConfig, Prior, Transforms
from models.networks.causal import CausalConv

_SOURCE = "github.com/InterDigitalInc/CompressAI"
# Divisive normalisation is trained as square roots that are kept above these bounds.
_PEDESTAL = 2.0**-36
_BETA_BOUND = (1e-6 + _PEDESTAL) ** 0.5
_GAMMA_BOUND = _PEDESTAL**0.5


def is_zoo(tensors: Mapping[str, Tensor]) -> bool:
    """Whether a file has the first layers of a network of the zoo."""
    first = "g_a.1.beta" in tensors or "g_a.0.conv1.weight" in tensors
    return first and "entropy_bottleneck.quantiles" in tensors


def zoo_layout(file: str, tensors: Mapping[str, Tensor]) -> Layout:
    """The layout of named tensors. Raises WeightsError that names the first that does not fit."""
    shapes = Shapes(file, "CompressAI's zoo", tensors)
    model, prior, transforms = _kind(shapes)
    first, last = ("g_a.0", "g_a.6") if transforms == "gdn" else ("g_a.0.conv1", "g_a.0.conv1")
    joint = tuple(s[0] for s in shapes.stack("entropy_parameters")[:-1]) if prior == "context" else ()
    config = BalleConfig(shapes.of(first)[0], shapes.of(last)[0], prior, transforms, joint)
    facts = f"N {config.width}, M {config.latent}"
    return Layout(f"CompressAI {model}", _SOURCE, model, config, ZooTranslation(config), facts)


def _kind(shapes: Shapes) -> tuple[str, Prior, Transforms]:
    """The model's name in the zoo and what it is made of, by the layers that only it has."""
    context = shapes.has("context_prediction")
    if shapes.has("g_a.0.conv1"):
        if not context:
            raise WeightsError(f"{shapes.file} lacks the tensor context_prediction.weight of cheng2020")
        if shapes.has("g_a.3.conv_a.0.conv.0"):
            return "cheng2020-attn", "context", "attention"
        return "cheng2020-anchor", "context", "residual"
    if context:
        return "mbt2018", "context", "gdn"
    if not shapes.has("h_a.0"):
        return "bmshj2018-factorized", "factorized", "gdn"
    if shapes.of("h_s.4")[0] == shapes.of("g_a.6")[0]:
        return "bmshj2018-hyperprior", "scale", "gdn"
    return "mbt2018-mean", "mean-scale", "gdn"


class ZooTranslation:
    """The zoo's tensors; see `Translation`."""

    def __init__(self, config: BalleConfig) -> None:
        self.config = config

    def theirs(self, ours: str) -> str:
        """See Translation."""
        part, _, rest = ours.partition(".")
        if part == "context":
            net, _, rest = rest.partition(".")
            return f"{'context_prediction' if net == 'spatial' else 'entropy_parameters'}.{rest}"
        if part not in {"g_a", "g_s", "h_a"}:
            return ours
        index, _, rest = rest.partition(".")
        # Ours begins with what moves the pixels, and with the magnitude that the scale hyperprior sees.
        before = part == "g_a" or (part == "h_a" and self.config.prior == "scale")
        norm = "gdn" if part == "g_a" else "igdn"
        return f"{part}.{int(index) - before}.{_inside(rest, norm)}"

    def shape(self, ours: str, shape: Shape) -> Shape:
        """See Translation."""
        return shape

    def tensor(self, ours: str, tensor: Tensor, module: nn.Module) -> Tensor:
        """See Translation."""
        last = ours.rpartition(".")[2]
        if last in {"beta", "gamma"}:
            return tensor.clamp(min=_BETA_BOUND if last == "beta" else _GAMMA_BOUND).square() - _PEDESTAL
        if isinstance(module, CausalConv) and last == "weight":
            return tensor * module.mask
        return tensor

    def beside(self, name: str) -> bool:
        """See Translation."""
        return BESIDE.search(name) is not None


def _inside(rest: str, norm: str) -> str:
    """A parameter's name inside a layer of a transform."""
    if attention := in_attention(rest):
        return attention
    for ours, theirs in (("expand.", "subpel_conv."), ("skip.0.", "upsample.0."), ("norm.", f"{norm}.")):
        if rest.startswith(ours):
            return theirs + rest.removeprefix(ours)
    return rest
