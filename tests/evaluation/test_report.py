import sys
from pathlib import Path
from typing import Any

import pytest

from engine.evaluation import report
from engine.evaluation.report import (
    END,
    START,
    bench_markdown,
    lines_of,
    markdown,
    read,
    renewed,
    summary,
    write,
)
from engine.utils.errors import EngineError

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "docs" / "results"

FOUND = {"r1": 20.0, "r5": 50.0, "r10": 60.0, "error": 1.5}
KEPT = {"label": 80.0, "top10": 70.0, "error": 1.2}
COSTS = {"seed": None, "macs_share": 0.48, "max_macs_share": 1.0, "gmacs": 0.9}
GATES: dict[str, Any] = {"policy": "tgem", "setting": 0.4, **COSTS, "t2i": FOUND, "fidelity": KEPT}
FULL = GATES | {"policy": "full", "setting": 4, "macs_share": 1.0, "gmacs": 2.0, "t2i": FOUND | {"r10": 75.0}}
DEEPEN = GATES | {"policy": "tgem+deepen", "min_gain": 0.003, "macs_per_query": 9.5, "t2i": FOUND | {"r10": 70.0}}
MORE = {"more": 1.04, "error": 0.31}
TABLE: dict[str, Any] = {
    "model": "m",
    "data": "d",
    "split": "test",
    "images": 1000,
    "captions": 5000,
    "rows": [
        FULL,
        GATES,
        GATES | {"seed": 2, "t2i": FOUND | {"r10": 62.0}},
        GATES | {"setting": 0.55, "gmacs": 1.1},
        DEEPEN,
        DEEPEN | {"min_gain": 0.01, "macs_per_query": 20.0},
        GATES | {"policy": "exit+topm", "setting": 3, "m": 10, "macs_per_query": 9.5},
    ],
    "differences": [
        {"budget": 0.5, "macs_share": 0.48}
        | {way: dict.fromkeys(("r10", "label", "top10"), MORE) for way in ("random", "oracle-drift", "gain")}
    ],
    "subjects": [],
    "known_labels": [],
}
LABELLED: dict[str, Any] = TABLE | {
    "data": "d labels",
    "captions": 0,
    "rows": [
        {k: v for k, v in row.items() if k != "t2i"} | {"top1": {"right": 36.5, "error": 1}} for row in (FULL, GATES)
    ],
    "differences": [],
    "known_labels": [
        {"labels": 20, "budget": 0.4, "photos": 90, "macs_share": 0.4, "named": 92.0, "general": 84.0} | MORE
    ],
}
LEAVING = {"policy": "tgem", "setting": 0.4, "exits": [3, 4], "macs_share": 0.4}
PHOTOS: dict[str, Any] = {"model": "m", "data": "p", "split": None, "images": 7, "captions": 0, "rows": [LEAVING]}


def test_a_card_shows_each_set_before_and_after_second_looks() -> None:
    lines = summary({"sets": [TABLE, LABELLED, PHOTOS]}).splitlines()
    assert "| full depth | 1.000 | 1.000 | 80.0 / 70.0 | 20.0 / 50.0 / 75.0 |  |  |" in lines
    assert (
        "| T-GEM, budget 0.4 | 0.480 | 1.000 | 80.0 / 70.0 | 20.0 / 50.0 / 60.0 | 20.0 / 50.0 / 70.0 | 9.5 |" in lines
    )
    assert "| T-GEM, budget 0.4 | 0.480 | 1.000 | 80.0 / 70.0 | 36.5 |" in lines
    assert len([line for line in lines if line]) == 8  # two heads of two lines; other seeds and budgets have none


def test_every_policy_and_seed_has_a_row() -> None:
    text = markdown(TABLE)
    kept = "80.0 ± 1.2 | 70.0 |"
    assert f"| T-GEM, budget 0.4 |  | 0.480 | 1.000 | 0.900 | 20.0 / 50.0 / 60.0 ± 1.5 | {kept}" in text
    assert f"| T-GEM, budget 0.4 | 2 | 0.480 | 1.000 | 0.900 | 20.0 / 50.0 / 62.0 ± 1.5 | {kept}" in text
    assert "| the best M, exit 3 | M = 10 | 0.480 | 9.5 | 20.0 / 50.0 / 60.0 | 70.0 |" in text
    assert "subject" not in text  # what was not measured has no heading


def test_differences_come_with_their_errors() -> None:
    assert f"| 0.5 | 0.480 |{' +1.0 ± 0.3 |' * 6}" in markdown(TABLE)
    assert "| 20 | 0.4 | 90 | 0.400 | 92.0 | 84.0 | +1.0 ± 0.3 |" in markdown(LABELLED)


def test_named_subjects_are_set_beside_other_indexes() -> None:
    known = {"gates": "know the subject", "captions": 40, "macs_share": 0.375} | FOUND | {"more": 0.0, "error": 0.0}
    rows = [known, known | {"gates": "general", "more": -2.5, "error": 1.25}]
    text = markdown(TABLE | {"subjects": rows})
    assert "| know the subject | 40 | 0.375 | 20.0 / 50.0 / 60.0 |  |" in text
    assert "| general | 40 | 0.375 | 20.0 / 50.0 / 60.0 | -2.5 ± 1.2 |" in text


