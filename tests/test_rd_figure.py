"""Can many codecs be told apart in the figure of rate-distortion curves, without colour too?"""

from __future__ import annotations

import re
from pathlib import Path

import matplotlib as mpl
import pytest

from app.cli_evaluate import _pictures_text
from models import published
from models.codec import CATALOGUE
from models.curves import Curve
from models.evaluation import Average
from models.figure import _styles, draw
from models.picture import Picture
from tests.app.conftest import scene
from tests.command_line import run

RATES = (0.1, 0.25, 0.5, 0.75)
ALL = [entry.id for entry in CATALOGUE]
SHIPPED = [f"{entry.id}:lite" if entry.learned else entry.id for entry in CATALOGUE if not entry.fetched]


def curves(ids: list[str], start: float = 30.0) -> list[Curve]:
    return [
        Curve(id, "0a1b" if ":" in id else None, RATES, tuple(start + at / 4 + 2 * step for step in range(4)))
        for at, id in enumerate(ids)
    ]


def texts(path: Path) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]*)</text>", path.read_text())


def test_every_codec_there_is_has_a_look_of_its_own() -> None:
    styles = _styles({"psnr": curves(ALL)})
    looks = [(style["color"], style["marker"], str(style["linestyle"])) for style in styles.values()]
    assert len(styles) == len(ALL) and len(set(looks)) == len(ALL)


def test_shipped_and_classical_codecs_differ_without_colour_and_by_kind() -> None:
    styles = _styles({"psnr": curves(SHIPPED)})
    assert len(SHIPPED) >= 14
    assert len({(style["marker"], str(style["linestyle"])) for style in styles.values()}) == len(SHIPPED)
    for id, style in styles.items():
        classical = ":" not in id
        assert (style["linestyle"] != "-") == (style["markerfacecolor"] == "white") == classical


def test_a_codec_looks_the_same_in_every_panel() -> None:
    first, both = curves(SHIPPED), {"psnr": curves(SHIPPED), "lpips": curves(["vvc", *SHIPPED[:3]])}
    assert _styles(both) == _styles({"psnr": first})


def test_many_codecs_have_one_legend_and_few_one_a_panel(tmp_path: Path) -> None:
    many, full, few = (tmp_path / f"{name}.svg" for name in ("many", "full", "few"))
    draw({name: curves(SHIPPED) for name in ("psnr", "psnr_y", "vmaf")}, many)
    draw({name: curves(SHIPPED) for name in ("psnr", "psnr_y")}, full, published=published.chosen("kodak"))
    draw({name: curves(SHIPPED[:3]) for name in ("psnr", "psnr_y")}, few)
    for id in SHIPPED:
        assert texts(many).count(id) == texts(full).count(id) == 1, id
    for id in SHIPPED[:3]:
        assert texts(few).count(id) == 2, id


def test_results_of_an_unknown_codec_can_be_drawn(tmp_path: Path) -> None:
    draw({"psnr": curves(["of another version", "jpeg"])}, tmp_path / "rd.png", title="two")
    assert (tmp_path / "rd.png").stat().st_size > 10_000


@pytest.mark.parametrize("suffix", [".pdf", ".svg", ".png"])
def test_the_same_curves_give_the_same_file_whatever_the_matplotlibrc_says(
    tmp_path: Path, suffix: str
) -> None:
    one, other = tmp_path / f"one{suffix}", tmp_path / f"other{suffix}"
    draw({"psnr": curves(["jpeg"])}, one, title="t")
    with mpl.rc_context({"savefig.transparent": True, "lines.antialiased": False}):
        draw({"psnr": curves(["jpeg"])}, other, title="t")
    assert one.read_bytes() == other.read_bytes()
    assert b"CreationDate" not in one.read_bytes() and b"dc:date" not in one.read_bytes()


def test_a_title_names_the_folder_and_is_no_formula(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "cost $5 to $9"
    folder.mkdir()
    for seed in (1, 2):
        Picture(scene(48, 32, seed)).save(folder / f"{seed}.png")
    monkeypatch.chdir(folder)
    plot = tmp_path / "rd.svg"
    options = ("--qualities", "30,60", "--metrics", "psnr", "-o", tmp_path / "r.json", "--plot", plot)
    code, _, errors = run("evaluate", ".", "--codecs", "jpeg", *options)
    assert code == 0, errors
    assert "cost $5 to $9: 2 pictures" in texts(plot)


def test_a_title_tells_a_range_where_codecs_have_other_counts_of_pictures() -> None:
    def average(count: int) -> Average:
        return Average("jpeg", None, {"quality": 30.0}, count, 0, {}, {})

    assert _pictures_text([average(24), average(22)]) == "22 to 24 pictures"
    assert _pictures_text([average(1)]) == "1 picture"
