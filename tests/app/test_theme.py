"""Both themes can be read: every text stands out from what is behind it (WCAG 2.2, 1.4.3 and 1.4.11)."""

from __future__ import annotations

import re

import pytest
from PySide6.QtGui import QColor, QPalette

from app import theme

TEXT, LINES = 4.5, 3.0  # what WCAG asks for at least
ROLE = QPalette.ColorRole
THEMES = pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])


def contrast(one: QColor | str, other: QColor | str) -> float:
    """The contrast ratio of WCAG, 1 to 21."""
    low, high = sorted(_luminance(QColor(each)) for each in (one, other))
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: QColor) -> float:
    parts = (colour.redF(), colour.greenF(), colour.blueF())
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_contrast_is_that_of_the_standard() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@THEMES
def test_texts_of_the_palette_can_be_read(dark: bool) -> None:
    colours = theme.palette(dark)
    for text, back in (
        (ROLE.WindowText, ROLE.Window),
        (ROLE.Text, ROLE.Base),
        (ROLE.Text, ROLE.AlternateBase),
        (ROLE.PlaceholderText, ROLE.Base),
        (ROLE.ButtonText, ROLE.Button),
        (ROLE.HighlightedText, ROLE.Highlight),
        (ROLE.ToolTipText, ROLE.ToolTipBase),
        (ROLE.Link, ROLE.Window),
        (ROLE.Link, ROLE.Base),
    ):
        assert contrast(colours.color(text), colours.color(back)) >= TEXT, (text, back)


@THEMES
def test_texts_of_the_style_sheet_can_be_read(dark: bool) -> None:
    colours, text = theme.style_colours(dark), theme.palette(dark).color(ROLE.ButtonText)
    for back in ("WINDOW", "CARD", "BUTTON", "HOVER", "PRESSED", "ERRORBACK", "WARNBACK"):
        assert contrast(text, colours[back]) >= TEXT, back
    for ink in ("QUIET", "BAD"):
        for back in ("WINDOW", "CARD"):
            assert contrast(colours[ink], colours[back]) >= TEXT, (ink, back)
    for back in ("WINDOW", "CARD", "BUTTON", "PRESSED"):
        assert contrast(colours["FOCUS"], colours[back]) >= LINES, back


@THEMES
def test_a_rule_that_sets_text_and_background_can_be_read(dark: bool) -> None:
    rules = re.findall(r"([^{}]+)\{([^{}]*)\}", theme._style(dark))
    pairs = {}
    for selector, rule in rules:
        ink = re.search(r"(?<![-\w])color: (#\w{6})", rule)
        back = re.search(r"background: (#\w{6})", rule)
        if ink and back and "disabled" not in selector:
            pairs[selector.strip()] = contrast(ink[1], back[1])
    assert len(pairs) >= 4
    assert {selector: ratio for selector, ratio in pairs.items() if ratio < TEXT} == {}
