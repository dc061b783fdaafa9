"""What does the viewer remember from one start to the next? A small JSON file that may always be broken."""

from __future__ import annotations

import base64
import json
import logging
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from models.errors import HflicError
from models.files import write_file
from models.paths import own_folder

log = logging.getLogger(__name__)

MAX_RECENT = 12
# What may be told of these, as `theme.THEMES` and `viewport.Mode` have it; Qt is not imported here.
KNOWN = {
    "theme": ("system", "light", "dark"),
    "mode": ("split", "side", "flicker", "difference"),
}


@dataclass(frozen=True)
class Settings:
    """All that is remembered. `geometry` of the window, `state` of its splitter: Qt's bytes in base64."""

    theme: str = "system"
    left: str = "hflic"
    right: str = "jpeg"
    bpp: float = 0.25
    locked: bool = True
    mode: str = "split"
    recent: tuple[str, ...] = ()
    folder: str = ""
    geometry: str = ""
    state: str = ""
    label: str = "psnr"  # the metric on the picture
    started: bool = False  # whether there was a first run
    filmstrip: bool = True  # whether several pictures show theirs
    restore: bool = True  # whether the next start begins where the last session ended
    single: bool = True  # whether later starts open their files in this window
    commands: tuple[str, ...] = ()  # ids used lately in the command palette
    panels: tuple[str, ...] = ("grid",)  # ids of what is switched on

    def with_recent(self, path: Path) -> Settings:
        """With a path in front of the recent ones."""
        name = str(path)
        others = tuple(p for p in self.recent if p != name)
        return replace(self, recent=(name, *others)[:MAX_RECENT], folder=str(path.parent))

    def with_others(self, before: Settings, now: Settings) -> Settings:
        """With the recent files that another window has added to the file since it was read as `before`."""
        known = {*self.recent, *before.recent}
        others = tuple(name for name in now.recent if name not in known)[: MAX_RECENT // 2]
        return replace(self, recent=(*self.recent[: MAX_RECENT - len(others)], *others))

    def with_command(self, id: str) -> Settings:
        """With a command in front of those used lately."""
        return replace(self, commands=(id, *(c for c in self.commands if c != id))[:MAX_RECENT])

    def recent_paths(self) -> list[Path]:
        """The recent files."""
        return [Path(p) for p in self.recent]


class SettingsFile:
    """Reads and writes settings. Never raises: what cannot be read is a default, and `problem` tells.

    `path` is None where no home is known: then nothing is kept.
    """

    def __init__(self, path: Path | None = None) -> None:
        folder = own_folder("config")
        self.path = path or (folder / "settings.json" if folder is not None else None)
        self.problem = ""

    def load(self) -> Settings:
        """The settings; each broken value falls back to its default, a broken file is set aside."""
        self.problem = ""
        if self.path is None:
            return Settings()
        try:
            text = self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return Settings()
        except (OSError, UnicodeDecodeError) as error:
            return self._broken(self.path, f"could not be read ({error})")
        try:
            stored = json.loads(text)
        except (ValueError, RecursionError):
            return self._broken(self.path, "is not JSON")
        if not isinstance(stored, dict):
            return self._broken(self.path, "does not hold settings")
        return Settings(**_checked(stored))

    def save(self, settings: Settings) -> None:
        """Write all settings, all or nothing."""
        self.problem = ""
        if self.path is None:
            self.problem = "Settings cannot be kept, as no home folder is known: set HOME."
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_file(self.path, json.dumps(asdict(settings), indent=1).encode())
        except (OSError, HflicError) as error:
            self.problem = f"Settings cannot be kept: {error}"
            log.warning("%s", self.problem)

    def _broken(self, path: Path, why: str) -> Settings:
        aside = path.with_suffix(".broken.json")
        self.problem = f"The settings file {why}: the defaults are used."
        try:
            path.replace(aside)
            self.problem += f" The old file is {aside}."
        except OSError:
            log.warning("could not set the broken settings file aside", exc_info=True)
        log.warning("%s", self.problem)
        return Settings()


def _checked(stored: dict[str, Any]) -> dict[str, Any]:
    """Only known names with values of the right kind and range."""
    good: dict[str, Any] = {}
    defaults = Settings()
    for field in fields(Settings):
        value, default = stored.get(field.name), getattr(defaults, field.name)
        if isinstance(default, tuple) and isinstance(value, list):
            good[field.name] = tuple(v for v in value if isinstance(v, str))[:MAX_RECENT]
        elif isinstance(default, bool):
            good[field.name] = value if isinstance(value, bool) else default
        elif isinstance(default, float):
            fine = isinstance(value, int | float) and not isinstance(value, bool) and 0.005 <= value <= 24
            good[field.name] = float(value) if fine else default  # type: ignore[arg-type]
        elif isinstance(default, str) and isinstance(value, str):
            known = value in KNOWN.get(field.name, (value,))  # a later version may have had more
            good[field.name] = value if known else default
    return good


def packed(data: bytes) -> str:
    """Bytes as text for JSON."""
    return base64.b64encode(data).decode("ascii")


def unpacked(text: str) -> bytes:
    """The other way; nothing for what is broken."""
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return b""
