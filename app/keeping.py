"""Which panels are open, and how are they opened again at the next start? Read off a window and put back."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from app.settings import Settings, packed, unpacked

if TYPE_CHECKING:
    from app.window import Window

_TOGGLES = ("plot", "faces", "loupe", "grid")


def with_panels(settings: Settings, window: Window) -> Settings:
    """The settings with what a person opened, and how high the strip of crops is."""
    open_ = [id for id in _TOGGLES if window.actions_by_id[id].isChecked()]
    if window.looking.strip_wanted:
        open_.append("strip")
    return replace(settings, panels=tuple(open_), state=packed(bytes(window.splitter.saveState().data())))


def open_again(window: Window, settings: Settings) -> None:
    """Open what was open when the program ended, and close the rest."""
    for id in _TOGGLES:
        if window.actions_by_id[id].isChecked() != (id in settings.panels):
            window.commands.command(id)()
    if "strip" in settings.panels:
        window.commands.command("strip")()
    if settings.state:
        window.splitter.restoreState(unpacked(settings.state))
