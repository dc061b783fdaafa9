"""A short seeded run of the fuzzer; `make fuzz` is the long one."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import torch
from PIL import Image

from tests.fuzz.cases import HflicCases, PictureCases, pictures
from tests.fuzz.mutations import png_with_right_checksums
from tests.fuzz.sizes import claimed


def test_forged_sizes_are_what_readers_see() -> None:
    """Else the fuzzer's giant pictures would be small ones."""
    seen = set()
    for name, data in pictures():
        forged = claimed(name, data, 300, 200)
        forged = png_with_right_checksums(forged) if name == "png" else forged
        if forged != data and name not in {"heif"}:  # libheif compares both sizes that the file has
            with Image.open(io.BytesIO(forged)) as image:
                assert sorted(image.size) == [200, 300], name  # TIFF's reader turns it upright
            seen.add(name)
    assert seen == {"png", "jpeg", "gif", "webp", "tiff", "avif", "jpeg2000", "bmp"}


@pytest.mark.parametrize(("kind", "count"), [(HflicCases, 250), (PictureCases, 400)])
def test_spoilt_files_end_in_one_line(
    kind: type[HflicCases] | type[PictureCases], count: int, tmp_path: Path
) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        cases = kind(tmp_path, False)
        ends = [cases.run(seed).ended for seed in range(count)]  # raises where one does not
    finally:
        torch.set_num_threads(threads)
    assert "wrong" not in ends
    assert ends.count("refused") > 0.4 * count and ends.count("read") > 0.05 * count
