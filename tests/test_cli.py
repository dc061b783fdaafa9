import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app import __version__, cli_console
from models import codec as codecs
from models import weights
from models.picture import Picture
from tests.command_line import KEYS, SENTINEL, in_process, one_line, run, run_json

# --- The program itself ---


def test_help_names_every_command_and_starts_without_heavy_libraries() -> None:
    script = (
        "import sys\nfrom app.cli import app\n"
        "try: app(['--help'])\nexcept SystemExit as e: assert e.code == 0\n"
        "heavy = {'torch', 'matplotlib', 'PySide6', 'scipy', 'cv2', 'compressai'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    commands = (
        "view",
        "encode",
        "decode",
        "info",
        "compare",
        "faces",
        "evaluate",
        "bdrate",
        "bench",
        "models",
    )
    for command in (*commands, "train"):
        assert f" {command} " in found.stdout


def test_version_names_the_program_and_its_weights() -> None:
    code, text, _ = run("--version")
    first, *others = text.splitlines()
    assert code == 0
    assert re.fullmatch(rf"hflic {re.escape(__version__)}( \(revision [0-9a-f]{{12}}\+?\))?", first)
    assert [line.split(" ")[:3] for line in others] == [
        ["weights", file.card.codec, f"{file.fingerprint[:8]},"] for file in weights.available()
    ]


def test_an_unknown_command_or_option_is_bad_usage_in_one_line(photo: Path) -> None:
    for arguments in (
        ["encod"],
        ["encode", photo, "--colour"],
        ["encode"],
        ["encode", photo, "--bpp", "much"],
    ):
        code, _, errors = run(*arguments)
        assert code == 2 and one_line(errors), (arguments, errors)


def test_debug_gives_the_traceback_anywhere_on_the_line(tmp_path: Path) -> None:
    for arguments in (["--debug", "decode", tmp_path / "x"], ["decode", tmp_path / "x", "--debug"]):
        code, _, errors = run(*arguments)
        assert code == 2
        assert "Traceback" in errors and "hflic: there is no file" in errors


