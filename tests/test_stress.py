"""The long runs of tests/stress, with small counts."""

from tests.stress import fuzz, kill, size


def test_hostile_files_end_in_a_result_or_a_reason() -> None:
    for row in fuzz.run(150):
        assert int(str(row["cases"])) >= 150


def test_sudden_deaths_leave_whole_batches_only() -> None:
    assert kill.run(deaths=4, total=160, seed=1)["deaths"] == 4


def test_sizes_are_measured() -> None:
    assert size.through_the_store(2000)["photos"] == 2000
    assert size.through_the_index(3000)["recall at 24"] == "1.000"
