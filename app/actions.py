"""What can a person do, by which key, and when? Menus, toolbar, shortcuts and help come from this table."""

from __future__ import annotations

from app.action import Action, Facts
from app.state import METRICS
from models.metrics import TABLE


def _picture(facts: Facts) -> bool:
    return facts.picture


def _result(facts: Facts) -> bool:
    return facts.original and (facts.left_file or facts.right_file)


FILE, VIEW, COMPARE, CROPS, EXPORT, HELP = "&File", "&View", "&Compare", "C&rops", "E&xport", "&Help"
MENUS = (FILE, VIEW, COMPARE, CROPS, EXPORT, HELP)

_SHARING: tuple[Action, ...] = (
    Action(
        "export_figure", "&Figure sheet\u2026", EXPORT, 0, ("Ctrl+Shift+E",), "sheet",
        "The boxed original and the crops of every codec, as in papers: PNG, PDF or SVG", _result,
    ),
    Action(
        "export_page", "&Web page\u2026", EXPORT, 0,
        tip="One file with a slider and all numbers that opens in any browser, without a network",
        enabled=_result,
    ),
    Action(
        "export_bundle", "&Evidence bundle\u2026", EXPORT, 0,
        tip="All files, decoded pictures, numbers and versions, and the commands that make them again",
        enabled=_result,
    ),
    Action(
        "export_files", "Compressed f&iles\u2026", EXPORT, 0,
        tip="The files of several codecs into a folder, as they were measured", enabled=_result,
    ),
    Action(
        "export_labelled", "Crop with &labels\u2026", EXPORT, 1,
        tip="The selected box, or what is in view, of every codec with captions", enabled=_result,
    ),
    Action(
        "export_crops", "All &boxes as PNG\u2026", EXPORT, 1,
        tip="Every box of every codec in its own pixels, and framed with captions", enabled=_result,
    ),
)  # fmt: skip

