"""Which places of the picture are looked at closely? Named boxes, kept for each picture. No widgets."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from PySide6.QtCore import QObject, Signal

from app.raster import Raster

SMALLEST = 8  # pixels a side: less shows nothing
KEPT = 32  # pictures whose boxes are remembered


@dataclass(frozen=True)
class Crop:
    """A named box in whole picture pixels: its left top corner and its size."""

    name: str
    x: int
    y: int
    width: int
    height: int

    @property
    def right(self) -> int:
        """The first column behind it."""
        return self.x + self.width

    @property
    def bottom(self) -> int:
        """The first row below it."""
        return self.y + self.height

    @property
    def centre(self) -> tuple[float, float]:
        """Its middle, across then down."""
        return self.x + self.width / 2, self.y + self.height / 2

    def holds(self, x: float, y: float) -> bool:
        """Whether a point of the picture lies in it."""
        return self.x <= x < self.right and self.y <= y < self.bottom

    def within(self, width: int, height: int) -> Crop:
        """The nearest box of the same size in a picture; smaller only where the picture is."""
        wide = min(max(self.width, min(SMALLEST, width)), width)
        high = min(max(self.height, min(SMALLEST, height)), height)
        x, y = min(max(self.x, 0), width - wide), min(max(self.y, 0), height - high)
        return replace(self, x=x, y=y, width=wide, height=high)


@dataclass(frozen=True)
class Boxes:
    """The boxes of one picture; `proposed`: names of those nobody has taken over yet.

    Which one is selected makes no difference between two of these.
    """

    crops: tuple[Crop, ...] = ()
    selected: str = field(default="", compare=False)
    proposed: frozenset[str] = field(default_factory=frozenset)


class Crops(QObject):
    """The boxes of the open picture, in the order they were made. Names differ within a picture.

    A proposed box is the program's: new proposals replace it. Moving or naming it makes it a person's.
    """

    changed = Signal()  # which boxes there are, or where
    selection_changed = Signal()
    picture_changed = Signal()  # they are another picture's now

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._known: dict[str, Boxes] = {}
        self._picture = ""
        self._replaced = ""  # the version of the picture that another one takes the place of
        self._size = (0, 0)

    # What is there

    def all(self) -> tuple[Crop, ...]:
        """All boxes."""
        return self.boxes.crops

    @property
    def boxes(self) -> Boxes:
        """All there is to put back."""
        return self._known.get(self._picture, Boxes())

    def known(self) -> dict[str, Boxes]:
        """The boxes of all pictures that have some, by the picture's hash, those seen last at the end."""
        return {picture: boxes for picture, boxes in self._known.items() if boxes.crops}

    @property
    def selected(self) -> Crop | None:
        """The box the strip shows."""
        return self.named(self.boxes.selected)

    @property
    def possible(self) -> bool:
        """Whether there is a picture to put boxes on."""
        return bool(self._picture)

    def named(self, name: str) -> Crop | None:
        """The box of a name."""
        return next((crop for crop in self.boxes.crops if crop.name == name), None)

    def proposed(self, name: str) -> bool:
        """Whether a box is a proposal nobody has taken over."""
        return name in self.boxes.proposed

    # What changes them

    def show_raster(self, raster: Raster | None) -> None:
        """Go to the boxes of a picture, or of none."""
        picture = raster.digest if raster is not None else ""
        if picture == self._picture:
            return
        self._picture, self._size = picture, (raster.width, raster.height) if raster is not None else (0, 0)
        self._known.pop(self._replaced, None)
        self._replaced = ""
        if picture in self._known:  # a file may have told what does not fit
            self._known[picture] = _checked(self._known.pop(picture), self._size)
        while len(self._known) > KEPT:
            self._known.pop(next(iter(self._known)))
        self.picture_changed.emit()
        self.changed.emit()
        self.selection_changed.emit()

    def add(self, x: int, y: int, width: int, height: int, name: str = "") -> Crop | None:
        """Put a box and select it; None without a picture. A name that is taken gets a number."""
        if not self._picture:
            return None
        made = Crop(self._free(name.strip() or "Crop", numbered=not name.strip()), x, y, width, height)
        made = made.within(*self._size)
        now = self.boxes
        self._set(replace(now, crops=(*now.crops, made), selected=made.name))
        return made

    def place(self, name: str, x: int, y: int, width: int, height: int) -> None:
        """Move or resize a box."""
        crop = self.named(name)
        if crop is None:
            return
        if (width, height) != (crop.width, crop.height):  # an edge stops at the picture's
            width, height = min(width, self._size[0] - x), min(height, self._size[1] - y)
        moved = replace(crop, x=x, y=y, width=width, height=height).within(*self._size)
        if moved != crop:
            self._swap(crop, moved)

    def rename(self, name: str, to: str) -> str:
        """Name a box anew and give the name it got: one that is taken gets a number, an empty one is not."""
        crop, to = self.named(name), to.strip()
        if crop is None or not to or to == name:
            return name
        renamed = replace(crop, name=self._free(to))
        self._swap(crop, renamed)
        return renamed.name

    def remove(self, name: str) -> None:
        """Take a box away; its neighbour is selected in its place."""
        now = self.boxes
        names = [crop.name for crop in now.crops]
        if name not in names:
            return
        at = names.index(name)
        left = tuple(crop for crop in now.crops if crop.name != name)
        selected = now.selected
        if selected == name:
            selected = left[min(at, len(left) - 1)].name if left else ""
        self._set(Boxes(left, selected, now.proposed - {name}))

    def clear(self) -> None:
        """Take all boxes away."""
        self._set(Boxes())

    def select(self, name: str) -> None:
        """Select a box; "" selects none."""
        if self.named(name) is not None or not name:
            self._set(replace(self.boxes, selected=name))

    def step(self, by: int) -> Crop | None:
        """Select the next or previous box, around the ends, and give it."""
        crops = self.boxes.crops
        if not crops:
            return None
        now = self.selected
        at = crops.index(now) + by if now is not None else (0 if by > 0 else -1)
        self.select(crops[at % len(crops)].name)
        return self.selected

    def propose(self, crops: Iterable[Crop]) -> tuple[Crop, ...]:
        """Put proposals in place of the last ones, select the first of them and give them."""
        now = self.boxes
        kept = tuple(crop for crop in now.crops if crop.name not in now.proposed)
        self._known[self._picture] = replace(now, crops=kept, proposed=frozenset())
        made: list[Crop] = []
        for crop in crops:
            proposal = replace(crop, name=self._free(crop.name)).within(*self._size)
            made.append(proposal)
            self._known[self._picture] = replace(self.boxes, crops=(*kept, *made))
        names = [crop.name for crop in made]
        selected = names[0] if names else (kept[0].name if kept else "")
        self._set(Boxes((*kept, *made), selected, frozenset(names)), force=True)
        return tuple(made)

    def restore(self, boxes: Boxes) -> None:
        """Put boxes in place of all there are, as for undoing and for a session that comes back."""
        if self._picture:
            self._set(_checked(boxes, self._size), force=True)

    def learn(self, picture: str, boxes: Boxes) -> None:
        """Boxes of a picture, by its hash, for when it is opened. What is known already stays."""
        if picture != self._picture and picture not in self._known:
            self._known[picture] = boxes

    def carry(self, picture: str) -> None:
        """Another version of the picture, by its hash, has the same boxes."""
        if self._picture in self._known and picture != self._picture:
            self._known[picture] = self.boxes
            self._replaced = self._picture  # which has them until it goes

    def _swap(self, old: Crop, new: Crop) -> None:
        now = self.boxes
        crops = tuple(new if crop is old else crop for crop in now.crops)
        selected = new.name if now.selected == old.name else now.selected
        self._set(Boxes(crops, selected, now.proposed - {old.name}))

    def _set(self, boxes: Boxes, force: bool = False) -> None:
        if not self._picture:
            return
        before = self.boxes
        self._known.pop(self._picture, None)  # the one used last is forgotten last
        self._known[self._picture] = boxes
        if force or boxes.crops != before.crops or boxes.proposed != before.proposed:
            self.changed.emit()
        if force or boxes.selected != before.selected:
            self.selection_changed.emit()

    def _free(self, name: str, numbered: bool = False) -> str:
        """The name, or the name with the first number that makes it differ."""
        taken = {crop.name for crop in self.boxes.crops}
        if name not in taken and not numbered:
            return name
        number = 1 if numbered else 2
        while f"{name} {number}" in taken:
            number += 1
        return f"{name} {number}"


def _checked(boxes: Boxes, size: tuple[int, int]) -> Boxes:
    """With each name once, inside a picture of this size, and without names of boxes that are not there."""
    crops = tuple(crop.within(*size) for crop in {crop.name: crop for crop in boxes.crops}.values())
    names = {crop.name for crop in crops}
    return Boxes(crops, boxes.selected if boxes.selected in names else "", boxes.proposed & names)
