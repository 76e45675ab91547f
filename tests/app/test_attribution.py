from pathlib import Path

from app.attribution import attributions
from engine.gallery import DEMO_GALLERY


def test_every_photo_of_the_shipped_gallery_is_credited() -> None:
    found = attributions(DEMO_GALLERY / "ATTRIBUTION.md")
    assert {path.name for path in DEMO_GALLERY.glob("*.jpg")} <= found.keys()
    assert all(
        credit.author and credit.licence and credit.licence_url.startswith("https://") for credit in found.values()
    )


def test_a_row_without_a_licence_is_left_out(tmp_path: Path) -> None:
    table = tmp_path / "ATTRIBUTION.md"
    table.write_text(
        "| file | title | author | licence | from |\n| --- | --- | --- | --- | --- |\n| a.jpg | A | B | none | x |\n"
    )
    assert attributions(table) == {}
