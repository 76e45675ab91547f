from app.views.certificate import card
from engine.exits.certificate import BudgetRow, Fidelity
from engine.gallery import Certificate

ROW = BudgetRow(0.4, 0.412, Fidelity(64.8, 80.5), 30.0)


def test_a_certificate_is_a_table_under_its_advice() -> None:
    shown = card(Certificate("ViT-B-32", 150, (ROW,), 12.0, "Stop early."))
    for text in (
        "Certificate of ViT-B-32",
        "Stop early.",
        "--part:0.412",
        "65\u00a0%",
        "80\u00a0%",
        "2.5×",
        "150 photos",
    ):
        assert text in shown


def test_what_stands_in_a_file_is_escaped_and_nothing_is_nothing() -> None:
    shown = card(Certificate("<b>", 1, (), 0.0, "<script>"))
    assert "<b>" not in shown
    assert "<script>" not in shown
    assert card(None) == ""
