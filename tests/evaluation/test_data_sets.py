from pathlib import Path

import pytest

from engine.evaluation.data_sets import names_of


@pytest.mark.parametrize(
    ("folders", "names"),
    [
        (["/a/photos"], ["photos"]),
        (["/a/one", "/b/two"], ["one", "two"]),
        (["/a/photos", "/b/photos"], ["a/photos", "b/photos"]),
        (["/photos", "/b/photos"], ["photos", "b/photos"]),
    ],
)
def test_folders_of_one_name_are_told_apart_by_those_above(folders: list[str], names: list[str]) -> None:
    assert names_of([Path(folder) for folder in folders]) == names