def test_the_largest_tower_alone_stands_beside_full_depth() -> None:
    alone = [FULL | {"policy": "single", "setting": px, "macs_share": share} for px, share in ((288, 0.6), (64, 0.2))]
    lines = summary(TABLE | {"rows": [*TABLE["rows"], *alone]}).splitlines()
    assert lines[3].startswith("| one tower alone, px 288 | 0.600 |")
    assert not any("px 64" in line for line in lines)


def test_labels_that_are_no_class_of_imagenet_are_said_apart() -> None:
    new = {"labels": 90, "photos": 428, "right": 54.0, "error": 4.8}
    text = markdown(LABELLED | {"precision": "bfloat16", "new_labels": new})
    assert "split test, in bfloat16. Of 428 of them, of 90 labels that no class of ImageNet has, 54.0 ± 4.8 %" in text


def test_photos_without_captions_have_their_exits() -> None:
    assert "| 0.4 | 0.400 | 3 | 4 |" in markdown(PHOTOS)


def test_figures_have_a_line_for_each_policy() -> None:
    assert lines_of(TABLE, "recall") == {"full depth": [(2.0, 75.0)], "T-GEM": [(0.9, 60.0), (1.1, 60.0)]}
    assert lines_of(LABELLED, "recall")["T-GEM"] == [(0.9, 36.5)]
    assert lines_of(LABELLED, "fidelity")["T-GEM"] == [(0.9, 80.0)]


BENCH: dict[str, Any] = {
    "device": "cpu",
    "threads": 2,
    "precision": "float32",
    "rows": [
        {"model": "m", "mode": "full", "batch": 8, "images_per_s": 10.0, "macs_share": 1.0},
        {"model": "m", "mode": "exit:1", "batch": 8, "images_per_s": 19.0, "macs_share": 0.5},
        {"model": "m", "mode": "full", "batch": 32, "images_per_s": 12.0, "macs_share": 1.0},
    ],
}


def test_a_bench_shows_what_early_exits_keep_of_their_promise() -> None:
    lines = bench_markdown(BENCH).splitlines()
    assert "| m | full | 1.00 | 10.0 | 12.0 |" in lines
    assert "| m | exit:1 | 0.50 | 19.0 (0.95) |  |" in lines


def test_tables_and_figures_are_written(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    written = write({"sets": [TABLE, LABELLED, PHOTOS]}, tmp_path, "results")
    kinds = [f"{place}-{kind}" for place in ("d-test", "d-labels-test") for kind in ("recall", "fidelity")]
    assert [path.name for path in written] == ["results.md", *(f"results-{kind}.png" for kind in kinds)]
    for path in (*written, *write(BENCH, tmp_path, "bench")):
        assert path.stat().st_size > 100
    page = written[0].read_text(encoding="utf-8")
    assert "![Recall against GMACs a photo, of every policy on d, test](results-d-test-recall.png)" in page
    assert all(page.count(f"]({path.name})") == 1 for path in written[1:])


OF_OTHER_COMMANDS = ("albums", "robustness", "scale")
REPORTED = sorted(path for path in RESULTS.glob("*.json") if path.stem not in OF_OTHER_COMMANDS)


@pytest.mark.parametrize("results", REPORTED, ids=lambda path: path.stem)
def test_a_page_of_the_documentation_is_what_its_results_give(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "plot_policies", lambda *drawn: b"")
    table = read(results)
    page, *pictures = write(table, tmp_path, results.stem)
    assert (RESULTS / page.name).read_text(encoding="utf-8") == page.read_text(encoding="utf-8")
    assert all((RESULTS / picture.name).is_file() for picture in pictures)


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "assets" / "models" / "tgem-mini" / "README.md"])
def test_the_tables_of_the_readme_and_the_model_card_are_those_of_the_results(page: Path) -> None:
    assert renewed(page, summary(read(RESULTS / "test.json"))) == page.read_text(encoding="utf-8")


def test_without_matplotlib_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(EngineError, match=r"pip install -r requirements-train\.txt"):
        write(TABLE, tmp_path, "results")
    assert list(tmp_path.iterdir()) == []


def test_a_page_keeps_what_stands_around_its_tables(tmp_path: Path) -> None:
    page = tmp_path / "README.md"
    page.write_text(f"before\n{START}\nold\n{END}\nafter\n", encoding="utf-8")
    page.write_text(renewed(page, "new\n"), encoding="utf-8")
    assert renewed(page, "newer\n") == f"before\n{START}\nnewer\n{END}\nafter\n"


@pytest.mark.parametrize("text", ["no marker", f"before\n{START}\nold\n", f"{END}\nbetween\n{START}\nold\n"])
def test_a_page_that_lacks_a_marker_is_refused(tmp_path: Path, text: str) -> None:
    page = tmp_path / "README.md"
    page.write_text(text, encoding="utf-8")
    with pytest.raises(EngineError, match=r"README\.md has no place for the tables; write the lines <!-- written by"):
        renewed(page, "new\n")
