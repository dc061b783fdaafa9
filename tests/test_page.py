"""The page to share: does one file hold everything, fetch nothing, and look at pictures rightly?"""

from __future__ import annotations

import base64
import io
import json
import os
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from PySide6.QtQml import QJSEngine

from app.exports import write_report
from app.page import BEST, make_page, source_of, write_page
from app.report import Report
from models.assets import asset_folder
from models.errors import Cancelled, OutputError
from models.picture import Picture
from models.watch import Watch
from tests.app.conftest import scene
from tests.reports import made

Pictures = dict[str, Picture]
NASTY = '</script><b>@DATA@ & "cat".png'


class Reader(HTMLParser):
    """The elements of a page, and the texts in them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, str] = {}
        self._open: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in {"meta", "img", "input", "br"}:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self._open:
            while self._open.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        if self._open:
            self.texts[self._open[-1]] = self.texts.get(self._open[-1], "") + data

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def result() -> tuple[Report, Pictures]:
    return made()


@pytest.fixture(scope="module")
def page(result: tuple[Report, Pictures]) -> str:
    return make_page(result[0], result[1].__getitem__)


def data_of(page: str) -> Any:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    return json.loads(found[1])


def test_the_embedded_pictures_are_the_very_pixels(result: tuple[Report, Pictures], page: str) -> None:
    report, known = result
    data = data_of(page)
    assert [entry["id"] for entry in data["pictures"]] == [0, 1, 2]
    wanted = [report.digest, *(item.digest for item in report.items)]
    for entry, digest in zip(data["pictures"], wanted, strict=True):
        kind, _, text = entry["source"].partition(",")
        assert kind == "data:image/webp;base64"
        pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(text))).convert("RGB"))
        assert np.array_equal(pixels, known[digest].pixels)
    assert data["begin"] == [1, 2]
    assert [box["name"] for box in data["boxes"]] == ["eye", "edge"]


def test_a_picture_too_large_for_webp_is_a_png() -> None:
    kind, _, text = source_of(Picture(np.zeros((1, 16400, 3), np.uint8))).partition(",")
    assert kind == "data:image/png;base64"
    assert Image.open(io.BytesIO(base64.b64decode(text))).size == (16400, 1)


def test_the_page_fetches_nothing(page: str) -> None:
    reader = Reader(page)
    for _, attributes in reader.tags:
        for name in ("src", "href", "srcset", "action", "data", "poster"):
            value = attributes.get(name)
            assert value is None or value.startswith("data:"), value
    assert not reader.of("link") and not reader.of("iframe")
    bare = re.sub(r"data:[\w/+.-]+;base64,[A-Za-z0-9+/=]*", "", page)
    assert not re.search(r"https?:|//[a-z]+\.|@import|url\(|\bfetch\(|XMLHttpRequest|import\(", bare)
    (policy,) = [m["content"] for m in reader.of("meta") if m.get("http-equiv") == "Content-Security-Policy"]
    assert policy is not None and policy.startswith("default-src 'none'; img-src data:;")


def test_the_table_tells_the_numbers_and_gives_the_files(result: tuple[Report, Pictures], page: str) -> None:
    report, _ = result
    reader = Reader(page)
    links = reader.of("a")
    assert len(links) == len(report.items)
    for item, link in zip(report.items, links, strict=True):
        href, name = link["href"], link["download"]
        assert href is not None and name == f"{item.stem}{item.suffix}"
        assert base64.b64decode(href.partition(",")[2]) == item.encoding.data
        for told in (f"{item.encoding.bytes:,}", f"{item.encoding.bpp:.3f}", f"{item.metric('psnr'):.2f}"):
            assert f">{told}</td>" in page
    best = max(report.items, key=lambda item: item.metric("psnr") or 0)
    assert f'<td class="best">{best.metric("psnr"):.2f}</td>' in page
    assert "LPIPS" not in page.partition("<tbody>")[0].rpartition("<thead>")[2]  # nobody measured it
    assert BEST in page


def test_every_control_has_a_name_and_a_key_can_move_the_line(page: str) -> None:
    reader = Reader(page)
    slider = next(b for b in reader.of("button") if b.get("role") == "slider")
    assert {"aria-label", "aria-valuenow", "aria-valuemin", "aria-valuemax"} <= slider.keys()
    assert all(i.get("aria-label") for i in reader.of("input"))
    assert all(b.get("title") or b.get("aria-label") for b in reader.of("button"))
    assert any(d.get("tabindex") == "0" and d.get("aria-label") for d in reader.of("div"))
    assert reader.of("html")[0]["lang"] == "en"
    assert "prefers-color-scheme: dark" in page and ":focus-visible" in page


def test_names_cannot_break_out_of_the_page(result: tuple[Report, Pictures]) -> None:
    report, known = result
    boxes = (replace(report.boxes[0], name=NASTY),)
    page = make_page(replace(report, name=NASTY, boxes=boxes), known.__getitem__)
    data, reader = data_of(page), Reader(page)
    assert data["name"] == NASTY and data["boxes"][0]["name"] == NASTY
    assert not reader.of("b")
    assert reader.texts["h1"] == NASTY and reader.texts["title"] == NASTY
    assert len(reader.of("script")) == 2


def test_a_name_that_is_no_utf_8_is_told_with_a_mark(result: tuple[Report, Pictures], tmp_path: Path) -> None:
    report, known = result
    odd = os.fsdecode(b"caf\xe9.png")
    boxes = (replace(report.boxes[0], name=odd),)
    named = Report(odd, report.digest, report.size, report.items, boxes, (f"{odd} was turned",))
    for end in (".html", ".zip", ".png", ".pdf", ".svg"):
        write_report(named, known.__getitem__, tmp_path / f"x{end}")
    assert "caf\N{REPLACEMENT CHARACTER}.png" in (tmp_path / "x.html").read_text(encoding="utf-8")


def test_one_result_is_compared_with_the_original(result: tuple[Report, Pictures]) -> None:
    report, known = result
    page = make_page(replace(report, items=report.items[:1]), known.__getitem__)
    assert data_of(page)["begin"] == [0, 1]
    assert 'class="best"' not in page.partition("<tbody>")[2]  # nothing to be better than


def test_sizes_that_were_driven_to_be_equal_win_nothing(result: tuple[Report, Pictures]) -> None:
    report, known = result
    item = report.items[0]
    near = replace(item, encoding=replace(item.encoding, data=item.encoding.data + b"\0"))
    page = make_page(replace(report, items=(item, near)), known.__getitem__)
    assert f'<td class="best">{item.encoding.bytes:,}</td>' not in page


def test_nothing_is_written_without_results_or_when_stopped(
    result: tuple[Report, Pictures], tmp_path: Path
) -> None:
    report, known = result
    target = tmp_path / "page.html"
    target.write_text("before")
    with pytest.raises(OutputError, match="no result"):
        write_page(replace(report, items=()), known.__getitem__, target)
    with pytest.raises(Cancelled):
        write_page(report, known.__getitem__, target, Watch(cancelled=lambda: True))
    assert target.read_text() == "before"
    write_page(report, known.__getitem__, target)
    assert target.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]


# The script's geometry, run by Qt's JavaScript engine


@pytest.fixture
def script(qapp: object) -> QJSEngine:
    engine = QJSEngine()
    source = (asset_folder() / "page" / "view.js").read_text(encoding="utf-8")
    assert not engine.evaluate(source, "view.js").isError()
    return engine


def call(engine: QJSEngine, expression: str) -> Any:
    value = engine.evaluate(f"JSON.stringify({expression})")
    assert not value.isError(), value.toString()
    return json.loads(value.toString())


def test_the_scripts_have_no_syntax_error(script: QJSEngine) -> None:
    source = (asset_folder() / "page" / "page.js").read_text(encoding="utf-8")
    made_function = script.evaluate(f"(function () {{ {source} }})")
    assert not made_function.isError(), made_function.toString()
    assert made_function.isCallable()


def test_a_large_picture_fits_the_pane_and_a_small_one_has_equal_pixels(script: QJSEngine) -> None:
    large = call(script, "fitted({width: 2000, height: 1000}, {width: 500, height: 500}, 1)")
    assert large == {"scale": 0.25, "x": 1000, "y": 500}
    small = call(script, "fitted({width: 100, height: 100}, {width: 350, height: 500}, 1)")
    assert small["scale"] == 3
    fine = call(script, "fitted({width: 100, height: 100}, {width: 350, height: 500}, 2)")
    assert fine["scale"] * 2 == int(fine["scale"] * 2)  # whole screen pixels


def test_zooming_keeps_the_point_under_the_cursor(script: QJSEngine) -> None:
    before, at = {"scale": 2.0, "x": 300.0, "y": 200.0}, {"x": 80.0, "y": -40.0}
    after = call(
        script, f"zoomed({json.dumps(before)}, 1.5, {json.dumps(at)}, {{width: 900, height: 700}}, 1)"
    )
    for axis in ("x", "y"):
        was = before[axis] + at[axis] / before["scale"]
        assert after[axis] + at[axis] / after["scale"] == pytest.approx(was)
    assert after["scale"] == 3.0


def test_zooming_stops_at_100_percent_and_at_the_ends(script: QJSEngine) -> None:
    size = "{width: 900, height: 700}"
    view = "{scale: 0.8, x: 10, y: 10}"
    assert call(script, f"zoomed({view}, 2, {{x: 0, y: 0}}, {size}, 1)")["scale"] == 1
    assert call(script, f"zoomed({{scale: 40, x: 1, y: 1}}, 9, {{x: 0, y: 0}}, {size}, 1)")["scale"] == 64


def test_the_picture_cannot_be_lost(script: QJSEngine) -> None:
    moved = call(script, "moved({scale: 1, x: 5, y: 5}, {x: 4000, y: -4000}, {width: 90, height: 70})")
    assert moved == {"scale": 1, "x": 0, "y": 70}


def test_a_place_fills_the_pane_with_whole_pixels(script: QJSEngine) -> None:
    view = call(script, "lookingAt({x: 10, y: 20, width: 40, height: 30}, {width: 500, height: 500}, 1)")
    assert view["scale"] == 11 and (view["x"], view["y"]) == (30, 35)
    corner = call(script, "cornerOf({scale: 1.3, x: 10.2, y: 7.7}, {width: 101, height: 55}, 2)")
    assert all(value * 2 == int(value * 2) for value in corner.values())


def test_a_photo_page_is_about_as_large_as_its_pictures() -> None:
    picture = Picture(scene(256, 200))
    source = source_of(picture)
    assert len(source) < 1.4 * picture.pixels.nbytes
