"""How does the program look? Palettes for light and dark, icons in their colours, a few rules of style."""

from __future__ import annotations

from functools import lru_cache

from PySide6.QtCore import QByteArray, QPoint, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QIcon, QIconEngine, QPainter, QPalette, QPixmap
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QApplication, QStyleFactory

from models.assets import asset_folder

SYSTEM, LIGHT, DARK = "system", "light", "dark"
THEMES = (SYSTEM, LIGHT, DARK)

# Greys without a tint: a coloured frame would shift how the picture's colours look.
_LIGHT = {
    QPalette.ColorRole.Window: "#f4f4f5",
    QPalette.ColorRole.WindowText: "#1b1b1d",
    QPalette.ColorRole.Base: "#ffffff",
    QPalette.ColorRole.AlternateBase: "#f0f0f1",
    QPalette.ColorRole.Text: "#1b1b1d",
    QPalette.ColorRole.Button: "#fbfbfb",
    QPalette.ColorRole.ButtonText: "#1b1b1d",
    QPalette.ColorRole.BrightText: "#ffffff",
    QPalette.ColorRole.ToolTipBase: "#2a2a2c",
    QPalette.ColorRole.ToolTipText: "#f5f5f5",
    QPalette.ColorRole.PlaceholderText: "#6d6d72",
    QPalette.ColorRole.Highlight: "#2f6fd0",
    QPalette.ColorRole.HighlightedText: "#ffffff",
    QPalette.ColorRole.Link: "#1f5fbf",
    QPalette.ColorRole.Light: "#ffffff",
    QPalette.ColorRole.Midlight: "#ececee",
    QPalette.ColorRole.Mid: "#c9c9cd",
    QPalette.ColorRole.Dark: "#a5a5aa",
    QPalette.ColorRole.Shadow: "#7c7c82",
}
_DARK = {
    QPalette.ColorRole.Window: "#2a2a2c",
    QPalette.ColorRole.WindowText: "#ececee",
    QPalette.ColorRole.Base: "#1f1f21",
    QPalette.ColorRole.AlternateBase: "#262628",
    QPalette.ColorRole.Text: "#ececee",
    QPalette.ColorRole.Button: "#38383b",
    QPalette.ColorRole.ButtonText: "#ececee",
    QPalette.ColorRole.BrightText: "#ffffff",
    QPalette.ColorRole.ToolTipBase: "#101011",
    QPalette.ColorRole.ToolTipText: "#f0f0f0",
    QPalette.ColorRole.PlaceholderText: "#9a9aa0",
    QPalette.ColorRole.Highlight: "#3573cf",
    QPalette.ColorRole.HighlightedText: "#ffffff",
    QPalette.ColorRole.Link: "#7db0f5",
    QPalette.ColorRole.Light: "#4a4a4e",
    QPalette.ColorRole.Midlight: "#404043",
    QPalette.ColorRole.Mid: "#4b4b4f",
    QPalette.ColorRole.Dark: "#18181a",
    QPalette.ColorRole.Shadow: "#0c0c0d",
}
_FADED = {LIGHT: "#9a9a9f", DARK: "#77777c"}


def palette(dark: bool) -> QPalette:
    """All colours of a theme."""
    colours = _DARK if dark else _LIGHT
    made = QPalette()
    for role, colour in colours.items():
        made.setColor(role, QColor(colour))
    faded = QColor(_FADED[DARK if dark else LIGHT])
    for role in (
        QPalette.ColorRole.WindowText,
        QPalette.ColorRole.Text,
        QPalette.ColorRole.ButtonText,
        QPalette.ColorRole.HighlightedText,
    ):
        made.setColor(QPalette.ColorGroup.Disabled, role, faded)
    made.setColor(QPalette.ColorGroup.Disabled, QPalette.ColorRole.Highlight, faded)
    return made


def is_dark(colours: QPalette) -> bool:
    """Whether a palette is a dark one."""
    return colours.color(QPalette.ColorRole.Window).lightness() < 128


def surround(colours: QPalette) -> QColor:
    """What lies around the picture: a neutral grey, a little away from the window's."""
    return QColor("#19191b" if is_dark(colours) else "#dcdcde")


def system_is_dark(app: QApplication) -> bool:
    """What the desktop asks for; light where it says nothing."""
    return app.styleHints().colorScheme() is Qt.ColorScheme.Dark


