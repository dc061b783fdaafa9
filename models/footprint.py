"""How much memory does a learned codec take for a picture, and which way of working keeps to the budget?

Arithmetic alone, without torch: the viewer asks too.
"""

from __future__ import annotations

from dataclasses import dataclass

from models.memory import budget

BLOCK = 16  # pixels of one latent
TILE_BYTES = 500_000_000  # what the transforms of one tile may take
WINDOW_BYTES = 1_000_000_000  # what the search for better latents may keep of a part for its way back
# The program itself with torch loaded, as the system counts it, and what encoders take at any size.
PROGRAM = 800_000_000
_SPREAD = 350_000_000  # what the allocator holds between large pieces, measured at 64 and 100 megapixels


@dataclass(frozen=True)
class Plan:
    """How a picture is worked on: `tile` blocks a side, None for the whole at once; `lean`: see the entropy
    model; bytes: what that takes at most.
    """

    tile: int | None
    lean: bool
    bytes: float


@dataclass(frozen=True)
class Footprint:
    """What one network takes.

    pixel: bytes a pixel of its transforms, whole pictures at once; latent, lean_latent: bytes of the entropy
    model for a place of the latents, the usual and the lean way; channels: of the latents; weights: bytes;
    tile: blocks a side of a tile whose transforms take TILE_BYTES.
    """

    pixel: float
    latent: float
    lean_latent: float
    channels: int
    weights: float
    tile: int

    def plan(self, width: int, height: int, *, refine: bool = False) -> Plan:
        """The quickest way within the budget, else the most frugal one. Raises CodecError as `budget`.

        `refine`: latents are refined as well, see `models.refinement`.
        """
        limit = budget()
        blocks = -(-width // BLOCK) * -(-height // BLOCK)
        whole = self.pixel * blocks * BLOCK**2
        ways = ((None, False, whole), (self.tile, False, TILE_BYTES), (self.tile, True, TILE_BYTES))
        plan = Plan(None, False, 0.0)
        for tile, lean, transforms in ways:
            # The picture, its latents as floats, and the largest of the stages.
            kept = 3 * width * height + 4.0 * self.channels * blocks + (_SPREAD if tile else 0)
            entropy = (self.lean_latent if lean else self.latent) * blocks
            # Beside a part: latents before, after and at another rate, what hyper-latents say, and faces.
            beside = 24.0 * self.channels * blocks + 5.0 * width * height
            search = WINDOW_BYTES + beside if refine else 0.0
            most = kept + max(transforms, entropy, search)
            plan = Plan(tile, lean, PROGRAM + self.weights + most)
            if plan.bytes <= limit:
                break
        return plan

    def memory(self, width: int, height: int, *, refine: bool = False) -> float:
        """Bytes a picture of this size takes at most, in the way that is planned for it."""
        return self.plan(width, height, refine=refine).bytes
