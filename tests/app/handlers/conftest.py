"""Handlers of the page over the demo gallery."""

from collections.abc import Callable

import pytest

from app.handlers.galleries import Galleries
from app.handlers.picture_search import PictureSearch
from app.handlers.search import Search
from app.services import Services
from engine.gallery import Upload
from tests.app.shown_examples import PARTS

MakeUpload = Callable[..., Upload]


@pytest.fixture
def search(services: Services) -> Search:
    return Search(services, PARTS)


@pytest.fixture
def picture_search(services: Services, search: Search) -> PictureSearch:
    return PictureSearch(services, PARTS, search)


@pytest.fixture
def galleries(services: Services, search: Search) -> Galleries:
    return Galleries(services, PARTS, search)
