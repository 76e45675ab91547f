import json
from pathlib import Path

from app.curve import curve_of


def row(policy: str, setting: float, share: float, recall: float) -> dict[str, object]:
    return {"policy": policy, "setting": setting, "macs_share": share, "t2i": {"r10": recall}}


def test_a_curve_is_read_from_the_results_of_its_own_model(tmp_path: Path) -> None:
    rows = [row("full", 6, 1.0, 74), row("tgem", 0.9, 0.91, 71), row("tgem", 0.5, 0.5, 48), row("random", 0.5, 0.5, 47)]
    about = {"model": "mine", "data": "d", "split": "test", "images": 10, "rows": rows}
    (tmp_path / "a.json").write_text("[1, 2]")
    (tmp_path / "b.json").write_text("{not json")
    (tmp_path / "c.json").write_text(json.dumps(about))
    found = curve_of("mine", tmp_path)
    assert found is not None
    assert [(point.macs_share, point.recall) for point in found.points] == [(0.5, 48), (0.91, 71)]
    assert found.at(0.85).budget == 0.9
    assert found.full.recall == 74
    assert curve_of("another", tmp_path) is None
    assert curve_of("mine", tmp_path / "none") is None
    (tmp_path / "d.json").write_text(json.dumps(about | {"model": "another"}))
    assert curve_of("another", tmp_path) is not None, "measured while the page runs"


def test_of_several_sets_the_first_captioned_one_is_drawn(tmp_path: Path) -> None:
    rows = [row("full", 3, 1.0, 77) | {"seed": None}, row("tgem", 0.4, 0.4, 75) | {"seed": None}]
    other_seed = row("tgem", 0.4, 0.41, 74) | {"seed": 2}
    labels = {"model": "mine", "data": "l", "split": "test", "images": 5, "rows": [{"policy": "full", "top1": {}}]}
    captioned = {"model": "mine", "data": "d", "split": "test", "images": 10, "rows": [*rows, other_seed]}
    (tmp_path / "a.json").write_text(json.dumps({"sets": [labels, captioned]}))
    found = curve_of("mine", tmp_path)
    assert found is not None
    assert (found.data, [point.recall for point in found.points]) == ("d", [75])
