"""What is set before Gradio reads it."""

import os
from pathlib import Path
from unittest.mock import Mock

import pytest
from gradio.blocks import Blocks
from gradio.queueing import Queue

from app.server.settings import FIGURES, PROXIES, PUBLIC, ROOT, TEMPORARY, BadSetting, prepare


def test_no_figures_are_reckoned_that_nobody_sees(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (FIGURES, TEMPORARY):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv(name, "")  # so that it is taken back
    monkeypatch.delenv(TEMPORARY)
    before = os.umask(0)
    prepare()
    os.umask(before)
    queue = Queue(True, 1, 1.0, None, Blocks())
    queue.events_recorded = 100_000
    told = queue.compute_analytics_summary([{"function": "search", "status": "success", "process_time": 0.1}])
    assert told == {"functions": {}}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (ROOT, "photos"),
        (ROOT, " /photos"),
        (ROOT, "/photos?x"),
        (PROXIES, "nonsense"),
        (PROXIES, "10.0.0.5,proxy.example"),
        (PROXIES, "10.0.0.5/16"),
        (PROXIES, " *"),
        (PROXIES, "10.0.0.5,*"),
        (TEMPORARY, "~nobody-here/files"),
        (PUBLIC, "flase"),
    ],
)
def test_a_setting_that_cannot_be_meant_is_named(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    monkeypatch.setattr("os.umask", lambda mode: 0)
    with pytest.raises(BadSetting, match=f"^{name} "):
        prepare()


def test_a_path_and_proxies_are_taken_and_an_empty_list_of_proxies_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.umask", lambda mode: 0)
    monkeypatch.setenv(FIGURES, "")
    for root, proxies in (
        ("/photos", "10.0.0.5, 10.1.0.0/16"),
        ("https://x.example/a/b/", "*"),
        ("/user/jane@uni.edu/proxy/7860", "::1"),
        ("", ""),
    ):
        monkeypatch.setenv(TEMPORARY, "")
        monkeypatch.setenv(ROOT, root)
        monkeypatch.setenv(PROXIES, proxies)
        prepare()
        assert os.environ.get(PROXIES, "") == proxies
    assert PROXIES not in os.environ


def test_a_folder_that_is_lent_to_a_group_is_used_and_another_users_place_for_files_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def chmod(folder: Path, mode: int) -> None:
        if folder in others:
            raise PermissionError(1, "Operation not permitted")

    others = {tmp_path / "lent", tmp_path / "tgem-arriving"}
    monkeypatch.setattr("os.umask", lambda mode: 0)
    monkeypatch.setattr(Path, "chmod", chmod)
    monkeypatch.setenv("TGEM_HOME", str(tmp_path / "lent"))
    monkeypatch.setenv(FIGURES, "")
    monkeypatch.setenv(TEMPORARY, "")
    assert prepare() == tmp_path / "lent" / "arriving"
    monkeypatch.setenv(TEMPORARY, str(tmp_path))
    with pytest.raises(BadSetting, match=r"tgem-arriving cannot be used \(Operation not permitted\); set GRADIO_TEMP"):
        prepare()


def test_a_place_for_temporary_files_is_lent_where_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.umask", lambda mode: 0)
    for name in (FIGURES, TEMPORARY):
        monkeypatch.setenv(name, "")
    lend = Mock()
    monkeypatch.setattr("app.server.settings.lend_temporary_folder", lend)
    prepare()
    lend.assert_called_once_with()
