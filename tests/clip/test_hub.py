"""Exit weights to and from a Hub, through huggingface_hub and over HTTP, with a stand-in for the Hub itself."""

import errno
import json
import time
from dataclasses import replace
from pathlib import Path

import huggingface_hub.constants
import pytest
from typer.testing import CliRunner, Result

from engine import cli as command_line
from engine.clip.factory import load_model
from engine.clip.hub import HubMissing, HubUnreachable, fetch_exits
from engine.exits.budget import BUDGET_GRID
from engine.exits.checkpoint import save_exits, unfitted
from engine.exits.loading import load_encoder
from engine.exits.modules import ExitModules
from engine.utils.errors import ModelUnreadable
from tests import tiny_models
from tests.hubserver import Hub
from tests.tiny_models import model_files

MODEL, EXITS = "lab/tiny-clip", "lab/tiny-exits"


@pytest.fixture
def hub(hub: Hub) -> Hub:
    """A Hub that knows one small model."""
    hub.commit(MODEL, model_files())
    return hub


def fit(name: str, price: float = 1.0) -> Path:
    """Exits for a model, where `fit` would have written them."""
    loaded = load_model(name)
    modules = ExitModules(tiny_models.exits_of(loaded.backbone, 2), loaded.backbone.dim)
    fitted = replace(unfitted(modules), log_prices=(price,) * len(BUDGET_GRID))
    save_exits(loaded.folder, fitted, loaded.weights, loaded.name)
    return loaded.folder


def run(*words: str) -> Result:
    return CliRunner().invoke(command_line.cli, list(words))


def refusal(*words: str) -> str:
    """What a command says that refuses."""
    refused = run(*words)
    assert refused.exit_code == 2
    return refused.stderr


def forget(folder: Path) -> None:
    for file in folder.iterdir():
        file.unlink()


def test_exits_go_to_the_hub_with_a_card_and_come_back_pinned(hub: Hub) -> None:
    folder = fit(f"hf-hub:{MODEL}")
    pushed = run("push", EXITS, "--model", f"hf-hub:{MODEL}")
    assert pushed.exit_code == 0, pushed.output
    commit, files = hub.commits[EXITS][-1]
    assert pushed.stdout.strip() == f"{EXITS}@{commit}"
    assert sorted(files) == ["README.md", "tgem.json", "tgem.safetensors"]
    card = files["README.md"].decode()
    assert card.startswith("---\nlibrary_name: open_clip\n")
    assert f"# Exit modules for {MODEL}" in card
    assert "| 1 | `blocks.0` |" in card
    assert load_model(f"hf-hub:{MODEL}").weights in card

    forget(folder)
    assert load_encoder(f"hf-hub:{MODEL}").exits == 1
    pulled = run("pull", EXITS, "--model", f"hf-hub:{MODEL}")
    assert pulled.exit_code == 0, pulled.output
    assert json.loads((folder / "source.json").read_text()) == {"repo": EXITS, "commit": commit}
    assert load_encoder(f"hf-hub:{MODEL}").exits > 1
    assert (folder / "tgem.safetensors").read_bytes() == files["tgem.safetensors"]


