"""A short seeded run of the fuzzer; `make fuzz` is the long one."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.fuzz.cases import HflicCases, PictureCases


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
