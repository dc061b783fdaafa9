"""What is kept of a window for the next start, beside what other windows have kept meanwhile?"""

from __future__ import annotations

from app.commands import sample_photo
from app.restore import Remembered, SessionFile, remember
from app.settings import Settings, SettingsFile
from app.window import Window


class Ending:
    """Keeps a window's settings and where its session stands.

    begun: the settings the window began with; last: where the session before it ended.
    """

    def __init__(
        self, window: Window, store: SettingsFile, begun: Settings, file: SessionFile, last: Remembered
    ) -> None:
        self._window, self._store, self._begun = window, store, begun
        self._file, self._last = file, last

    def keep(self) -> list[str]:
        """Write it, now or when the window is closed; gives what cannot be kept, in words."""
        now = self._store.load()
        self._store.save(self._window.settings.with_others(self._begun, now))
        self._keep_session()
        return [problem for problem in (self._store.problem, self._file.problem) if problem]

    def _keep_session(self) -> None:
        """Where nothing was opened, the last end stays."""
        window = self._window
        self._file.problem = ""
        if not window.settings.restore or window.session.anything is None:
            return
        state = window.last_state or remember(window.session, window.viewport, sample_photo())
        now = self._file.load()
        if self._file.problem or now == Remembered():  # it tells nothing about what others took away
            now = self._last
        known = self._last if self._begun.restore else Remembered()
        self._file.save(state.merged(known, now))
