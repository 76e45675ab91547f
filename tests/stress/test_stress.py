"""The long runs of tests/stress, with small counts."""

import asyncio

import pytest

from engine.exits.encoder import Encoder
from tests.stress import backup, fuzz, kill, load, page_kill, postgres, postgres_restart, size

pytestmark = pytest.mark.slow


def test_hostile_files_end_in_a_result_or_a_reason() -> None:
    for row in fuzz.run(150):
        assert int(str(row["cases"])) >= 150


def test_sudden_deaths_leave_whole_batches_only() -> None:
    assert kill.run(deaths=4, total=160, seed=1)["deaths"] == 4


@pytest.mark.long
def test_deaths_of_backups_and_restores_leave_whole_stores() -> None:
    assert backup.run(deaths=2, total=640, seed=1)["whole stores restored"] >= 2


@pytest.mark.long
def test_a_page_killed_in_an_upload_leaves_whole_batches() -> None:
    assert page_kill.through_the_page(deaths=1, total=320)["uploads left"] <= 1


@pytest.mark.long
def test_two_processes_on_one_home_keep_each_photo_once() -> None:
    assert page_kill.two_on_one_home(rounds=1, total=160)["rounds"] == 1


@pytest.mark.long
@pytest.mark.usefixtures("cluster")  # which fails, or skips, where there is no PostgreSQL
def test_a_restart_of_postgresql_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TGEM_DATABASE_URL", "")  # put back afterwards
    assert postgres_restart.run(restarts=1, pause=1.0)["photos"] >= postgres_restart.BATCH


def test_sizes_are_measured(embedded: Encoder) -> None:
    assert size.through_the_store(2000, embedded)["photos"] == 2000
    assert size.through_the_index(3000)["recall at 24"] == "1.000"


@pytest.mark.usefixtures("cluster")  # which fails, or skips, where there is no PostgreSQL
def test_searches_in_postgresql_are_measured() -> None:
    searches, graphs = postgres.run(1500)
    assert [row["graph of"] for row in graphs] == ["vector", "halfvec"]
    assert float(str(graphs[1]["graph, bytes a vector"])) < float(str(graphs[0]["graph, bytes a vector"]))
    assert searches[0]["recall@10"] == "1.0000"
    assert min(float(str(row["recall@10"])) for row in searches) >= 0.97


@pytest.mark.long
def test_many_visitors_get_their_own_answers() -> None:
    *_, crowd = asyncio.run(load.run(many=4, seconds=5, photos=8, searches=5))
    assert crowd["searches"] > 0
    assert crowd["photos"] >= 4 * load.UPLOAD
    assert (crowd["errors"], crowd["foreign"]) == (0, 0)
