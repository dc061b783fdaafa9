"""How do the lines of the action table become menus, a toolbar and keys?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QAction, QActionGroup, QKeySequence
from PySide6.QtWidgets import QMenu, QMenuBar, QSizePolicy, QToolBar, QWidget

from app import actions, theme
from app.action import Action, Facts
from app.finding import reason_against
from app.possible import allow
from app.state import Side


def make_actions(window: QWidget, canvas: QWidget, trigger: Callable[[str], None]) -> dict[str, QAction]:
    """A QAction for each line; `trigger` gets the id."""
    made: dict[str, QAction] = {}
    groups: dict[str, QActionGroup] = {}
    for line in actions.ACTIONS:
        action = QAction(line.text, window)
        action.setObjectName(line.id)
        if line.icon:
            action.setIcon(theme.icon(line.icon))
        if not line.held:
            action.setShortcuts([QKeySequence(key) for key in line.keys])
        action.setToolTip(_tip(line))
        action.setCheckable(line.toggle or bool(line.choice))
        if line.choice:
            if line.choice not in groups:
                groups[line.choice] = QActionGroup(window)
            groups[line.choice].addAction(action)
        action.triggered.connect(partial(_call, trigger, line.id))
        if line.canvas_only:
            action.setShortcutContext(Qt.ShortcutContext.WidgetShortcut)
            canvas.addAction(action)
        else:
            window.addAction(action)
        made[line.id] = action
    return made


def show_possible(made: Mapping[str, QAction], facts: Facts) -> None:
    """Each action is possible, or its tooltip says why not."""
    for line in actions.ACTIONS:
        allow(made[line.id], _tip(line), reason_against(line, facts))


def fill_menu_bar(bar: QMenuBar, made: Mapping[str, QAction], after: Mapping[str, QMenu]) -> None:
    """The menus; `after` puts further menus behind the action of an id."""
    for name in actions.MENUS:
        menu = bar.addMenu(name)
        menu.setToolTipsVisible(True)
        group = 0
        for line in actions.ACTIONS:
            if line.menu != name or line.held:
                continue
            if line.group != group:
                menu.addSeparator()
                group = line.group
            menu.addAction(made[line.id])
            if line.id in after:
                menu.addMenu(after[line.id])


def save_menus(parent: QWidget, made: Mapping[str, QAction]) -> dict[Side, QMenu]:
    """What each side's save button offers."""
    menus = {}
    for side in Side:
        menu = QMenu(parent)
        menu.setToolTipsVisible(True)
        menu.addAction(made[f"save_{side.value}"])
        menu.addAction(made[f"png_{side.value}"])
        menus[side] = menu
    return menus


def make_toolbar(made: Mapping[str, QAction]) -> QToolBar:
    """The toolbar: clicking it leaves the keyboard where it is, Tab still reaches it."""
    bar = QToolBar("Tools")
    bar.setMovable(False)
    bar.setIconSize(QSize(20, 20))
    bar.setContextMenuPolicy(Qt.ContextMenuPolicy.PreventContextMenu)
    for id in actions.TOOLBAR:
        if id:
            bar.addAction(made[id])
        else:
            bar.addSeparator()
    space = QWidget()
    space.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
    bar.addWidget(space)
    for id in actions.TOOLBAR_RIGHT:
        bar.addAction(made[id])
    for id in filter(None, (*actions.TOOLBAR, *actions.TOOLBAR_RIGHT)):
        button = bar.widgetForAction(made[id])
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        button.setAccessibleName(actions.action(id).plain)
    return bar


@cache
def _tip(line: Action) -> str:
    """What an action does, and its keys."""
    keys = [QKeySequence(key).toString(QKeySequence.SequenceFormat.NativeText) for key in line.keys]
    return f"{line.tip or line.plain} ({', '.join(keys)})" if keys else line.tip or line.plain


def _call(trigger: Callable[[str], None], id: str, *_: object) -> None:
    """Qt adds whether the action is checked, which nobody needs."""
    trigger(id)
