import json
from pathlib import Path

from engine.evaluation.album_report import page

RESULTS = Path(__file__).parents[2] / "docs" / "results"


def test_the_page_of_the_documentation_is_what_its_results_give() -> None:
    results = json.loads((RESULTS / "albums.json").read_text(encoding="utf-8"))
    assert (RESULTS / "albums.md").read_text(encoding="utf-8") == page(results)
