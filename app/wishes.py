"""What shall a side show, what names that, and how does it look now? A session's books. No widgets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from app.catalogue import Catalogue
from app.compressor import Compressor
from app.judge import MeasureKey
from app.raster import Raster
from app.state import FILE, METRICS, ORIGINAL, Choice, Key, Phase, Side, SideView, codec_name
from app.tasks import Coded
from models.codec import Encoding, Rate, plain


@dataclass
class Wish:
    """What a side shall show; `insisted`: a person asked for this very codec; `shown`: the last result."""

    choice: Choice
    insisted: bool = False
    shown: Coded | None = None
    file: Coded | None = None


def key_of(choice: Choice, picture: Raster | None) -> Key | None:
    """What names the result a choice asks for; None where nothing has to be computed."""
    if picture is None or choice.codec in {ORIGINAL, FILE}:
        return None
    return Key(picture.digest, choice.codec, choice.rate)


def view_of(
    side: Side, wish: Wish, picture: Raster | None, compressor: Compressor, catalogue: Catalogue
) -> SideView:
    """All there is to show of a side now."""
    key = key_of(wish.choice, picture)
    if key is None:
        if wish.choice.codec == FILE and wish.file is not None:
            return SideView(side, wish.choice, Phase.DONE, wish.file.raster, wish.file)
        if wish.choice.codec == ORIGINAL and picture is not None:
            return SideView(side, wish.choice, Phase.DONE, picture)
        return SideView(side, wish.choice, Phase.EMPTY)
    now = compressor.progress(key)
    if now.coded is not None:
        return SideView(side, wish.choice, Phase.DONE, now.coded.raster, now.coded)
    stage = now.stage if catalogue.known(key.codec) else "loading the codecs"
    # Until the result is there, the last one or else the original fills the place.
    raster = wish.shown.raster if wish.shown is not None else picture
    return SideView(side, wish.choice, now.phase, raster, wish.shown, True, stage, now.done, now.error)


def make_possible(wish: Wish, other: str, catalogue: Catalogue) -> str:
    """Put the best possible codec but `other` where one cannot be used.

    Gives what to tell a person who asked for the codec, "" where there is nothing to tell.
    """
    reason = catalogue.reason(wish.choice.codec)
    if not reason:
        return ""
    told = f"{codec_name(wish.choice.codec)} cannot be used here: {reason}" if wish.insisted else ""
    wish.choice = wish.choice.of(catalogue.best([other]))
    wish.insisted = False
    return told


def put_back(
    wishes: dict[Side, Wish], sides: Mapping[Side, tuple[Choice, bool]], original_open: bool
) -> None:
    """Give wishes earlier choices. A file follows to the side that showed it; one that is gone stays away."""
    for side, (choice, _) in sides.items():
        if choice.codec == FILE and wishes[side].file is None and wishes[side.other].file is not None:
            wishes[side], wishes[side.other] = wishes[side.other], wishes[side]
            break
    for side, (choice, insisted) in sides.items():
        wish = wishes[side]
        gone = choice.codec == FILE and wish.file is None
        nothing_to_compress = not original_open and wish.choice.codec == FILE
        kept = wish.choice.codec if gone or nothing_to_compress else choice.codec
        wish.choice, wish.insisted = choice if kept == choice.codec else choice.of(kept), insisted


def next_picture(
    wishes: Mapping[Side, Wish], before: Raster | None, picture: Raster, catalogue: Catalogue
) -> None:
    """Make wishes fit a picture that was opened: files of another size leave."""
    if before is not None and before.digest != picture.digest:
        unrefined(wishes)
    for side, wish in wishes.items():
        wish.shown = None
        if wish.file is not None and not wish.file.raster.same_size(picture):
            wish.file = None
            if wish.choice.codec == FILE:
                wish.choice = wish.choice.of(catalogue.best([wishes[side.other].choice.codec]))


def unrefined(wishes: Mapping[Side, Wish]) -> None:
    """Take refinement back: it is for one picture."""
    for wish in wishes.values():
        wish.choice = replace(wish.choice, codec=plain(wish.choice.codec))


def next_file(wishes: Mapping[Side, Wish], side: Side, opened: Coded) -> None:
    """Show a file that was opened on a side: files and results of another size leave."""
    for wish in wishes.values():
        if wish.shown is not None and not wish.shown.raster.same_size(opened.raster):
            wish.shown = None
        if wish.file is not None and not wish.file.raster.same_size(opened.raster):
            wish.file = None
    mine = wishes[side]
    mine.file, mine.shown, mine.choice = opened, None, mine.choice.of(FILE)


def same_file(before: Raster | None, picture: Raster) -> bool:
    """Whether a picture is another version of the one before: read from the same path, of the same size."""
    if before is None or before.path is None:
        return False
    return before.path == picture.path and before.same_size(picture)


def renew_file(wishes: Mapping[Side, Wish], coded: Coded, picture: Raster | None) -> list[Side]:
    """Put a file that was read again where it was opened but is not shown; gives the sides that show it."""
    mine = [
        side
        for side, wish in wishes.items()
        if wish.file is not None and wish.file.raster.path == coded.raster.path
    ]
    fits = picture is not None and picture.same_size(coded.raster)
    for side in mine:
        wishes[side].file = coded if fits else None
    return [side for side in mine if wishes[side].choice.codec == FILE]


def reopen(wishes: Mapping[Side, Wish], opened: Callable[[Coded], Coded]) -> None:
    """Put what `opened` says in the place of the opened files."""
    for wish in wishes.values():
        wish.file = opened(wish.file) if wish.file is not None else None


def deviation(rate: Rate, encoding: Encoding) -> float | None:
    """How far a file is from the wanted size, as a share; None where a quality was asked for."""
    pixels = encoding.width * encoding.height
    target = rate.bpp * pixels / 8 if rate.bpp is not None else rate.bytes
    return encoding.bytes / target - 1 if target else None


def common_rate(view: SideView) -> Rate | None:
    """A rate both sides can share: a side's own, or for a quality the size it led to, if that is known."""
    if view.choice.rate.quality is None:
        return view.choice.rate
    return Rate(bpp=round(view.coded.encoding.bpp, 3)) if view.coded is not None else None


def compared(left: SideView, right: SideView) -> tuple[Raster, Raster] | None:
    """What can be compared; None for two sizes, and where the original fills the place of a result."""
    if any(view.stale and view.coded is None for view in (left, right)):
        return None
    one, two = left.raster, right.raster
    return (one, two) if one is not None and two is not None and one.same_size(two) else None


def measure_key(view: SideView, picture: Raster | None, metric: str) -> MeasureKey | str:
    """The key of a measurement, or why there can be none."""
    if view.choice.codec == ORIGINAL:
        return "This is the original."
    if picture is None:
        return "The original is not open."
    if view.raster is None or (view.stale and not view.working):
        return "There is no result."
    return metric, picture.digest, "" if view.stale else view.raster.digest


def measures_of(views: list[SideView], picture: Raster | None) -> dict[MeasureKey, tuple[Raster, Raster]]:
    """The measurements that what is shown asks for, the quickest metric of all sides first."""
    wanted: dict[MeasureKey, tuple[Raster, Raster]] = {}
    for metric in METRICS:
        for view in views:
            key = measure_key(view, picture, metric)
            if not isinstance(key, str) and key[2] and view.raster is not None and picture is not None:
                wanted[key] = (picture, view.raster)
    return wanted
