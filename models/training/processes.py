"""How do several processes, on CPUs or GPUs, share each training step? Through Lightning Fabric.

Every process draws the same random numbers, takes its share of the batch and of the noise, and averages
gradients with the others: N processes follow the one-process run within float noise.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from models.errors import HflicError
from models.networks.noise import sharing
from models.training.data import Batch

if TYPE_CHECKING:
    from lightning_fabric import Fabric


class ProcessError(HflicError):
    """The processes asked for cannot be had; the text says why and what to do."""


class Processes:
    """This process among those that train together; alone on the CPU without a Fabric."""

    def __init__(self, fabric: Fabric | None = None) -> None:
        self._fabric = fabric
        self.rank: int = fabric.global_rank if fabric is not None else 0
        self.count: int = fabric.world_size if fabric is not None else 1
        self.device: torch.device = fabric.device if fabric is not None else torch.device("cpu")
        self._apart = False

    @property
    def first(self) -> bool:
        """Whether this process speaks for all: saves, validates, reports."""
        return self.rank == 0

    def share(self, batch: Batch) -> Batch:
        """This process's equal part of a batch, on its device. Raises ProcessError for an odd batch."""
        whole = len(batch.places)
        if whole % self.count:
            raise ProcessError(
                f"{self.count} processes cannot share a batch of {whole} equally: choose another --devices"
            )
        part = whole // self.count
        mine = slice(self.rank * part, (self.rank + 1) * part)
        x = batch.x[mine].to(self.device, non_blocking=True)
        return Batch(x, batch.uniform[mine].to(self.device), batch.places[mine])

    def noise(self) -> AbstractContextManager[None]:
        """The context in which networks draw this process's share of the batch's noise."""
        return sharing(self.rank, self.count)

    @contextmanager
    def apart(self) -> Iterator[None]:
        """Inside, this process does something of its own: means are of its own values."""
        self._apart = True
        try:
            yield
        finally:
            self._apart = False

    def mean(self, value: Tensor) -> Tensor:
        """The mean over all processes, detached, shaped like `value`; every process has to ask."""
        value = value.detach()
        if self.count == 1 or self._apart:
            return value
        assert self._fabric is not None
        averaged = self._fabric.all_reduce(value.clone(), reduce_op="mean")
        assert isinstance(averaged, Tensor)
        return averaged

    def any(self, flag: bool) -> bool:
        """Whether the flag is set in any process."""
        if self.count == 1:
            return flag
        return self.mean(torch.tensor(float(flag), device=self.device)).item() > 0

    def wait(self) -> None:
        """Go on only when every process has come so far."""
        self.any(False)

    def average_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Replace the gradients by their means over all processes, in one exchange."""
        if self.count == 1:
            return
        gradients = [p.grad for p in parameters if p.grad is not None]
        means = self.mean(torch.cat([g.flatten() for g in gradients]))
        begin = 0
        for gradient in gradients:
            end = begin + gradient.numel()
            gradient.copy_(means[begin:end].view(gradient.shape))
            begin = end

    def agree(self, tensors: Iterable[Tensor]) -> None:
        """Give every process the first one's values, so that all begin alike."""
        if self.count == 1:
            return
        for tensor in tensors:
            torch.distributed.broadcast(tensor.detach(), 0)


def launch(devices: int = 1, device: str = "auto") -> Processes:
    """Start the other processes, which run this program with the same arguments, and return this one.

    `device`: "cpu", "cuda" or "auto" (a GPU where torch has one). On a machine without GPUs, each of
    the `devices` is a CPU process that talks to the others over gloo. Raises ProcessError.
    """
    gpus = torch.cuda.device_count()
    if device not in ("auto", "cpu", "cuda"):
        raise ProcessError(f"there is no device '{device}' to train on: choose auto, cpu or cuda")
    if device == "cuda" and not gpus:
        raise ProcessError("this machine's torch cannot use cuda: choose --device cpu")
    on_gpus = device == "cuda" or (device == "auto" and gpus > 0)
    if on_gpus and devices > gpus:
        raise ProcessError(f"there are {gpus} GPUs here, not {devices}: choose a smaller --devices")
    if devices == 1 and not on_gpus:
        return Processes()
    if devices > 1 and not on_gpus:
        # An address of one's own machine needs no name service, and no network interface but loopback.
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo0" if sys.platform == "darwin" else "lo")
    from lightning_fabric import Fabric

    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # its banner is not for people
    fabric = Fabric(
        accelerator="cuda" if on_gpus else "cpu", devices=devices, strategy="ddp" if devices > 1 else "auto"
    )
    fabric.launch()
    return Processes(fabric)
