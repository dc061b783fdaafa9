"""What is a file dragged from, in the smoke test? `python assets/installer/drag.py FILE`: a small window.

It stays until it is ended: under X11 the drag is over for its source before the other program has fetched
what was dropped, and a source that is gone gives it nothing.
"""

from __future__ import annotations

import sys

from PySide6.QtCore import QMimeData, Qt, QUrl
from PySide6.QtGui import QDrag, QMouseEvent
from PySide6.QtWidgets import QApplication, QLabel

PLACE, SIZE = (1400, 40), (160, 80)


class Source(QLabel):
    """Dragging it drags the file."""

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        """Begin at once, and say how it ended."""
        drag = QDrag(self)
        mime = QMimeData()
        mime.setUrls([QUrl.fromLocalFile(sys.argv[1])])
        drag.setMimeData(mime)
        taken = drag.exec(Qt.DropAction.CopyAction)
        print("taken" if taken == Qt.DropAction.CopyAction else "refused", flush=True)  # noqa: T201


def main() -> None:
    """Show the window."""
    app = QApplication(sys.argv[:1])
    source = Source("a file")
    source.setWindowTitle("drag source")
    source.setGeometry(*PLACE, *SIZE)
    source.show()
    app.exec()


if __name__ == "__main__":
    main()