def test_an_internal_error_is_one_line_that_says_how_to_see_more(
    photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(id: str) -> None:
        raise ZeroDivisionError("a\nb")

    monkeypatch.setattr(codecs, "get", broken)
    code, _, errors = run("encode", photo, "--codec", "jpeg", "--quality", "50")
    assert code == 1 and one_line(errors)
    assert "ZeroDivisionError" in errors and "--debug" in errors


def test_ctrl_c_exits_with_130_and_leaves_what_was_there(
    photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(type(codecs.get("jpeg")), "encode", stopped)
    out = tmp_path / "out.jpg"
    out.write_bytes(SENTINEL)
    code, text, errors = run("encode", photo, "--codec", "jpeg", "--quality", "50", "-o", out)
    assert (code, text, errors) == (130, "", "")
    assert out.read_bytes() == SENTINEL


def test_numbers_json_does_not_know_become_null(capsys: pytest.CaptureFixture[str]) -> None:
    cli_console.print_json({"psnr": float("inf"), "rows": [float("nan"), 1.5], "name": "ü"})
    text = capsys.readouterr().out
    assert json.loads(text) == {"psnr": None, "rows": [None, 1.5], "name": "ü"}
    assert "ü" in text


# --- encode and decode ---


def test_encode_writes_the_file_it_reports(photo: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.webp"
    found = run_json("encode", photo, "--codec", "webp", "--quality", "60", "-o", out)
    assert found.keys() >= KEYS
    assert found["bytes"] == out.stat().st_size
    assert found["bpp"] == pytest.approx(8 * out.stat().st_size / (200 * 170))
    assert (found["codec"], found["quality"], found["weights"]) == ("webp", 60, None)
    with Image.open(out) as opened:
        assert (opened.format, opened.size) == ("WEBP", (200, 170))


def test_encode_names_the_file_after_the_picture_and_says_so_in_one_line(photo: Path) -> None:
    code, text, errors = run("encode", photo, "--codec", "avif", "--quality", "40")
    assert (code, errors) == (0, "")
    assert text.count("\n") == 1 and "bpp" in text
    assert photo.with_suffix(".avif").stat().st_size > 0


def test_a_target_is_reached_or_the_miss_is_told(photo: Path, tmp_path: Path) -> None:
    found = run_json("encode", photo, "--codec", "webp", "--bytes", "3000", "-o", tmp_path / "a.webp")
    assert abs(found["bytes"] / 3000 - 1) <= 0.02 or found["note"]
    code, text, _ = run("encode", photo, "--codec", "webp", "--bytes", "10", "-o", tmp_path / "b.webp")
    assert code == 0 and "wanted 10 bytes" in text


def test_decode_gives_the_codecs_own_pixels(photo: Path, tmp_path: Path) -> None:
    file = tmp_path / "x.jpg"
    run_json("encode", photo, "--codec", "jpeg", "--quality", "30", "-o", file)
    found = run_json("decode", file)
    assert found.keys() >= KEYS
    assert found["image"] == str(tmp_path / "x.png")
    expected = codecs.get("jpeg").decode(file.read_bytes())
    assert np.array_equal(Picture.open(tmp_path / "x.png").pixels, expected.pixels)


def test_the_input_is_never_overwritten(photo: Path, tmp_path: Path) -> None:
    before = photo.read_bytes()
    code, _, errors = run("encode", photo, "--codec", "jpeg", "--quality", "50", "-o", photo)
    assert code == 2 and one_line(errors) and "is the input itself" in errors
    link = tmp_path / "link.jpg"
    link.symlink_to(photo)
    code, _, errors = run("encode", photo, "--codec", "jpeg", "--quality", "50", "-o", link)
    assert code == 2 and one_line(errors)
    assert photo.read_bytes() == before


def test_without_a_name_only_earlier_results_are_replaced(photo: Path, learned: str) -> None:
    file, before = photo.with_suffix(".hflic"), photo.read_bytes()
    for _ in range(2):  # a file of ours may be made again
        run_json("encode", photo, "--codec", learned, "--quality", "25")
    code, text, errors = run("decode", file)
    assert (code, text) == (2, "") and one_line(errors) and f"-o {photo} replaces it" in errors
    assert photo.read_bytes() == before
    other = photo.with_suffix(".webp")
    other.write_bytes(SENTINEL)
    code, _, errors = run("encode", photo, "--codec", "webp", "--quality", "25")
    assert code == 2 and "is there already" in errors and other.read_bytes() == SENTINEL
    size = Picture.open(photo).width
    assert run_json("decode", file, "-o", photo)["image"] == str(photo)
    assert Picture.open(photo).width == size and photo.read_bytes() != before


def test_a_folder_in_place_of_a_file_is_bad_input(photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(photo.parent)
    for arguments in (("encode", ".", "--codec", "jpeg", "--quality", "50"), ("decode", ".")):
        code, _, errors = run(*arguments)
        assert code == 2 and one_line(errors) and "is a folder" in errors


BAD_RATES = [
    ([], "exactly one of --quality, --bpp and --bytes"),
    (["--bpp", "0.5", "--quality", "50"], "exactly one of --quality, --bpp and --bytes"),
    (["--quality", "101"], "between 0 and 100"),
    (["--bpp", "0"], "above zero"),
    (["--bpp", "nan"], "finite"),
    (["--bytes", "-5"], "above zero"),
    (["--quality", "50", "--codec", "gif"], "no codec 'gif'"),
]


@pytest.mark.parametrize(("options", "text"), BAD_RATES)
def test_bad_rates_and_codecs_are_refused(photo: Path, tmp_path: Path, options: list[str], text: str) -> None:
    out = tmp_path / "out.jpg"
    out.write_bytes(SENTINEL)
    codec = [] if "--codec" in options else ["--codec", "jpeg"]
    code, printed, errors = run("encode", photo, *codec, *options, "-o", out)
    assert (code, printed) == (2, "")
    assert one_line(errors) and text in errors
    assert out.read_bytes() == SENTINEL


def bad_inputs(folder: Path, photo: Path) -> Iterator[Path]:
    text = folder / "text.png"
    text.write_text("this is a text")
    yield text
    whole = folder / "whole.jpg"
    Picture.open(photo).save(whole)
    cut = folder / "cut.jpg"
    cut.write_bytes(whole.read_bytes()[:1500])
    yield cut
    empty = folder / "empty.png"
    empty.write_bytes(b"")
    yield empty
    yield folder
    yield folder / "missing.png"


def test_bad_pictures_give_one_line_and_leave_the_output(photo: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jpg"
    out.write_bytes(SENTINEL)
    for path in bad_inputs(tmp_path, photo):
        before = sorted(tmp_path.iterdir())
        encode = ["encode", path, "--quality", "50", "--codec", "jpeg"]
        compare = ["compare", path, "--codecs", "jpeg", "--bpp", "1", "--metrics", "psnr"]
        for command in (encode, compare):
            code, printed, errors = run(*command, "-o", out)
            assert (code, printed) == (2, ""), (command, errors)
            assert one_line(errors) and path.name in errors
        assert out.read_bytes() == SENTINEL
        assert sorted(tmp_path.iterdir()) == before


def test_bad_files_give_one_line_on_decode_and_info(photo: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.png"
    out.write_bytes(SENTINEL)
    for path in bad_inputs(tmp_path, photo):
        code, printed, errors = run("decode", path, "-o", out)
        assert (code, printed) == (2, "")
        assert one_line(errors) and path.name in errors
        code, printed, errors = run("info", path)
        assert (code, printed) == (2, "")
        assert one_line(errors) and path.name in errors
    assert out.read_bytes() == SENTINEL


def test_an_unwritable_output_is_a_failure(photo: Path, tmp_path: Path) -> None:
    (tmp_path / "folder.jpg").mkdir()
    for out in (tmp_path / "none" / "out.jpg", tmp_path / "folder.jpg", photo / "out.jpg"):
        code, printed, errors = run("encode", photo, "--codec", "jpeg", "--quality", "50", "-o", out)
        assert (code, printed) == (1, ""), errors
        assert one_line(errors) and "cannot write" in errors
    assert sorted(p.name for p in tmp_path.iterdir()) == ["folder.jpg", "photo.png"]


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_a_failure(photo: Path, tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    code, _, errors = run("encode", photo, "--codec", "jpeg", "--quality", "50", "-o", locked / "a.jpg")
    assert code == 1 and one_line(errors) and "ermission" in errors


def test_a_real_process_gives_the_same_codes_and_lines(photo: Path, tmp_path: Path) -> None:
    good = in_process("encode", photo, "--codec", "jpeg", "--quality", "50", "-o", tmp_path / "a.jpg")
    assert (good.returncode, good.stderr) == (0, "")
    missing = in_process("encode", tmp_path / "no.png", "--codec", "jpeg", "--quality", "50")
    assert missing.returncode == 2 and one_line(missing.stderr) and missing.stdout == ""
    failure = in_process("decode", tmp_path / "a.jpg", "-o", tmp_path / "no" / "a.png")
    assert failure.returncode == 1 and one_line(failure.stderr)


# --- Learned codecs ---


def test_a_learned_file_goes_there_and_back(photo: Path, tmp_path: Path, learned: str) -> None:
    file = tmp_path / "x.hflic"
    made = run_json("encode", photo, "--codec", "elic-5", "--quality", "25", "-o", file)
    assert (made["codec"], made["bytes"]) == (learned, file.stat().st_size)
    found = run_json("decode", file, "-o", tmp_path / "back.png")
    for key in ("codec", "weights", "quality", "width", "height", "bytes", "bpp", "latents_crc"):
        assert found[key] == made[key], key
    told = run_json("info", file)
    assert (told["weights"], told["weights_state"]) == (made["weights"], "present")
    assert (told["latents_crc"], told["quality"]) == (made["latents_crc"], 25)
    assert Picture.open(tmp_path / "back.png").width == 200


def test_a_damaged_learned_file_is_refused(photo: Path, tmp_path: Path, learned: str) -> None:
    file = tmp_path / "x.hflic"
    run_json("encode", photo, "--codec", learned, "--quality", "25", "-o", file)
    data = bytearray(file.read_bytes())
    out = tmp_path / "out.png"
    out.write_bytes(SENTINEL)
    for damaged in (data[: len(data) // 2], data[:40] + bytes([data[40] ^ 4]) + data[41:], data[:3]):
        file.write_bytes(damaged)
        for command in (["decode", file, "-o", out], ["info", file]):
            code, printed, errors = run(*command)
            assert (code, printed) == (2, "") and one_line(errors) and "x.hflic" in errors
    assert out.read_bytes() == SENTINEL


def test_a_file_of_unknown_weights_says_which_it_needs(
    photo: Path, tmp_path: Path, learned: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "x.hflic"
    made = run_json("encode", photo, "--codec", learned, "--quality", "25", "-o", file)
    monkeypatch.setenv("HFLIC_WEIGHTS", str(tmp_path / "none"))
    code, _, errors = run("decode", file)
    assert code == 2 and one_line(errors) and made["weights"] in errors
    told = run_json("info", file)
    assert told["weights_state"].startswith("missing")
    assert (told["width"], told["quality"]) == (200, 25)


def test_models_list_says_what_is_usable(learned: str) -> None:
    lines = {line["codec"]: line for line in run_json("models", "list")["codecs"]}
    assert lines["elic-5"]["usable"] and len(lines["elic-5"]["weights"]) == 8
    assert lines["jpeg"]["usable"] and lines["jpeg"]["weights"] is None
    told = run_json("models", "info", learned)
    assert told["weights"] == lines["elic-5"]["weights"]
    assert told["settings"]["network"] == "elic-5-lite"


def test_models_verify_finds_a_flipped_bit(
    weights_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from models import weights

    monkeypatch.setattr(weights, "folders", lambda: (tmp_path,))
    good = (weights_folder / "elic-5-lite.safetensors").read_bytes()
    (tmp_path / "good.safetensors").write_bytes(good)
    assert [file["error"] for file in run_json("models", "verify")["files"]] == [""]
    bad = bytearray(good)
    bad[-1000] ^= 1
    (tmp_path / "bad.safetensors").write_bytes(bad)
    code, text, errors = run("models", "verify")
    assert code == 1 and one_line(errors) and "bad.safetensors" in errors
    assert "1 of 2" in errors and "right" in text
