"""How is an unexpected fault told? One dialog, whichever thread it came from and however many follow."""

from __future__ import annotations

from PySide6.QtCore import QObject, Qt, Signal, Slot
from PySide6.QtWidgets import QDialog, QWidget

from app import text
from app.panels.dialogs import show_fault


class FaultTeller(QObject):
    """Faults that come while the dialog is open are counted in its title, and are in the log."""

    _told = Signal(str, str)

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self._window = window
        self._dialog: QDialog | None = None
        self._more = 0
        # A fault of another thread waits for the interface thread; widgets live only there.
        self._told.connect(self._show, Qt.ConnectionType.AutoConnection)

    def tell(self, fault: str, details: str) -> None:
        """Show a fault and its traceback. Any thread."""
        self._told.emit(fault, details)

    @Slot(str, str)
    def _show(self, fault: str, details: str) -> None:
        if self._dialog is not None:
            self._more += 1
            faults = text.counted(self._more, "more fault")
            self._dialog.setWindowTitle(f"Details ({faults} in the log)")
            return
        self._more = 0
        self._dialog = show_fault(self._window, fault, details)
        self._dialog.finished.connect(self._closed)

    @Slot()
    def _closed(self) -> None:
        self._dialog = None