def apply(app: QApplication, theme: str) -> None:
    """Dress the program: one of THEMES."""
    if app.style().objectName().lower() != "fusion":
        app.setStyle(QStyleFactory.create("Fusion"))
    schemes = {LIGHT: Qt.ColorScheme.Light, DARK: Qt.ColorScheme.Dark}
    app.styleHints().setColorScheme(schemes.get(theme, Qt.ColorScheme.Unknown))
    dark = theme == DARK or (theme == SYSTEM and system_is_dark(app))
    app.setPalette(palette(dark))
    app.setStyleSheet(_STYLE_DARK if dark else _STYLE_LIGHT)


_STYLE = """
QToolTip { color: TIPTEXT; background: TIP; border: 1px solid LINE; padding: 4px 6px; }
QToolBar { border: none; border-bottom: 1px solid LINE; spacing: 2px; padding: 4px 8px; background: WINDOW; }
QToolBar::separator { width: 1px; background: LINE; margin: 5px 6px; }
QToolBar QToolButton { border: none; border-radius: 5px; padding: 5px 7px; }
QToolBar QToolButton:hover { background: HOVER; }
QToolBar QToolButton:pressed, QToolBar QToolButton:checked { background: PRESSED; }
QToolBar QToolButton:focus { border: 1px solid FOCUS; padding: 4px 6px; }
QToolBar QToolButton::menu-indicator { image: none; width: 0; }
QStatusBar { border-top: 1px solid LINE; background: WINDOW; }
QStatusBar::item { border: none; }
QScrollArea#inspector, QWidget#inspectorBody { border: none; background: WINDOW; }
QFrame#card { background: CARD; border: 1px solid LINE; border-radius: 8px; }
QLabel#heading { font-weight: 600; }
QLabel#quiet { color: QUIET; }
QLabel#bad { color: BAD; }
QLabel#badge { background: ACCENT; color: #ffffff; border-radius: 4px; font-weight: 700; padding: 1px 6px; }
QPushButton { border: 1px solid LINE; border-radius: 5px; padding: 4px 10px; background: BUTTON; }
QPushButton:hover { background: HOVER; }
QPushButton:pressed { background: PRESSED; }
QPushButton:checked { background: ACCENT; color: #ffffff; border-color: ACCENT; }
QPushButton:focus { border-color: FOCUS; }
QPushButton:disabled { color: FADED; }
QDialog QPushButton:default { background: ACCENT; color: #ffffff; border-color: ACCENT; }
QDialog QPushButton:default:disabled { background: BUTTON; color: FADED; border-color: LINE; }
QDialog QLineEdit, QDialog QTreeWidget, QDialog QPlainTextEdit { border: 1px solid LINE; border-radius: 5px; }
QDialog QLineEdit { padding: 4px 6px; }
QDialog QTreeWidget, QDialog QTableWidget, QDialog QPlainTextEdit { padding: 2px; background: FIELD; }
QDialog QTableWidget { background: CARD; border: 1px solid LINE; border-radius: 5px; }
QDialog QTableWidget::item { padding: 3px 4px; }
QDialog QTableWidget QHeaderView::section { padding: 3px 7px; }
QDialog QLineEdit:focus, QDialog QTreeWidget:focus, QDialog QPlainTextEdit:focus { border-color: FOCUS; }
QTreeWidget::item { padding: 3px 2px; }
QTreeWidget::indicator, QCheckBox::indicator { width: 14px; height: 14px; border-radius: 3px; }
QTreeWidget::indicator:unchecked, QCheckBox::indicator:unchecked { border: 1px solid QUIET; }
QTreeWidget::indicator:checked, QCheckBox::indicator:checked {
  border: 1px solid ACCENT; background: ACCENT; image: url("@CHECK@");
}
QToolButton#flat { border: 1px solid transparent; border-radius: 5px; padding: 3px; }
QToolButton#flat:hover { background: HOVER; }
QToolButton#flat:checked { background: PRESSED; }
QToolButton#flat:focus { border-color: FOCUS; }
QFrame#floating { background: CARD; border: 1px solid LINE; border-radius: 8px; }
QFrame#floating QLineEdit { padding: 6px 4px; border: 1px solid LINE; border-radius: 5px; }
QFrame#floating QListView { border: none; background: CARD; outline: none; }
QFrame#floating QScrollBar:vertical { border: none; background: CARD; width: 10px; }
QFrame#floating QScrollBar::handle { background: PRESSED; border-radius: 4px; margin: 1px; }
QFrame#floating QScrollBar::add-line, QFrame#floating QScrollBar::sub-line { height: 0; }
QFrame#floating QScrollBar::add-page, QFrame#floating QScrollBar::sub-page { background: CARD; }
QFrame#message { border: none; border-bottom: 1px solid LINE; background: CARD; }
QFrame#message[level="error"] { background: ERRORBACK; }
QFrame#message[level="warning"] { background: WARNBACK; }
QProgressBar { border: none; border-radius: 2px; background: PRESSED; max-height: 4px; min-height: 4px; }
QProgressBar::chunk { background: FOCUS; border-radius: 2px; }
QTableWidget { border: none; background: transparent; }
QHeaderView { background: transparent; }
QHeaderView::section { background: transparent; border: none; border-bottom: 1px solid LINE; padding: 3px; }
"""


