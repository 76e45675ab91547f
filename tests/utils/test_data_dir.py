"""The data folder is where the environment says, or a sentence says why not."""

import os
import tempfile
from pathlib import Path
from unittest.mock import Mock

import platformdirs
import pytest
from typer.testing import CliRunner

from engine.cli import cli
from engine.utils.data_dir import HomeUnwritable, home, lend_temporary_folder


def test_made_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TGEM_HOME", str(tmp_path / "a" / "b"))
    assert home() == tmp_path / "a" / "b"
    assert home().stat().st_mode & 0o777 == 0o700, "file names and pictures are nobody else's"


def test_a_tilde_is_the_users_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("TGEM_HOME", "~/photos")
    assert home() == tmp_path / "photos"


@pytest.mark.parametrize("unset", [True, False])
def test_otherwise_the_users_own_data_folder(unset: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platformdirs, "user_data_path", lambda name: tmp_path / name)
    if unset:
        monkeypatch.delenv("TGEM_HOME")
    else:
        monkeypatch.setenv("TGEM_HOME", "")
    assert home() == tmp_path / "tgem-search"


def test_an_unknown_users_folder_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TGEM_HOME", "~nobody-of-this-name/photos")
    with pytest.raises(HomeUnwritable, match=r"~nobody-of-this-name/photos cannot be used \(there is no such user\)"):
        home()


@pytest.mark.parametrize("resolved", [True, False], ids=["platformdirs as installed", "its earlier versions"])
def test_a_user_without_a_home_folder_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, resolved: bool
) -> None:
    for name in ("TGEM_HOME", "HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", Mock(side_effect=KeyError))
    if not resolved:
        monkeypatch.setattr(platformdirs, "user_data_path", lambda name: Path("~/.local/share", name))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        HomeUnwritable, match=r"folder ~ cannot be used \(this user has no home folder\); set TGEM_HOME"
    ):
        home()
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_way_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("TGEM_HOME", str(tmp_path / "file"))
    with pytest.raises(HomeUnwritable, match=r"file cannot be used \(File exists\); set TGEM_HOME"):
        home()


def test_a_name_that_is_not_utf8_is_said_to_be_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TGEM_HOME", str(tmp_path / os.fsdecode(b"M\xfcller")))
    with pytest.raises(HomeUnwritable, match=r"M.ller cannot be used \(its name is not UTF-8\); set TGEM_HOME"):
        home()


@pytest.fixture
def nowhere_temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TGEM_HOME", str(tmp_path))
    monkeypatch.setenv("TMPDIR", "")
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_get_default_tempdir", Mock(side_effect=FileNotFoundError))


@pytest.mark.usefixtures("nowhere_temporary")
def test_the_data_folder_serves_for_temporary_files_where_all_else_is_read_only(tmp_path: Path) -> None:
    assert CliRunner().invoke(cli, ["galleries"]).exit_code == 0
    assert os.environ["TMPDIR"] == tempfile.gettempdir() == str(tmp_path / "tmp")


@pytest.mark.usefixtures("nowhere_temporary")
def test_a_folder_for_temporary_files_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "tmp").touch()
    with pytest.raises(HomeUnwritable, match=r"tmp cannot be used \(File exists\); set TGEM_HOME"):
        lend_temporary_folder()
