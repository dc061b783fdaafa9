"""What can a person do, by which key, and when? Menus, toolbar, shortcuts and help come from this table."""

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
    several: bool = False  # more than one picture was opened
    working: bool = False  # something runs that can be cancelled
    failed: bool = False  # a side failed or was stopped
    difference: bool = False  # difference mode


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


def _picture(facts: Facts) -> bool:
    return facts.picture


FILE, VIEW, COMPARE, HELP = "&File", "&View", "&Compare", "&Help"
MENUS = (FILE, VIEW, COMPARE, HELP)

ACTIONS: tuple[Action, ...] = (
    Action("open", "&Open\u2026", FILE, 0, ("Ctrl+O",), "open", "Open a picture or a compressed file"),
    Action("paste", "&Paste picture", FILE, 0, ("Ctrl+V",), "paste", "Open the picture on the clipboard"),
    Action("sample", "Open the sample photo", FILE, 0, icon="picture"),
    Action(
        "save_left",
        "Save &A\u2026",
        FILE,
        2,
        ("Ctrl+S",),
        "save",
        "Save the left side's compressed file, ready made",
        lambda f: f.left_file,
    ),
    Action(
        "save_right",
        "Save &B\u2026",
        FILE,
        2,
        ("Ctrl+Shift+S",),
        "save",
        "Save the right side's compressed file, ready made",
        lambda f: f.right_file,
    ),
    Action("png_left", "Save A decoded, as PNG\u2026", FILE, 3, enabled=_picture),
    Action("png_right", "Save B decoded, as PNG\u2026", FILE, 3, enabled=_picture),
    Action(
        "export_crop",
        "&Export the crop in view\u2026",
        FILE,
        4,
        ("Ctrl+E",),
        "crop",
        "Save what is in view in the picture's own pixels, without labels",
        _picture,
    ),
    Action(
        "copy_view",
        "&Copy the view",
        FILE,
        4,
        ("Ctrl+C",),
        "copy",
        "Copy what is seen to the clipboard, without labels",
        _picture,
    ),
    Action(
        "copy_numbers",
        "Copy the &numbers",
        FILE,
        4,
        ("Ctrl+Shift+C",),
        tip="Copy the table with tabs, for spreadsheets",
        enabled=_picture,
    ),
    Action("previous", "Previous picture", FILE, 5, ("PgUp",), enabled=lambda f: f.several),
    Action("next", "Next picture", FILE, 5, ("PgDown",), enabled=lambda f: f.several),
    Action("quit", "&Quit", FILE, 9, ("Ctrl+Q",)),
    Action(
        "split",
        "&Split",
        VIEW,
        0,
        ("2",),
        "split",
        "Divide the picture by a line you can drag",
        _picture,
        "mode",
    ),
    Action("left", "&Left alone", VIEW, 0, ("1",), "left", "Show side A alone", _picture, "mode"),
    Action("right", "&Right alone", VIEW, 0, ("3",), "right", "Show side B alone", _picture, "mode"),
    Action(
        "side",
        "Side &by side",
        VIEW,
        0,
        ("4", "S"),
        "side",
        "Show both sides beside each other",
        _picture,
        "mode",
    ),
    Action(
        "difference",
        "&Difference",
        VIEW,
        0,
        ("5", "D"),
        "difference",
        "Show how far the sides are apart, amplified",
        _picture,
        "mode",
    ),
    Action("more_gain", "Amplify the difference more", VIEW, 1, ("G",), enabled=lambda f: f.difference),
    Action("less_gain", "Amplify the difference less", VIEW, 1, ("Shift+G",), enabled=lambda f: f.difference),
    Action(
        "faces",
        "F&aces",
        VIEW,
        1,
        ("F",),
        "face",
        "Mark the faces of the picture, the small ones with solid boxes",
        lambda f: f.original,
        toggle=True,
    ),
    Action(
        "plot",
        "&Rate and quality plot",
        VIEW,
        1,
        ("R",),
        "plot",
        "Plot the quality of what was tried over its size",
        toggle=True,
    ),
    Action("fit", "&Fit the window", VIEW, 2, ("0",), "fit", "Show the whole picture", _picture),
    Action("actual", "&100%", VIEW, 2, ("Z",), "actual", "One picture pixel on one screen pixel", _picture),
    Action("zoom_in", "Zoom in", VIEW, 2, ("+", "=", "Ctrl++"), enabled=_picture),
    Action("zoom_out", "Zoom out", VIEW, 2, ("-", "Ctrl+-"), enabled=_picture),
    Action(
        "hold",
        "Show the original while held",
        COMPARE,
        0,
        ("Space",),
        tip="Hold to see the original",
        enabled=lambda f: f.original,
        held=True,
    ),
    Action(
        "swap", "S&wap sides", COMPARE, 0, ("X",), "swap", "Exchange the left and the right side", _picture
    ),
    Action(
        "lock",
        "Same &size on both sides",
        COMPARE,
        1,
        ("L",),
        "lock",
        "Drive both codecs to the same bits per pixel",
        toggle=True,
    ),
    Action("preset_0.075", "0.075 bpp", COMPARE, 2, ("Ctrl+1",), tip="Very small: 0.075 bits per pixel"),
    Action("preset_0.15", "0.15 bpp", COMPARE, 2, ("Ctrl+2",), tip="Small: 0.15 bits per pixel"),
    Action("preset_0.3", "0.30 bpp", COMPARE, 2, ("Ctrl+3",), tip="Medium: 0.3 bits per pixel"),
    Action(
        "cancel", "&Cancel", COMPARE, 3, ("Esc",), "cancel", "Stop everything that runs", lambda f: f.working
    ),
    Action(
        "retry",
        "&Try again",
        COMPARE,
        3,
        ("F5",),
        "retry",
        "Run again what failed or was stopped",
        lambda f: f.failed,
    ),
    Action(
        "chrome",
        "&Hide panels and labels",
        VIEW,
        3,
        ("Tab",),
        tip="Nothing but the picture",
        toggle=True,
        canvas_only=True,
    ),
    Action("full_screen", "F&ull screen", VIEW, 3, ("F11",), toggle=True),
    Action("theme_system", "Theme: as the system", VIEW, 4, choice="theme"),
    Action("theme_light", "Theme: light", VIEW, 4, choice="theme"),
    Action("theme_dark", "Theme: dark", VIEW, 4, choice="theme"),
    Action("shortcuts", "&Keys", HELP, 0, ("?", "F1"), "help", "All keys"),
    Action("log", "Show the &log file", HELP, 1),
    Action("about", "&About HFLIC", HELP, 2, icon="info"),
)

TOOLBAR: tuple[str, ...] = (
    "open", "paste", "",
    "left", "split", "right", "side", "difference", "",
    "fit", "actual", "",
    "swap", "faces", "plot", "",
    "export_crop", "copy_view",
)  # fmt: skip
TOOLBAR_RIGHT: tuple[str, ...] = ("cancel", "shortcuts")

# Done with the mouse: listed in the help beside the keys.
GESTURES: tuple[tuple[str, str], ...] = (
    ("Wheel", "Zoom about the cursor"),
    ("Drag", "Move the picture; near the line, move the line"),
    ("Double click", "Between fit and 100%; on the line, back to the middle"),
    ("Arrows", "Move the picture"),
    ("Shift+Left, Shift+Right", "Move the split line"),
    ("Drop", "Open a picture or a compressed file"),
)


def action(id: str) -> Action:
    """The line of an id. Raises KeyError."""
    return _BY_ID[id]


_BY_ID = {line.id: line for line in ACTIONS}
