"""Which pages of documentation come with the program, and where are they? No widgets."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from app.log import log_path
from app.settings import SettingsFile
from models.assets import asset_folder, docs_folder
from models.errors import HflicError
from models.paths import own_folder


@dataclass(frozen=True)
class Page:
    """A Markdown file of the documentation, and what people call it."""

    id: str
    title: str

    @property
    def path(self) -> Path:
        """Its file."""
        return docs_folder() / f"{self.id}.md"

    @property
    def text(self) -> str:
        """Its Markdown; the changelog's with what is in no version yet."""
        text = self.path.read_text(encoding="utf-8")
        return text.replace(_RELEASES, unreleased(), 1) if self.id == "changelog" else text


# Kinds of news and their headings; pyproject.toml tells the same to towncrier, which makes versions of them.
KINDS = {
    "viewer": "Viewer",
    "commands": "Command line",
    "codecs": "Codecs and training",
    "files": "Large and damaged files",
    "installing": "Installing",
}
_RELEASES = "<!-- towncrier release notes start -->"


PAGES = (
    Page("guide", "User guide"),
    Page("measuring", "Measuring codecs"),
    Page("training", "Training guide"),
    Page("format", "The .hflic file"),
    Page("architecture", "Architecture"),
    Page("changelog", "Changelog"),
)


def page(id: str) -> Page:
    """The page of an id. Raises HflicError and names the known ones, or says that its file is missing."""
    for line in PAGES:
        if line.id == id:
            if not line.path.is_file():
                raise HflicError(f"the documentation is missing: {line.path} was not installed")
            return line
    raise HflicError(f"there is no page '{id}': choose one of {', '.join(line.id for line in PAGES)}")


def unreleased() -> str:
    """What is in no version yet, from docs/changelog, as towncrier will write it; "" for nothing."""
    lines = []
    for kind, heading in KINDS.items():
        news = sorted((docs_folder() / "changelog").glob(f"+*.{kind}.md"))
        texts = [path.read_text(encoding="utf-8").strip().replace("\n", "\n  ") for path in news]
        if texts:
            lines += [f"### {heading}", "\n".join(f"- {text}" for text in texts)]
    return "\n\n".join(["## Unreleased", *lines]) if lines else ""


def places() -> dict[str, Path]:
    """What to where on this computer, without what no home is known for."""
    data = own_folder("data")
    found = {
        "documentation": docs_folder(),
        "settings": SettingsFile().path,
        "log": log_path(),
        "own weights": data / "weights" if data is not None else None,
        "shipped weights": asset_folder() / "weights",
    }
    return {what: path for what, path in found.items() if path is not None}
