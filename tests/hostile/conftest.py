from collections.abc import Iterator

import pytest

from tests.hostile.served_page import Served, served


@pytest.fixture(scope="session")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A page where strangers come."""
    with served(tmp_path_factory.mktemp("public") / "home", TGEM_PUBLIC="1") as page:
        yield page


@pytest.fixture(scope="session")
def own_page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A page on its owner's machine, as `python app.py` starts it."""
    with served(tmp_path_factory.mktemp("private") / "home") as page:
        yield page
