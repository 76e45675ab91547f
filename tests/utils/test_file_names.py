import pytest

from engine.utils.file_names import safe_name


@pytest.mark.parametrize(
    ("name", "safe"),
    [("a/b", "a_b"), ("what?", "what_"), ("CON", "_CON"), ("lpt1.txt", "_lpt1.txt"), ("dots...", "dots"), ("..", "_")],
)
def test_names_are_safe_on_windows(name: str, safe: str) -> None:
    assert safe_name(name) == safe
