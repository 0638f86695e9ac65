"""Fixtures shared by all tests."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import pydl


@pytest.fixture(params=["numpy", "cpu"])
def device(request: pytest.FixtureRequest) -> str:
    """Every device of this build."""
    return str(request.param)


@pytest.fixture(autouse=True, scope="session")
def _elsewhere(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Work in an empty folder: in the repository, `python -c` would find the sources first."""
    os.chdir(tmp_path_factory.mktemp("elsewhere"))


@pytest.fixture(autouse=True)
def _seeded() -> Iterator[None]:
    """Each test starts the random streams anew and leaves the number of threads as it was."""
    threads = pydl.num_threads()
    pydl.manual_seed(0)
    yield
    if pydl.num_threads() != threads:
        pydl.set_num_threads(threads)


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of real data sets (PYDL_DATA)."""
    folder = os.environ.get("PYDL_DATA")
    if not folder:
        pytest.skip("PYDL_DATA is not set: it names the folder that holds mnist/")
    return Path(folder)
