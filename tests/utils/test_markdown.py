from engine.utils.markdown import table_lines


def test_a_table_has_a_line_a_row_and_none_without_rows() -> None:
    assert table_lines(["a", "b"], [["1", "2"]]) == ["| a | b |", "| --- | --- |", "| 1 | 2 |"]
    assert table_lines(["a"], []) == []
