"""Which command does a person mean by a few letters, and why is one not possible now? No widgets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from itertools import combinations

from app.action import Action, Facts
from app.actions import ACTIONS

_UNFIT = "Not possible now"
# What has to be so for an action to be possible, said to a person.
_NEEDS = {
    "picture": "Open a picture first",
    "original": "Open the photo itself first",
    "left_file": "Side A shows no finished compressed file",
    "right_file": "Side B shows no finished compressed file",
    "left_done": "Side A shows no finished picture",
    "right_done": "Side B shows no finished picture",
    "several": "Only one picture is open",
    "working": "Nothing runs",
    "failed": "Nothing failed or was stopped",
    "difference": "Only in the difference mode",
    "undo": "There is nothing to take back",
    "redo": "Nothing was taken back",
    "both": "Wait until both sides are done",
    "box": "There is no box on the picture",
}
# Without any picture that is what is missing first.
_OF_A_PICTURE = {"original", "left_file", "right_file", "left_done", "right_done", "both", "box"}


@dataclass(frozen=True)
class Found:
    """A command that fits. `hits`: places of its text that fit the letters; `reason`: why not now, or ""."""

    action: Action
    hits: tuple[int, ...] = ()
    reason: str = ""
    recent: bool = False


def find(
    words: str, facts: Facts, recent: Sequence[str] = (), table: Sequence[Action] = ACTIONS
) -> list[Found]:
    """The commands that fit, the best first; without words all of them, those used lately first.

    Possible ones go before impossible ones that fit as well. `recent`: ids, the last used first.
    """
    rank = {id: at for at, id in enumerate(recent)}
    rows: list[tuple[tuple[float, ...], Found]] = []
    for at, line in enumerate(table):
        if line.held:
            continue
        match = fit(words, line.plain)
        if match is None:
            score = _elsewhere(words, line)
            if score is None:
                continue
            match = (score, ())
        reason = reason_against(line, facts)
        used = rank.get(line.id, len(rank))
        order: tuple[float, ...] = (bool(reason), used, at)
        if words.strip():
            order = (-match[0] + (2.0 if reason else 0.0), used, at)
        rows.append((order, Found(line, match[1], reason, line.id in rank)))
    return [found for _, found in sorted(rows, key=lambda row: row[0])]


def fit(words: str, text: str) -> tuple[float, tuple[int, ...]] | None:
    """How well letters fit a text, and where; None where they do not occur in their order.

    Starts of words and runs of letters count most, gaps against. Spaces in `words` are ignored.
    """
    letters = [letter for letter in words.casefold() if not letter.isspace()]
    low = text.casefold()
    if not letters:
        return 0.0, ()
    if len(low) != len(text):  # casefolding changed the length: places would be wrong
        low = text.lower()
    # best[i][j]: the best score of letters[:i+1] with the last of them at j, and the place before it.
    best: list[dict[int, tuple[float, int]]] = []
    for i, letter in enumerate(letters):
        row: dict[int, tuple[float, int]] = {}
        for j, there in enumerate(low):
            if there != letter:
                continue
            own = 3.0 if _starts_word(text, j) else 1.0
            if i == 0:
                row[j] = (own - 0.02 * j, -1)
                continue
            before = [
                (score + own + (2.5 if k == j - 1 else -0.1 * (j - k)), k)
                for k, (score, _) in best[-1].items()
                if k < j
            ]
            if before:
                row[j] = max(before)
        if not row:
            return None
        best.append(row)
    at = max(best[-1], key=lambda j: (best[-1][j][0], -j))
    score, places = best[-1][at][0], []
    for row in reversed(best):
        places.append(at)
        at = row[at][1]
    return score - 0.01 * len(text), tuple(reversed(places))


def reason_against(line: Action, facts: Facts) -> str:
    """Why an action is not possible, "" where it is."""
    if line.enabled(facts):
        return ""
    return _reason(line, facts)


@lru_cache(maxsize=1024)
def _reason(line: Action, facts: Facts) -> str:
    """The first thing that would have to change, found by trying."""
    names = [field.name for field in fields(Facts) if isinstance(getattr(facts, field.name), bool)]
    for count in (1, 2, 3):
        for together in combinations(names, count):
            if line.enabled(replace(facts, **{name: not getattr(facts, name) for name in together})):
                need = "picture" if together[0] in _OF_A_PICTURE and not facts.picture else together[0]
                return _NEEDS.get(need, _UNFIT)
    return _UNFIT


def _elsewhere(words: str, line: Action) -> float | None:
    """A command whose name does not fit may still be meant by its explanation or its menu, word by word."""
    place = f"{line.tip} {line.menu.replace('&', '')} {line.id}".casefold()
    asked = words.casefold().split()
    if not asked or any(len(word) < 2 or word not in place for word in asked):
        return None
    return -4.0


def _starts_word(text: str, at: int) -> bool:
    return at == 0 or not text[at - 1].isalnum()
