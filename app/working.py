"""How does the window take part in working: undo, the palette, the queue, the blind test, the next start?"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING

from app.action import Facts
from app.blind import BlindTest, Contestant, places
from app.facts import comparable, facts_of
from app.host import to_front
from app.panels.blind import BlindDialog
from app.panels.dialogs import versions
from app.panels.docs import DocsWindow, docs_missing
from app.panels.jobs import JobsButton, JobsPanel
from app.panels.palette import Palette
from app.panels.results import ResultsDialog
from app.state import Level, Side, SideView

if TYPE_CHECKING:
    from app.window import Window


class Working:
    """Belongs to a window; gives the commands of its actions by id."""

    def __init__(self, window: Window) -> None:
        self._window = window
        self.queue = JobsPanel(window.session.jobs, window)
        self.button = JobsButton(window.session.jobs)
        self._guide: DocsWindow | None = None
        self._table: ResultsDialog | None = None
        self.button.clicked.connect(self.show_queue)
        window.history.changed.connect(self.name_steps)

    def commands(self) -> dict[str, Callable[[], object]]:
        """What the actions do."""
        return {
            "undo": self._window.history.undo,
            "redo": self._window.history.redo,
            "palette": self.find_command,
            "jobs": self.show_queue,
            "blind": self.blind_test,
            "restore": self._toggle_restore,
            "single": self._toggle_single,
            "guide": self.show_guide,
            "table": self.show_table,
        }

    def name_steps(self) -> None:
        """The menu says what would be taken back."""
        history, made = self._window.history, self._window.actions_by_id
        made["undo"].setText(f"&Undo {history.undo_name}".rstrip())
        made["redo"].setText(f"R&edo {history.redo_name}".rstrip())

    def find_command(self) -> Palette:
        """Open the command palette; what is chosen there runs as from the menu."""
        window = self._window

        def chosen(id: str) -> None:
            window.remember_command(id)
            window.actions_by_id[id].trigger()

        def facts() -> Facts:
            return facts_of(window.session, window.viewport, window.history)

        palette = Palette(window, facts, window.actions_by_id, window.settings.commands)
        palette.chosen.connect(chosen)
        palette.show_over(window)
        return palette

    def show_queue(self) -> None:
        """Open the list of what runs and waits."""
        self.queue.show_over(self._window, self._window.status.height())

    def blind_test(self) -> BlindDialog | None:
        """Open the blind test of what the sides show now."""
        window = self._window
        session = window.session
        original = session.picture
        views = {side: session.view(side) for side in Side}
        left, right = (view.raster for view in views.values())
        if original is None or left is None or right is None or not comparable(*views.values()):
            window.tell("A blind test needs a photo and both sides done.", Level.WARNING)
            return None
        crops = session.crops.all() or places(original.width, original.height)
        dialog = BlindDialog(
            window,
            lambda rounds: BlindTest(crops, secrets.randbelow(2**31), rounds),
            {Side.LEFT: left, Side.RIGHT: right},
            original,
            {side: _contestant(view) for side, view in views.items()},
            versions(),
            window.folder(),
        )
        dialog.save_wanted.connect(lambda task: session.save(task, []))
        dialog.open()
        return dialog

    def tell_if_no_original(self) -> bool:
        """Whether there is no original to show, which is told."""
        session = self._window.session
        lacks = session.picture is None
        if lacks and session.anything is not None:
            self._window.tell("There is no original to show: open the photo this file was made from.")
        return lacks

    def _toggle_restore(self) -> None:
        self._window.set_restore(not self._window.settings.restore)

    def _toggle_single(self) -> None:
        self._window.set_single(not self._window.settings.single)

    def show_table(self) -> None:
        """Open the table of all results beside the picture."""
        if self._table is None:
            self._table = ResultsDialog(self._window.session, self._window)
        self._table.show()
        to_front(self._table)

    def show_guide(self) -> None:
        """Open the documentation in a window of its own."""
        if reason := docs_missing():
            self._window.tell(reason, Level.WARNING)
            return
        if self._guide is None:
            self._guide = DocsWindow(parent=self._window)
        self._guide.show()
        to_front(self._guide)


def _contestant(view: SideView) -> Contestant:
    coded = view.coded
    if coded is None:
        return Contestant(view.choice.codec, view.name, 0, 0.0)
    made = coded.encoding
    return Contestant(made.codec, view.name, made.bytes, made.bpp, made.weights)