def test_a_model_that_has_exits_in_its_own_repository_brings_them(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = fit(f"hf-hub:{MODEL}")
    own = {name: (folder / name).read_bytes() for name in ("tgem.json", "tgem.safetensors")}
    forget(folder)
    first = hub.commit(MODEL, own)
    found = load_encoder(f"hf-hub:{MODEL}")
    assert found.exits > 1
    assert json.loads((folder / "source.json").read_text())["commit"] == first

    fit(f"hf-hub:{MODEL}", price=2.0)
    newer = {name: (folder / name).read_bytes() for name in own}
    forget(folder)
    for name, data in own.items():
        (folder / name).write_bytes(data)
    (folder / "source.json").write_text(json.dumps({"repo": MODEL, "commit": first}))
    second = hub.commit(MODEL, newer)
    assert load_encoder(f"hf-hub:{MODEL}").identity == found.identity, "a gallery stays with the commit it was made of"
    assert run("pull", f"{MODEL}@{second}", "--model", f"hf-hub:{MODEL}").exit_code == 0
    assert load_encoder(f"hf-hub:{MODEL}").identity.exits_hash != found.identity.exits_hash

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    asked = len(hub.requests)
    assert load_encoder(f"hf-hub:{MODEL}").exits > 1
    assert len(hub.requests) == asked


def test_exits_that_cannot_be_kept_say_where(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = fit(f"hf-hub:{MODEL}")
    hub.commit(EXITS, {name: (folder / name).read_bytes() for name in ("tgem.json", "tgem.safetensors")})
    forget(folder)

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("engine.exits.checkpoint.write_whole", refuse)
    said = " ".join(refusal("pull", EXITS, "--model", f"hf-hub:{MODEL}").split())
    assert f"The exit weights of {EXITS} cannot be kept in {folder}" in said
    assert "make room there" in said


def test_a_damaged_description_of_a_model_is_a_sentence(hub: Hub) -> None:
    hub.commit(MODEL, {**model_files(), "open_clip_config.json": b"{"})
    with pytest.raises(ModelUnreadable, match=r"open_clip_config\.json cannot be read"):
        load_model(f"hf-hub:{MODEL}")


def test_offline_a_model_without_exits_runs_without_and_says_so(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    load_model(f"hf-hub:{MODEL}")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert load_encoder(f"hf-hub:{MODEL}").exits == 1
    assert "HF_HUB_OFFLINE is set" in caplog.text
    assert "once the Hub gives them" in caplog.text
    with pytest.raises(HubUnreachable, match="HF_HUB_OFFLINE is set"):
        fetch_exits(EXITS)
    fit(f"hf-hub:{MODEL}")
    assert "HF_HUB_OFFLINE is set" in refusal("push", EXITS, "--model", f"hf-hub:{MODEL}")


def test_no_network_is_one_sentence(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    fit(f"hf-hub:{MODEL}")
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:9")  # where nobody listens
    monkeypatch.setattr(time, "sleep", lambda seconds: None)  # before it is tried again
    assert "The Hub does not answer" in refusal("push", EXITS, "--model", f"hf-hub:{MODEL}")
    template = "http://127.0.0.1:9/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    with pytest.raises(HubUnreachable, match="the Hub does not answer"):
        fetch_exits("lab/elsewhere")


def test_a_hub_that_stops_in_the_middle_of_a_file_is_one_sentence(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = fit(f"hf-hub:{MODEL}")
    hub.commit(EXITS, {name: (folder / name).read_bytes() for name in ("tgem.json", "tgem.safetensors")})
    forget(folder)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DOWNLOAD_TIMEOUT", 0.3)
    monkeypatch.setattr(time, "sleep", lambda seconds: None)  # before it is tried again
    hub.stalls = "tgem.safetensors"
    said = refusal("pull", EXITS, "--model", f"hf-hub:{MODEL}")
    assert "tgem.safetensors of lab/tiny-exits could not be fetched: the Hub does not answer." in said
    assert "Traceback" not in said
    assert list(folder.iterdir()) == [], "nothing is half written"
    hub.stalls = ""
    assert run("pull", EXITS, "--model", f"hf-hub:{MODEL}").exit_code == 0


def test_exits_of_another_model_and_damaged_ones_are_refused(hub: Hub) -> None:
    hub.commit("lab/other-clip", model_files(seed=1))
    foreign = fit("hf-hub:lab/other-clip")
    files = {name: (foreign / name).read_bytes() for name in ("tgem.json", "tgem.safetensors")}
    described = json.loads(files["tgem.json"])
    described["weights"] = load_model(f"hf-hub:{MODEL}").weights
    described["exits"][0]["seen"] += 1
    cases = {
        "lab/foreign": files,
        "lab/cut": {**files, "tgem.safetensors": files["tgem.safetensors"][:-10]},
        "lab/shape": {**files, "tgem.json": json.dumps(described).encode()},
    }
    for repo, stored in cases.items():
        hub.commit(repo, stored)
        said = refusal("pull", repo, "--model", f"hf-hub:{MODEL}")
        assert f"The exit weights in the Hub repository {repo}" in said
    assert load_encoder(f"hf-hub:{MODEL}").exits == 1, "nothing was kept"


@pytest.mark.parametrize("status", [401, 403])
def test_what_the_hub_refuses_is_not_said_to_be_missing(hub: Hub, status: int) -> None:
    hub.commit(EXITS, {"README.md": b""})
    load_model(f"hf-hub:{MODEL}")
    hub.refuses[EXITS] = status
    said = refusal("pull", EXITS, "--model", f"hf-hub:{MODEL}")
    assert f"No access ({status}) for tgem.json of the Hub repository {EXITS}" in said
    assert "HF_TOKEN" in said


def test_a_model_that_is_kept_runs_when_its_repository_is_not_to_be_read_any_more(
    hub: Hub, caplog: pytest.LogCaptureFixture
) -> None:
    load_model(f"hf-hub:{MODEL}")
    hub.refuses[MODEL] = 403
    assert load_encoder(f"hf-hub:{MODEL}").exits == 1
    assert "No access (403)" in caplog.text


@pytest.mark.parametrize("place", ["lab/nowhere", f"{MODEL}@v9"])
def test_no_such_repository_and_no_such_revision_are_said(hub: Hub, place: str) -> None:
    said = refusal("pull", place, "--model", f"hf-hub:{MODEL}")
    repo, _, revision = place.partition("@")
    assert repo in said
    assert (f"has no revision {revision}" if revision else "Nothing there (404)") in said


def test_what_is_not_there_is_one_sentence(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.commit("lab/half", {"tgem.json": b"{}"})
    hub.commit("lab/pickle", {"open_clip_config.json": model_files()["open_clip_config.json"], "model.bin": b""})
    assert "it has no tgem.json" in run("pull", MODEL, "--model", f"hf-hub:{MODEL}").stderr
    with pytest.raises(HubMissing, match=r"404.* for tgem\.safetensors"):
        fetch_exits("lab/half")
    with pytest.raises(HubMissing, match=r"404.*lab/nowhere"):
        load_model("hf-hub:lab/nowhere")
    with pytest.raises(ModelUnreadable, match="only safetensors are read"):
        load_model("hf-hub:lab/pickle")
    assert "has no exit weights yet" in run("push", EXITS, "--model", f"hf-hub:{MODEL}").stderr
    fit(f"hf-hub:{MODEL}")
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    said = refusal("push", EXITS, "--model", f"hf-hub:{MODEL}")
    assert "No access (401)" in said
    assert "HF_TOKEN" in said
