"""What is an action, and what decides whether it is possible? The lines of the table in `app.actions`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Facts:
    """What decides whether an action is possible."""

    picture: bool = False  # something is on the canvas
    original: bool = False  # the original is open
    left_file: bool = False  # the left side has a compressed file
    right_file: bool = False
    left_done: bool = False  # the left side shows what was chosen, not what fills its place
    right_done: bool = False
    several: bool = False  # more than one picture was opened
    working: bool = False  # something runs that can be cancelled
    failed: bool = False  # something failed or was stopped that can be tried again
    difference: bool = False  # difference mode
    undo: bool = False  # a change of the view or the sides can be taken back
    redo: bool = False
    both: bool = False  # both sides are done, and of one size
    box: bool = False  # a crop box is selected


@dataclass(frozen=True)
class Action:
    """One line of the table. `keys`: as Qt spells them; `group`: lines of a menu between separators.

    `choice`: actions of the same choice exclude each other and show which is on; `toggle`: it is on or off.
    `canvas_only`: the key works only while the picture has the keyboard.
    `held`: works while the key is down.
    """

    id: str
    text: str
    menu: str
    group: int = 0
    keys: tuple[str, ...] = ()
    icon: str = ""
    tip: str = ""
    enabled: Callable[[Facts], bool] = lambda facts: True
    choice: str = ""
    toggle: bool = False
    canvas_only: bool = False
    held: bool = False

    @property
    def plain(self) -> str:
        """The text without the mark of its letter."""
        return self.text.replace("&", "").rstrip("\N{HORIZONTAL ELLIPSIS}")
