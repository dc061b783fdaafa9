"""Are downloads made only from servers whose certificate somebody vouches for?"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from models.download import download
from models.errors import FetchError
from tests.test_package import tool

Served = tuple[str, Path]


@pytest.fixture(scope="module")
def fetching() -> ModuleType:
    """The part of the package's smoke test that has a server."""
    return tool("fetching.py")


@pytest.fixture
def served(fetching: ModuleType, tmp_path: Path) -> Iterator[Served]:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not here")
    with fetching.https_server(tmp_path) as found:
        yield found


def test_a_server_that_nobody_vouches_for_is_refused_in_one_line(served: Served, tmp_path: Path) -> None:
    target = tmp_path / "got" / "file.pth"
    with pytest.raises(FetchError, match="has a certificate that this computer does not trust") as error:
        download(f"{served[0]}/file.pth", target, "")
    assert "\n" not in str(error.value)
    assert [*target.parent.iterdir()] == []


def test_a_trusted_server_is_read(
    served: Served, fetching: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(served[1]))
    digest = hashlib.sha256(fetching.CONTENT).hexdigest()
    path = download(f"{served[0]}/file.pth", tmp_path / "got" / "file.pth", digest)
    assert path.read_bytes() == fetching.CONTENT
    with pytest.raises(FetchError, match="is not the published file"):
        download(f"{served[0]}/file.pth", tmp_path / "other.pth", "0" * 64)
    assert not [*tmp_path.glob("other.pth*")]
