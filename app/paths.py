"""What is at a path? Asked by the viewer; `models.paths` answers."""

from __future__ import annotations

from models.paths import there

__all__ = ["there"]
