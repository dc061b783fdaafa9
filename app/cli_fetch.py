"""How do published weights come over the network? `hflic models fetch`, and only then."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import typer

from app.cli_codec import Json
from app.cli_console import UsageError, hint, print_json, progress, say, show_table
from models import fetch
from models.fetch import Fetchable


def fetch_models(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME[:QUALITY]...]",
            help="What to fetch, for example bmshj2018-hyperprior:3, mbt2018 (all its qualities) or pieapp; "
            "without a name, list what there is.",
        ),
    ] = None,
    metric: Annotated[
        str, typer.Option(help="What CompressAI's networks were trained for: mse or ms-ssim.")
    ] = "mse",
    as_json: Json = False,
) -> None:
    """Fetch published weights over the network and install them: CompressAI's zoo, metrics, detectors.

    Each file is checked against its published checksum; what was interrupted goes on where it stopped.
    Several qualities of a network are the rates of one codec.
    """
    if not names:
        _list(metric, as_json)
        return
    wanted = list(dict.fromkeys(one for name in names for one in fetch.fetchable(name, metric)))
    rows = [_get(one) for one in wanted]
    if as_json:
        print_json({"fetched": [row.json() for row in rows]})


@dataclass(frozen=True)
class _Got:
    wanted: Fetchable
    file: str
    fetched: bool
    found: str = ""
    loss: str = ""
    rates: int = 0

    def json(self) -> dict[str, Any]:
        return {
            "name": self.wanted.name,
            "codec": self.wanted.codec or None,
            "file": self.file,
            "fetched": self.fetched,
            "found": self.found,
            "loss": self.loss,
            "rates": self.rates,
            "licence": self.wanted.licence,
        }


def _get(wanted: Fetchable) -> _Got:
    from models.download import download
    from models.weights import own

    if wanted.here():
        hint(f"{wanted.name} is here already")
        return _Got(wanted, wanted.file, fetched=False)
    if not wanted.codec:
        target = own() / wanted.file
        with progress(f"fetching {wanted.name}") as watch:
            download(wanted.url, target, wanted.digest, watch)
        hint(f"{wanted.name}: {wanted.what}, licence {wanted.licence}: {target}")
        return _Got(wanted, str(target), fetched=True)
    from models.importing.install import install

    waiting = fetch.waiting_room() / wanted.file
    with progress(f"fetching {wanted.name}") as watch:
        download(wanted.url, waiting, wanted.digest, watch)
    with progress(f"importing {wanted.name}") as watch:
        made = install(waiting, wanted.codec, watch)
    waiting.unlink(missing_ok=True)  # its weights are in the installed file
    hint(f"{wanted.name}: {made.found}")
    hint(f"{made.loss.describe()}")
    rates = f"{made.rungs} rates" if made.rungs > 1 else "one rate"
    hint(f"installed as {wanted.codec} ({rates} now): {made.file.path}")
    return _Got(wanted, str(made.file.path), True, made.found, made.loss.describe(), made.rungs)


def _list(metric: str, as_json: bool) -> None:
    if metric not in fetch.METRICS:
        raise UsageError(f"there is no metric '{metric}' here: choose {' or '.join(fetch.METRICS)}")
    rows = []
    for model in fetch.ZOO:
        all_of_it = fetch.fetchable(model, metric)
        here = [one.name.rpartition(":")[2] for one in all_of_it if one.here()]
        state = f"qualities {', '.join(here)} are here" if here else "-"
        name = f"{model}:1..{len(all_of_it)}"
        rows.append((name, f"CompressAI's {model}", all_of_it[0].licence, state))
    rows += [(one.name, one.what, one.licence, "here" if one.here() else "-") for one in fetch.PLAIN]
    if as_json:
        keys = ("name", "what", "licence", "state")
        by_hand = [{"name": o.name, "what": o.what, "where": o.where, "why": o.why} for o in fetch.BY_HAND]
        print_json({"fetchable": [dict(zip(keys, row, strict=True)) for row in rows], "by_hand": by_hand})
        return
    show_table(("name", "for", "licence", "state"), rows)
    for other in fetch.BY_HAND:
        hint(f"{other.what} cannot be fetched: {other.why} ({other.where})")
    say("hflic models fetch NAME:QUALITY gets one quality, NAME all of them, over the network.")
