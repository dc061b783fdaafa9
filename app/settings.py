"""What does the viewer remember from one start to the next? A small JSON file that may always be broken."""

from __future__ import annotations

import base64
import json
import logging
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import platformdirs

from models.errors import HflicError
from models.files import write_file

log = logging.getLogger(__name__)

MAX_RECENT = 12


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

    def with_command(self, id: str) -> Settings:
        """With a command in front of those used lately."""
        return replace(self, commands=(id, *(c for c in self.commands if c != id))[:MAX_RECENT])

    def recent_paths(self) -> list[Path]:
        """The recent files."""
        return [Path(p) for p in self.recent]


class SettingsFile:
    """Reads and writes settings. Never raises: what cannot be read is a default, and `problem` tells."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or Path(platformdirs.user_config_dir("hflic", appauthor=False)) / "settings.json"
        self.problem = ""

    def load(self) -> Settings:
        """The settings; each broken value falls back to its default, a broken file is set aside."""
        self.problem = ""
        try:
            text = self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return Settings()
        except (OSError, UnicodeDecodeError) as error:
            return self._broken(f"could not be read ({error})")
        try:
            stored = json.loads(text)
        except (ValueError, RecursionError):
            return self._broken("is not JSON")
        if not isinstance(stored, dict):
            return self._broken("does not hold settings")
        return Settings(**_checked(stored))

    def save(self, settings: Settings) -> None:
        """Write all settings, all or nothing."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_file(self.path, json.dumps(asdict(settings), indent=1).encode())
        except (OSError, HflicError) as error:
            self.problem = f"Settings cannot be kept: {error}"
            log.warning("%s", self.problem)

    def _broken(self, why: str) -> Settings:
        aside = self.path.with_suffix(".broken.json")
        self.problem = f"The settings file {why}: the defaults are used. The old file is {aside}."
        log.warning("%s", self.problem)
        try:
            self.path.replace(aside)
        except OSError:
            log.warning("could not set the broken settings file aside", exc_info=True)
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
            good[field.name] = value
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
