"""How is the documentation read without a network? A window with the pages, their links and pictures."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt, QUrl, Signal, Slot
from PySide6.QtGui import (
    QDesktopServices,
    QFont,
    QImage,
    QPainter,
    QResizeEvent,
    QTextBlock,
    QTextBlockFormat,
    QTextCharFormat,
    QTextDocument,
    QTextFormat,
)
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import (
    QFrame,
    QListWidget,
    QListWidgetItem,
    QSplitter,
    QTextBrowser,
    QVBoxLayout,
    QWidget,
)

from app import theme
from app.docs import PAGES, Page
from models.assets import docs_folder

_SIZE, _LIST, _MARGIN = QSize(1060, 760), 190, 28
_PICTURE = "\N{OBJECT REPLACEMENT CHARACTER}"  # what stands for one in Qt's text


class Reader(QTextBrowser):
    """A page of Markdown with pictures as wide as it; only files of the documentation are opened here."""

    turned = Signal(object)  # Page

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFrameShape(QFrame.Shape.NoFrame)
        # A bar that came and went would change the width, and with it the page while it is being read.
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOn)
        self.setOpenExternalLinks(False)
        self.setOpenLinks(False)
        self.setAccessibleName("Documentation")
        self.document().setDocumentMargin(_MARGIN)
        self.anchorClicked.connect(self._follow)
        self.page: Page | None = None
        self._width = 0  # of pictures, at most

    def read(self, page: Page) -> None:
        """Show a page from its beginning."""
        self.page = page
        self._width = self._room()
        self.document().setBaseUrl(QUrl.fromLocalFile(str(page.path)))  # pictures and links are beside it
        self.setMarkdown(page.text)
        self._space_out()
        self.turned.emit(page)

    def loadResource(self, type: int, name: QUrl | str) -> object:  # noqa: N802
        """Pictures at most as wide as the window, sharp on dense screens; nothing from elsewhere."""
        url = self.document().baseUrl().resolved(QUrl(name))
        if type != QTextDocument.ResourceType.ImageResource.value:
            return super().loadResource(type, url)
        return self._picture(url.toLocalFile()) if url.isLocalFile() else None

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        """Pictures follow the width."""
        super().resizeEvent(event)
        if self.page is not None and self._room() != self._width:
            bar = self.verticalScrollBar()
            share = bar.value() / max(bar.maximum(), 1)
            self.read(self.page)
            bar.setValue(round(share * bar.maximum()))

    def _room(self) -> int:
        return max(self.viewport().width() - 2 * _MARGIN - 2, 64)

    def _picture(self, path: str) -> QImage:
        dense = self.devicePixelRatioF()
        if path.endswith(".svg"):
            drawing = QSvgRenderer(path)
            size = drawing.defaultSize()
            size.scale(min(self._width, size.width()), size.height(), Qt.AspectRatioMode.KeepAspectRatio)
            image = QImage(size * dense, QImage.Format.Format_ARGB32_Premultiplied)
            image.fill(Qt.GlobalColor.transparent)
            painter = QPainter(image)
            drawing.render(painter)
            painter.end()
        else:
            image = QImage(path)
            if image.width() > self._width * dense:
                smooth = Qt.TransformationMode.SmoothTransformation
                image = image.scaledToWidth(round(self._width * dense), smooth)
        image.setDevicePixelRatio(dense)
        return image

    def _space_out(self) -> None:
        """Qt sets Markdown tight: room above headings, between lines, and in the cells of tables."""
        cursor = self.textCursor()
        block: QTextBlock = self.document().begin()
        while block.isValid():
            shape = block.blockFormat()
            if _PICTURE not in block.text():
                shape.setLineHeight(125, QTextBlockFormat.LineHeightTypes.ProportionalHeight.value)
            if shape.headingLevel():
                shape.setTopMargin(22 if shape.headingLevel() > 1 else 0)
                shape.setBottomMargin(8)
            cursor.setPosition(block.position())
            cursor.setBlockFormat(shape)
            if shape.headingLevel():  # code in a heading too
                letters = QTextCharFormat()
                letters.setProperty(QTextFormat.Property.FontSizeAdjustment, 4 - shape.headingLevel())
                letters.setFontWeight(QFont.Weight.Bold)
                cursor.movePosition(cursor.MoveOperation.EndOfBlock, cursor.MoveMode.KeepAnchor)
                cursor.mergeCharFormat(letters)
            block = block.next()
        for frame in self.document().rootFrame().childFrames():
            form = frame.frameFormat()
            if form.isTableFormat():
                table = form.toTableFormat()
                table.setCellPadding(5)
                table.setBorder(0.5)
                table.setBorderCollapse(True)
                frame.setFrameFormat(table)

    @Slot(QUrl)
    def _follow(self, link: QUrl) -> None:
        url = self.document().baseUrl().resolved(link)
        for page in PAGES:
            if url.isLocalFile() and url.toLocalFile() == QUrl.fromLocalFile(str(page.path)).toLocalFile():
                self.read(page)
                return
        if url.scheme() in ("http", "https"):
            QDesktopServices.openUrl(url)  # a person clicked it: the browser may


class DocsWindow(QWidget):
    """The pages beside the one that is read."""

    def __init__(self, page: Page = PAGES[0], parent: QWidget | None = None) -> None:
        super().__init__(parent, Qt.WindowType.Window)
        self.setWindowTitle("HFLIC documentation")
        self.setWindowIcon(theme.app_icon())
        self.resize(_SIZE)
        self.list = QListWidget()
        self.list.setAccessibleName("Pages")
        self.list.setFrameShape(QFrame.Shape.NoFrame)
        self.list.setSpacing(4)
        for line in PAGES:
            self.list.addItem(line.title)
        self.reader = Reader()
        both = QSplitter()
        both.addWidget(self.list)
        both.addWidget(self.reader)
        both.setStretchFactor(1, 1)
        both.setSizes([_LIST, _SIZE.width() - _LIST])
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(both)
        self.reader.turned.connect(self.show_page)
        self.list.currentItemChanged.connect(self._chosen)
        self.show_page(page)

    @Slot(object)
    def show_page(self, page: Page) -> None:
        """Turn to a page."""
        self.list.setCurrentRow(PAGES.index(page))

    @Slot(QListWidgetItem)
    def _chosen(self, item: QListWidgetItem | None) -> None:
        if item is not None:
            page = PAGES[self.list.row(item)]
            if page is not self.reader.page:
                self.reader.read(page)


def docs_missing() -> str:
    """Why the documentation cannot be shown, "" where it can."""
    there = all(page.path.is_file() for page in PAGES)
    return "" if there else f"The documentation is missing: it should be in {docs_folder()}."


__all__ = ["DocsWindow", "Reader", "docs_missing"]