def style_colours(dark: bool) -> dict[str, str]:
    """The colours a style sheet names, beside those of the palette."""
    return {
        "TIPTEXT": "#f5f5f5",
        "TIP": "#101011" if dark else "#2a2a2c",
        "LINE": "#414144" if dark else "#d6d6d9",
        "WINDOW": "#2a2a2c" if dark else "#f4f4f5",
        "FIELD": "#1f1f21" if dark else "#ffffff",
        "CARD": "#323235" if dark else "#ffffff",
        "HOVER": "#434347" if dark else "#e7e7ea",
        "PRESSED": "#505055" if dark else "#d9d9dd",
        "ACCENT": "#3573cf" if dark else "#2f6fd0",  # white text stands on it
        "FOCUS": "#6ea3ee" if dark else "#2f6fd0",  # lines on cards, which the dark accent would be lost on
        "BUTTON": "#3b3b3e" if dark else "#fbfbfb",
        "QUIET": "#a9a9af" if dark else "#606066",
        "FADED": "#77777c" if dark else "#9a9a9f",
        "ERRORBACK": "#4d2a2c" if dark else "#fde5e4",
        "WARNBACK": "#4a3d20" if dark else "#fff2d0",
        "BAD": "#ff9d98" if dark else "#b3261e",
    }


def _style(dark: bool) -> str:
    text, names = _STYLE, style_colours(dark)
    for name in sorted(names, key=len, reverse=True):
        text = text.replace(name, names[name])
    # Last: the names of colours may stand in a path.
    return text.replace("@CHECK@", (asset_folder() / "icons" / "check-white.svg").as_posix())


_STYLE_LIGHT, _STYLE_DARK = _style(False), _style(True)


@lru_cache(maxsize=128)
def icon(name: str) -> QIcon:
    """An icon of assets/icons that follows the palette and any pixel density."""
    return QIcon(_Engine(name))


class _Engine(QIconEngine):
    """Draws an SVG whose black strokes take the palette's text colour at the moment of drawing."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name
        try:
            self._source = (asset_folder() / "icons" / f"{name}.svg").read_text(encoding="utf-8")
        except OSError:
            self._source = ""  # a missing icon leaves a gap, not a crash

    def clone(self) -> QIconEngine:
        return _Engine(self._name)

    def paint(self, painter: QPainter, rect: QRect, mode: QIcon.Mode, state: QIcon.State) -> None:
        group = QPalette.ColorGroup.Disabled if mode is QIcon.Mode.Disabled else QPalette.ColorGroup.Active
        role = QPalette.ColorRole.ButtonText
        if mode is QIcon.Mode.Selected:
            role = QPalette.ColorRole.HighlightedText
        colour = QApplication.palette().color(group, role).name()
        renderer = QSvgRenderer(QByteArray(self._source.replace("#000", colour).encode()))
        renderer.render(painter, QRectF(rect))

    def pixmap(self, size: QSize, mode: QIcon.Mode, state: QIcon.State) -> QPixmap:
        return self.scaledPixmap(size, mode, state, 1.0)

    def scaledPixmap(  # noqa: N802
        self, size: QSize, mode: QIcon.Mode, state: QIcon.State, scale: float
    ) -> QPixmap:
        made = QPixmap(size * scale)
        made.setDevicePixelRatio(scale)
        made.fill(Qt.GlobalColor.transparent)
        painter = QPainter(made)
        self.paint(painter, QRect(QPoint(), size), mode, state)
        painter.end()
        return made


def app_icon() -> QIcon:
    """The program's own icon, in its own colours."""
    return QIcon(str(asset_folder() / "icons" / "hflic.svg"))
