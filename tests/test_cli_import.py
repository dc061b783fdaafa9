"""`hflic models import`: a checkpoint becomes a codec that encodes, decodes and is verified like our own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models import codec as codecs
from tests.command_line import one_line, run, run_json
from tests.foreign import chandelier, jiang, saved


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "installed"
    monkeypatch.setenv("HFLIC_WEIGHTS", str(folder))
    monkeypatch.setattr(codecs, "_instances", {})
    monkeypatch.setattr("models.learned._loaded", {})  # another test may have these weights under another id
    return folder


def test_import_then_use(tmp_path: Path, installed: Path, photo: Path) -> None:
    checkpoint = saved(chandelier(), tmp_path / "published.pth.tar", training=True)
    code, text, errors = run("models", "import", checkpoint, "--as", "elic-5:their-own")
    assert code == 0, errors
    found, cost, where = text.splitlines()
    assert found.startswith("VincentChandelier/ELiC: 5 channel groups 2+2+2+2+4") and "kMAC/px" in found
    assert cost.startswith("float model ") and "exact bitstream" in cost and " dB)" in cost
    assert where.startswith("installed as elic-5:their-own (weights ") and str(installed) in where
    coded, back = tmp_path / "photo.hflic", tmp_path / "photo.back.png"
    facts = run_json("encode", photo, "-o", coded, "--codec", "elic-5:their-own", "--quality", "50")
    assert facts["codec"] == "elic-5:their-own" and facts["weights"] in where
    assert run("decode", coded, "-o", back)[0] == 0
    assert np.asarray(Image.open(back)).shape == (170, 200, 3)
    assert [
        row["error"] for row in run_json("models", "verify")["files"] if str(installed) in row["file"]
    ] == [""]
    settings = run_json("models", "info", "elic-5:their-own")["settings"]
    assert settings["network"] == "imported: VincentChandelier/ELiC" and "github.com" in settings["licence"]
    assert settings["exactness"] == cost  # what the exact bitstream costs is still told later


def test_the_usual_id_and_json(tmp_path: Path, installed: Path) -> None:
    facts = run_json("models", "import", saved(jiang(), tmp_path / "c.pth"))
    assert facts["codec"] == "elic-5:paper" and facts["rates"] == 1
    assert Path(facts["file"]).parent == installed and facts["network"]["context"]["groups"] == [
        2,
        2,
        2,
        2,
        4,
    ]
    assert facts["exact_bpp"] == pytest.approx(facts["float_bpp"] * (1 + facts["rate_loss_percent"] / 100))
    assert facts["psnr_loss_db"] == pytest.approx(facts["float_psnr"] - facts["exact_psnr"])
    assert codecs.get("elic-5").id == "elic-5:paper"  # what the viewer offers under ELIC (5 groups)


def test_refusals_are_one_line_and_install_nothing(tmp_path: Path, installed: Path) -> None:
    tensors = jiang()
    del tensors["h_s.increase.2.bias"]
    for path, said in (
        (saved(tensors, tmp_path / "c.pth"), "lacks the tensor h_s.increase.2.bias of JiangWeibeta/ELIC"),
        (tmp_path / "absent.pth", "there is no file"),
    ):
        code, _, errors = run("models", "import", path)
        assert code == 2 and one_line(errors) and said in errors
    assert not installed.exists()
