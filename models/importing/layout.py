"""Which project is a checkpoint from? Asked by names that only its files have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from models.errors import WeightsError
from models.importing.elic_layout import elic_layout
from models.importing.families import FAMILIES, family_of
from models.importing.hific_layout import PROJECTS, hific_layout, project_of
from models.importing.shapes import Layout
from models.importing.zoo_layout import is_zoo, zoo_layout

KNOWN = (
    *(family.name for family in FAMILIES),
    "beiluo97/HFLIC",
    *(project.name for project in PROJECTS),
    "CompressAI's zoo",
)


def recognise(file: str, tensors: Mapping[str, Tensor], beside: Mapping[str, Any]) -> Layout:
    """The layout of named tensors. Raises WeightsError that names the first thing that does not fit.

    beside: the plain values that the file holds beside them.
    """
    if (family := family_of(tensors)) is not None:
        return elic_layout(file, family, tensors)
    if (project := project_of(tensors)) is not None:
        return hific_layout(file, project, tensors, beside)
    if is_zoo(tensors):
        return zoo_layout(file, tensors)
    key = next(iter(tensors))
    raise WeightsError(
        f"{file} is of no known family: it begins with {key[:60]} {tuple(tensors[key].shape)}; "
        f"known are {', '.join(KNOWN)}"
    )