ACTIONS: tuple[Action, ...] = (
    Action("open", "&Open\u2026", FILE, 0, ("Ctrl+O",), "open", "Open a picture or a compressed file"),
    Action("open_folder", "Open a fol&der\u2026", FILE, 0, ("Ctrl+Shift+O",), tip="Open all its pictures"),
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
    Action(
        "png_left",
        "Save A decoded, as PNG\u2026",
        FILE,
        3,
        enabled=lambda f: f.picture and f.left_done,
    ),
    Action(
        "png_right",
        "Save B decoded, as PNG\u2026",
        FILE,
        3,
        enabled=lambda f: f.picture and f.right_done,
    ),
    *_SHARING,
    Action(
        "export_crop",
        "E&xport the crop in view\u2026",
        EXPORT,
        1,
        ("Ctrl+E",),
        "crop",
        "Save what is in view in the picture's own pixels, without labels",
        _picture,
    ),
    Action(
        "copy_view",
        "&Copy the view",
        EXPORT,
        2,
        ("Ctrl+C",),
        "copy",
        "Copy what is seen to the clipboard, without labels",
        _picture,
    ),
    Action(
        "copy_crop",
        "Copy the c&rop",
        EXPORT,
        2,
        ("Ctrl+Alt+C",),
        tip="Copy the box, both sides",
        enabled=_picture,
    ),
    Action(
        "copy_numbers",
        "Copy the &numbers",
        EXPORT,
        2,
        ("Ctrl+Shift+C",),
        tip="Copy the table with tabs, for spreadsheets",
        enabled=_picture,
    ),
    Action("previous", "Previous picture", FILE, 5, ("PgUp",), enabled=lambda f: f.several),
    Action("next", "Next picture", FILE, 5, ("PgDown",), enabled=lambda f: f.several),
    Action(
        "restore",
        "Open the last pictures at the start",
        FILE,
        8,
        tip="Begin where the last session ended, unless a picture is given on the command line",
        toggle=True,
    ),
    Action(
        "single",
        "Later starts open files &here",
        FILE,
        8,
        tip="A file opened from the desktop or the command line comes into this window",
        toggle=True,
    ),
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
    Action(
        "turn_split",
        "Tur&n the split line",
        VIEW,
        0,
        ("Shift+2",),
        tip="Upright or across: A to the left of the line, or above it",
        enabled=_picture,
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
    Action("next_kind", "Next kind of difference", VIEW, 1, ("Shift+D",), enabled=_picture),
    Action("difference_absolute", "Absolute difference", VIEW, 1, enabled=_picture, choice="kind"),
    Action("difference_signed", "Signed difference", VIEW, 1, enabled=_picture, choice="kind"),
    Action("difference_perceptual", "Perceptual difference", VIEW, 1, enabled=_picture, choice="kind"),
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
        "Rate and quality &plot",
        VIEW,
        1,
        ("R",),
        "plot",
        "Plot the quality of what was tried over its size",
        toggle=True,
    ),
    Action(
        "table",
        "&Table of all results",
        VIEW,
        1,
        ("Shift+R",),
        tip="All codecs and sizes that were tried, with their numbers",
        enabled=lambda f: f.original,
    ),
    Action("fit", "&Fit the window", VIEW, 2, ("0",), "fit", "Show the whole picture", _picture),
    Action("actual", "&100%", VIEW, 2, ("Z",), "actual", "One picture pixel on one screen pixel", _picture),
    Action("zoom_in", "Zoom in", VIEW, 2, ("+", "=", "Ctrl++"), enabled=_picture),
    Action("zoom_out", "Zoom out", VIEW, 2, ("-", "Ctrl+-"), enabled=_picture),
    Action("loupe", "&Magnifier", VIEW, 3, ("M",), "loupe", "Magnify what is under the cursor", toggle=True),
    Action("grid", "Pixel &grid over 1600%", VIEW, 3, ("#",), tip="Lines and values of pixels", toggle=True),
    Action("filmstrip", "F&ilmstrip", VIEW, 3, ("Ctrl+T",), tip="The opened pictures", toggle=True),
    Action("draw_box", "&Draw a box", CROPS, 0, ("C",), "box", "Draw a crop box", _picture, toggle=True),
    Action("box_here", "Box in the &middle", CROPS, 0, ("Shift+C",), enabled=_picture),
    Action(
        "places",
        "Most di&fferent places",
        CROPS,
        0,
        ("W",),
        "places",
        "Find the five places where the sides differ most, faces first",
        lambda f: f.both,
    ),
    Action("next_box", "&Next box", CROPS, 1, ("N",), "forward", enabled=lambda f: f.box),
    Action("previous_box", "&Previous box", CROPS, 1, ("P",), "back", enabled=lambda f: f.box),
    Action("rename_box", "&Rename the box\u2026", CROPS, 2, ("F2",), enabled=lambda f: f.box),
    Action("remove_box", "Delete the &box", CROPS, 2, ("Del",), enabled=lambda f: f.box),
    Action("strip", "&Strip of crops", CROPS, 3, ("T",), "strip", "The crop in every codec", toggle=True),
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
        enabled=_picture,
        toggle=True,
        canvas_only=True,
    ),
    Action("full_screen", "F&ull screen", VIEW, 3, ("F11",), toggle=True),
    *(
        Action(
            f"label_{id}",
            f"Labels: {TABLE[id].label}",
            VIEW,
            5,
            tip=f"Write {TABLE[id].label} beside size and rate on the picture",
            choice="label",
        )
        for id in METRICS
    ),
    Action("theme_system", "Theme: as the system", VIEW, 4, choice="theme"),
    Action("theme_light", "Theme: light", VIEW, 4, choice="theme"),
    Action("theme_dark", "Theme: dark", VIEW, 4, choice="theme"),
    Action(
        "undo",
        "&Undo",
        COMPARE,
        4,
        ("Ctrl+Z",),
        "undo",
        "Take back the last change of the view or the sides",
        lambda f: f.undo,
    ),
    Action(
        "redo",
        "R&edo",
        COMPARE,
        4,
        ("Ctrl+Shift+Z", "Ctrl+Y"),
        "redo",
        "Do again what was taken back",
        lambda f: f.redo,
    ),
    Action(
        "blind",
        "&Blind test\u2026",
        COMPARE,
        5,
        ("B",),
        "blind",
        "Judge the sides without knowing which is which",
        lambda f: f.both and f.original,
    ),
    Action("jobs", "What runs and w&aits", COMPARE, 5, ("J",), tip="Show the queue of jobs"),
    Action(
        "palette",
        "Find a &command\u2026",
        HELP,
        0,
        ("Ctrl+K", "Ctrl+Shift+P"),
        "search",
        "Search all commands by a few letters",
    ),
    Action("shortcuts", "&Keys", HELP, 0, ("?", "F1"), "help", "All keys"),
    Action("guide", "User &guide", HELP, 0, tip="The documentation, without a network"),
    Action("log", "Show the &log file", HELP, 1),
    Action("about", "&About HFLIC", HELP, 2, icon="info"),
)

TOOLBAR: tuple[str, ...] = (
    "open", "paste", "",
    "left", "split", "right", "side", "difference", "",
    "fit", "actual", "",
    "swap", "faces", "plot", "",
    "draw_box", "places", "loupe", "strip", "",
    "export_crop", "copy_view",
)  # fmt: skip
TOOLBAR_RIGHT: tuple[str, ...] = ("cancel", "shortcuts")

# Done with the mouse: listed in the help beside the keys.
GESTURES: tuple[tuple[str, str], ...] = (
    ("Wheel", "Zoom about the cursor"),
    ("Drag", "Move the picture; near the line, move the line"),
    ("Double click", "Between fit and 100%; on the line, back to the middle"),
    ("Arrows", "Move the picture"),
    ("Shift+arrow keys", "Move the split line"),
    ("Drag an edge or name", "Resize or move a box"),
    ("Alt+Arrows, Alt+Shift+Arrows", "Move or resize the box"),
    ("Drop", "Open a picture or a compressed file"),
)


def action(id: str) -> Action:
    """The line of an id. Raises KeyError."""
    return _BY_ID[id]


_BY_ID = {line.id: line for line in ACTIONS}
