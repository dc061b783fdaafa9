"""Which process does what? The names of the codec processes; nothing of Qt or torch is imported here.

Networks take seconds to load: whoever stops a slow AVIF must not wait for them again. Opening and saving
must not queue behind either. So there are six; those that are not needed are not started.
"""

from __future__ import annotations

from models.codec import REFINED as MARK
from models.codec import entry
from models.errors import CodecError

PLAIN = "plain"  # reading pictures, quick classical codecs
SLOW = "slow"  # classical codecs that take seconds
LEARNED = "learned"  # all that needs torch
REFINED = "refined"  # learned codecs that search for the latents of a picture, which takes minutes
FILES = "files"  # writing
FACES = "faces"  # the face detector, which cannot be interrupted
LANES = (PLAIN, SLOW, LEARNED, REFINED, FILES, FACES)

_SLOW_CODECS = frozenset({"avif", "jxl", "heic", "jpeg2000", "vvc"})


def lane_of(codec: str) -> str:
    """The process a codec id runs in. An unknown id goes where the error is told quickest."""
    try:
        line = entry(codec)
        if line.learned:
            return REFINED if MARK in codec else LEARNED
        return SLOW if line.id in _SLOW_CODECS else PLAIN
    except CodecError:
        return PLAIN
