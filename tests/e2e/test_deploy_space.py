"""`deploy-space`: what it writes starts as a page, and what it uploads is exactly that."""

import errno
import shutil
import time
from pathlib import Path
from unittest.mock import Mock

import huggingface_hub.constants
import pytest
from gradio_client import Client
from typer.testing import CliRunner, Result

from engine import cli as command_line
from engine.utils import product_files
from tests.health import ready_page
from tests.hubserver import Hub
from tests.stress.space import front_matter

ROOT = Path(__file__).parents[2]
SPACE = "lab/photos"


def deploy(*words: object) -> Result:
    return CliRunner().invoke(command_line.cli, ["deploy-space", *map(str, words)])


def sentence(result: Result) -> str:
    """The one line of a refusal."""
    assert (result.exit_code, result.stdout) == (2, ""), result.output
    assert "Traceback" not in result.stderr
    return result.stderr.splitlines()[-1]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A product of a few small files, without git."""
    root = tmp_path / "product"
    for name in ("app.py", "engine/__main__.py", "assets/model.safetensors", "docs/results/test.json", "README.md"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    (root / "assets" / "model.safetensors").write_bytes(b"w" * 5000)
    for name in ("tests/test_a.py", "engine/__pycache__/a.pyc", ".env", "assets/models/a/training/b.bin", "a.db"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    shutil.copy(ROOT / "requirements-zerogpu.txt", root)
    monkeypatch.setattr(product_files, "ROOT", root)
    return root


SMALL = ["README.md", "app.py", "assets/model.safetensors", "docs/results/test.json", "engine/__main__.py"]


def test_a_disk_that_gets_full_is_not_said_of_the_products_own_files(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = OSError(errno.ENOSPC, "No space left on device", str(small / "README.md"))  # as copyfile raises it
    monkeypatch.setattr(shutil, "copyfile", Mock(side_effect=full))
    folder = tmp_path / "space"
    said = sentence(deploy(SPACE, "--dry-run", folder))
    assert said == f"{folder} cannot be written (No space left on device)."


def test_what_is_written_is_what_the_page_needs(tmp_path: Path) -> None:
    result = deploy(SPACE, "--dry-run", tmp_path / "space", "--zerogpu")
    assert result.exit_code == 0, result.output
    assert f"nothing was uploaded to {SPACE}" in result.stderr
    names = {path.relative_to(tmp_path / "space").as_posix() for path in (tmp_path / "space").rglob("*")}
    top = {name for name in names if "/" not in name}
    assert top == {*product_files.PARTS, "docs", "pre-requirements.txt"}
    assert {"assets/models/tgem-mini/tgem.safetensors", front_matter()["app_file"], "docs/results/test.json"} <= names
    assert not [name for name in names if name.endswith((".pyc", ".md", ".png")) and name.startswith("docs/")]
    assert "torch>=2.8" in (tmp_path / "space" / "pre-requirements.txt").read_text("utf-8")
    assert "is not an empty folder" in sentence(deploy(SPACE, "--dry-run", tmp_path / "space"))


@pytest.mark.usefixtures("small")
def test_a_space_is_made_and_brought_up_to_date_in_one_commit_each(hub: Hub, small: Path) -> None:
    hub.large = 4000
    result = deploy(SPACE, "--private")
    assert result.exit_code == 0, result.output
    assert result.stdout.strip() == f"{hub.address}/spaces/{SPACE}"
    made = hub.made[f"spaces/{SPACE}"]
    assert (made["type"], made["sdk"], made["visibility"]) == ("space", "gradio", "private")
    ((_, files),) = hub.commits[f"spaces/{SPACE}"]
    assert sorted(files) == SMALL
    assert files["assets/model.safetensors"] == b"w" * 5000, "it went to the storage of large files"
    assert len(hub.blobs) == 1

    (small / "assets" / "model.safetensors").unlink()
    (small / "LICENSE").write_text("new")
    assert deploy(SPACE, "--zerogpu").exit_code == 0
    assert len(hub.commits[f"spaces/{SPACE}"]) == 2
    assert sorted(hub.commits[f"spaces/{SPACE}"][-1][1]) == sorted(
        {*SMALL, "LICENSE", "pre-requirements.txt"} - {"assets/model.safetensors"}
    )


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("name", ["app.py", "Dockerfile", "src/main.py", "index.html"])
def test_a_space_of_another_app_is_left_alone(hub: Hub, name: str) -> None:
    hub.made[f"spaces/{SPACE}"] = {}
    hub.commit(f"spaces/{SPACE}", {"README.md": b"theirs", name: b"theirs"})
    assert "holds another app" in sentence(deploy(SPACE))
    assert len(hub.commits[f"spaces/{SPACE}"]) == 1


@pytest.mark.usefixtures("small")
def test_a_space_that_was_just_made_is_filled(hub: Hub) -> None:
    hub.made[f"spaces/{SPACE}"] = {}
    hub.commit(f"spaces/{SPACE}", {"README.md": b"", ".gitattributes": b""})
    assert deploy(SPACE).exit_code == 0
    assert "app.py" in hub.commits[f"spaces/{SPACE}"][-1][1]


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(("words", "hardware"), [((), None), (("--zerogpu",), "zero-a10g")])
def test_a_new_space_asks_for_the_hardware_that_it_is_for(hub: Hub, words: tuple[str, ...], hardware: str) -> None:
    assert deploy(SPACE, *words).exit_code == 0
    assert hub.made[f"spaces/{SPACE}"].get("hardware") == hardware


@pytest.mark.usefixtures("small")
def test_what_goes_wrong_is_a_sentence_and_no_half_commit(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda seconds: None)  # before it is tried again
    for name in ("photos", "lab/a b", "lab/photos/more"):
        assert "is not a name of a Hub repository" in sentence(deploy(name))
    hub.large, hub.hangs_up = 4000, True
    assert "broke off and nothing was changed" in sentence(deploy(SPACE))
    assert not hub.commits[f"spaces/{SPACE}"]
    hub.hangs_up = False
    for token in ("hf_wrong", ""):
        monkeypatch.setenv("HF_TOKEN", token)
        said = sentence(deploy("lab/another"))
        assert "HF_TOKEN" in said
        assert "hf auth login" in said
    monkeypatch.setenv("HF_TOKEN", "hf_right")
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:9")  # where nobody listens
    assert "The Hub does not answer" in sentence(deploy(SPACE))


@pytest.mark.slow
def test_the_folder_of_a_dry_run_serves_and_serves_again_on_an_empty_disk(tmp_path: Path, home: Path) -> None:
    folder = tmp_path / "space"
    assert deploy(SPACE, "--dry-run", folder).exit_code == 0
    space = {"SPACE_ID": SPACE, "SYSTEM": "spaces", "GRADIO_SERVER_NAME": "127.0.0.1"}
    alone = {"PYTHONPATH": "", "PYTHONDONTWRITEBYTECODE": "1"}
    for _ in range(2):
        with ready_page(folder, home, front_matter()["app_file"], **space, **alone) as address:
            hits = Client(address, verbose=False).predict("a dog", k=3, api_name="/search")
            assert [hit["rank"] for hit in hits] == [1, 2, 3]
        shutil.rmtree(home)
