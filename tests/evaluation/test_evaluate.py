import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.evaluation import Row, evaluate, single_towers
from engine.evaluation.evaluate import (
    LOOKED_AT,
    MIN_GAINS,
    POLICIES,
    TOP_M,
    Case,
    differences,
    lines_of,
    new_labels,
    rows_of,
    sets_of,
)
from engine.evaluation.photo_set import Outcome, PhotoSet
from engine.exits.budget import BUDGET_GRID
from engine.exits.encoder import Encoder
from engine.ingest.image import ImageRejected
from engine.search.refine import spending_limit
from engine.training.dataset import DataMissing, Example
from engine.training.features import Features
from engine.training.rivals import with_random_bank
from engine.utils.errors import EngineError
from tests import tiny_models

MANY, LABELS = 30, 4


def features_of(encoder: Encoder) -> Features:
    """Photos whose texts are their own embeddings at full depth."""
    trace = encoder.trace(tiny_models.pixels(MANY, encoder.backbone.size))
    vectors = torch.stack(trace.vectors, 1)
    return Features(trace.seen, vectors, vectors[:, -1], torch.arange(MANY))


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return tiny_models.encoder("efficientnet", sizes=(32,), every=2, joined=True)


@pytest.fixture(scope="module")
def case(encoder: Encoder, tmp_path_factory: pytest.TempPathFactory) -> Case:
    """Photos that are their own captions."""
    files = tiny_models.save_pictures(tmp_path_factory.mktemp("photos"), MANY, encoder.backbone.size)
    examples = [Example(file, ("a dog",), "test") for file in files]
    rivals = dict.fromkeys(("seed-2", "no-text-1", "random-bank-1"), encoder.fitted)
    found = Case("tiny", PhotoSet(encoder, features_of(encoder), ["a dog"] * MANY), examples, rivals)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(single_towers, "SIZES", (48, 64))
        assert found.alone
    return found


@pytest.fixture(scope="module")
def labelled(encoder: Encoder) -> PhotoSet:
    """Photos whose labels are those that full depth says."""
    texts = torch.nn.functional.normalize(torch.randn(LABELS, encoder.dim), dim=1)
    features = features_of(encoder).described_by(texts, torch.arange(LABELS))
    said = (features.vectors[:, -1] @ texts.T).argmax(1).numpy()
    return PhotoSet(encoder, features, [f"label {n}" for n in range(LABELS)], said)


@pytest.fixture(scope="module")
def table(case: Case) -> list[Row]:
    return rows_of(case, POLICIES)


def of(table: list[Row], policy: str) -> list[Row]:
    return [row for row in table if row["policy"] == policy]


def test_every_policy_has_its_rows(case: Case, table: list[Row]) -> None:
    exits, grid = case.photos.encoder.exits, list(BUDGET_GRID)
    settings = {row["policy"]: [r["setting"] for r in of(table, row["policy"])] for row in table}
    assert "single-cheapest" not in settings, "no tower alone finds what the ladder finds"
    assert settings == {
        "full": [exits],
        "exit": list(range(1, exits)),
        "small-input": [48],
        "single": [32, 64],
        **dict.fromkeys(("random", "confidence", "oracle", "oracle-drift"), grid),
        "patience": list(range(1, exits - 1)),
        "tgem": grid * 2,  # its own and another seed's
        "tgem+deepen": [budget for budget in LOOKED_AT for _ in MIN_GAINS],
        "exit+topm": [k for k in range(1, exits) for _ in TOP_M],
        "ablation:no-text": grid,
        "ablation:random-bank": grid,
    }
    assert [row["seed"] for row in of(table, "tgem")] == [None] * len(grid) + [2] * len(grid)
    json.dumps(table, allow_nan=False)


def test_full_depth_is_what_fidelity_is_measured_against(case: Case, table: list[Row]) -> None:
    (full,) = of(table, "full")
    assert (full["macs_share"], full["max_macs_share"]) == (1, 1)
    assert full["gmacs"] == pytest.approx(case.photos.encoder.full_macs / 1e9, abs=1e-4)
    assert full["fidelity"] == {"label": 100, "top10": 100, "error": 0}
    assert (full["t2i"]["r1"], full["t2i"]["error"]) == (100, 0), "texts are the photos' own embeddings there"
    early = of(table, "exit")[0]
    assert early["fidelity"]["top10"] < 100
    assert early["t2i"]["error"] > 0


def test_costs_are_those_of_the_exits(case: Case, table: list[Row]) -> None:
    shares = case.photos.shares
    assert [row["macs_share"] for row in of(table, "exit")] == pytest.approx(shares[:-1], abs=1e-4)
    for gates, blind in zip(of(table, "tgem"), of(table, "random"), strict=False):
        left = np.array(gates["exits"])
        assert left.sum() == MANY
        assert gates["macs_share"] == blind["macs_share"] == pytest.approx((left * shares).sum() / MANY, abs=1e-4)
        assert gates["max_macs_share"] == pytest.approx(shares[np.flatnonzero(left).max()], abs=1e-4)
    for policy in ("confidence", "oracle", "oracle-drift"):
        for row in of(table, policy):
            assert row["macs_share"] <= max(row["setting"], shares[0]) + 1e-3


def test_gates_are_set_beside_chance_and_the_best_for_what_they_cost(five: PhotoSet, dealt: None) -> None:
    first, whole = differences(five)  # the gates choose the same exits at all budgets between

    def cells(r10: tuple[float, float], label: tuple[float, float], top10: tuple[float, float]) -> Row:
        found = {"r10": r10, "label": label, "top10": top10}
        return {name: {"more": more, "error": error} for name, (more, error) in found.items()}

    # Five of seven captions are found, all by chance and by the oracle, at exits [0, 0, 2, 1, 0] and [0, 1, 2, 0, 0].
    assert first == {
        "budget": 0.2,
        "macs_share": 0.42,
        "random": cells((-28.57, 22.11), (0, 31.62), (7.14, 8.33)),
        "oracle-drift": cells((-28.57, 22.11), (-20, 20), (-14.29, 11.05)),
        "gain": cells((0, 0), (20, 20), (21.43, 10.93)),
    }
    assert whole["budget"] == whole["macs_share"] == 1
    rows = [row for row in rows_of(Case("five", five), ("random", "tgem")) if row["setting"] == 0.6]
    assert [row["t2i"]["r1"] for row in rows] == [57.14, 42.86]


def test_gates_of_a_random_bank_read_that_bank(case: Case, table: list[Row]) -> None:
    photos = case.photos
    exits = with_random_bank(photos.encoder).decide(photos.features.trace).numpy()
    found = [row["macs_share"] for row in of(table, "ablation:random-bank")]
    assert found == pytest.approx(photos.shares[exits].mean(0), abs=1e-4)
    assert found != [row["macs_share"] for row in of(table, "ablation:no-text")], "the same gates by the real bank"


def test_a_tower_alone_is_the_model_on_the_smaller_photo(case: Case) -> None:
    encoder = case.photos.encoder
    _, small, whole = case.alone
    assert [(a.size, a.policy) for a in (small, whole)] == [(32, "single"), (64, "single")]
    assert small.macs_share < whole.macs_share < 1
    bank = len(tiny_models.BANK) * tiny_models.DIM
    assert whole.macs_share * encoder.full_macs == pytest.approx(sum(encoder.backbone.stage_macs) + bank)
    pixels = encoder.backbone.normalise(torch.from_numpy(tiny_models.pixels(MANY, 64)))
    with torch.inference_mode():
        own = encoder.backbone.model.encode_image(pixels, normalize=True).numpy()
    assert np.allclose(whole.vectors, own, atol=1e-5)
    said = case.photos.features.seen[0][:, : encoder.dim]
    assert np.allclose(small.vectors, torch.nn.functional.normalize(said, dim=1), atol=1e-4)


def test_the_less_a_look_must_gain_the_more_is_spent_within_a_searchs_limit(table: list[Row]) -> None:
    for budget in LOOKED_AT:
        rows = [row for row in of(table, "tgem+deepen") if row["setting"] == budget]
        assert [row["min_gain"] for row in rows] == list(MIN_GAINS)
        spent = [row["macs_per_query"] for row in rows]
        assert spent == sorted(spent)
        assert spent[-1] <= spending_limit(MANY)


def test_labels_are_told_among_the_labels_of_the_set(labelled: PhotoSet) -> None:
    rows = rows_of(Case("labels", labelled), [name for name in POLICIES if name not in ("small-input", "single")])
    (full,), exits = of(rows, "full"), of(rows, "exit")
    assert full["top1"] == {"right": 100, "error": 0}
    for row in exits:  # full depth is right throughout, so to be right is to be its like
        assert row["top1"] == {"right": row["fidelity"]["label"], "error": row["fidelity"]["error"]}
    assert min(row["top1"]["right"] for row in exits) < 100
    assert "label found" in lines_of(rows)[0]
    assert set(differences(labelled)[0]["random"]) == {"right", "label", "top10"}


def test_labels_that_are_classes_of_imagenet_are_not_new(labelled: PhotoSet) -> None:
    texts = ["a photo of a tench", "a photo of a Tinca tinca", "a photo of a thing", "a photo of a toy"]
    assert labelled.labels is not None
    own = np.isin(labelled.labels, (2, 3))
    found = new_labels(replace(labelled, texts=texts))
    assert own.any()
    assert found == {"labels": len(set(labelled.labels[own])), "photos": own.sum(), "right": 100, "error": 0}
    assert new_labels(replace(labelled, texts=texts[:1] * LABELS)) is None


def test_outcomes_are_averaged_item_by_item() -> None:
    ones, zeros = (Outcome(np.full((2, 3), v), np.full(4, v), np.full(5, v)) for v in (1, 0))
    mean = Outcome.mean([ones, zeros])
    assert [array.shape for array in vars(mean).values()] == [(2, 3), (4,), (5,)]
    assert all((array == 0.5).all() for array in vars(mean).values())


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoder: Encoder) -> Path:
    """Captioned and labelled photos in one folder; a model to measure on them."""
    folder = tmp_path / "mixed"
    rows = []
    for i, file in enumerate(tiny_models.save_pictures(folder / "images", 40, 64)):
        about = (
            {"kind": "label", "label": ("thing", "toy", "Tench")[i % 3]} if i < 12 else {"kind": "caption", "label": ""}
        )
        split = "test" if i < 30 else "few"
        rows.append({"file": file.name, "captions": [f"photo {i}"], "split": split} | about)
    (folder / "captions.jsonl").write_text("\n".join(map(json.dumps, rows)))
    monkeypatch.setattr(evaluate, "load_encoder", lambda model: encoder)
    return folder


def test_a_folder_of_both_kinds_gives_two_sets(data: Path) -> None:
    said: list[str] = []
    found = evaluate.evaluate([data], wanted=("full", "tgem", "random", "ablation"), say=said.append)["sets"]
    policies = ("full", "random", "tgem", "ablation")
    assert [line for line in said if "photos" not in line] == [
        *(f"mixed: {name}" for name in policies),
        *(f"mixed labels: {name}" for name in policies),
    ]
    assert [(t["data"], t["images"], t["captions"], t["split"]) for t in found] == [
        ("mixed", 18, 18, "test"),
        ("mixed labels", 12, 0, "test"),
    ]
    assert "t2i" in found[0]["rows"][0]
    assert "top1" in found[1]["rows"][0]
    assert [row["precision"] for row in found] == ["float32"] * 2
    assert [row["new_labels"] and row["new_labels"]["photos"] for row in found] == [None, 8]
    json.dumps(found, allow_nan=False)


def test_sets_of_one_name_are_told_apart_and_one_that_comes_twice_is_refused(data: Path, tmp_path: Path) -> None:
    for other in ("a", "b"):
        shutil.copytree(data / "images", tmp_path / other / "images")
    found = evaluate.evaluate([tmp_path / other / "images" for other in ("a", "b")])
    assert [table["data"] for table in found["sets"]] == ["a/images", "b/images"]
    said: list[str] = []
    with pytest.raises(EngineError, match="named twice"):
        evaluate.evaluate([data, data / ".." / data.name], say=said.append)
    assert said == []


def test_photos_without_captions_are_counted_at_their_exits_and_what_is_no_photo_is_said(data: Path) -> None:
    (data / "images" / "broken.jpg").write_text("none")
    said: list[str] = []
    found = evaluate.evaluate([data / "images"], say=said.append)
    assert (found["data"], found["images"]) == ("images", 40)
    assert [row["setting"] for row in found["rows"]] == list(BUDGET_GRID)
    for row in found["rows"]:
        assert set(row) == {"policy", "setting", "exits", "macs_share"}
        assert sum(row["exits"]) == 40
    assert f"skipping {data / 'images' / 'broken.jpg'}: not a picture (it is text)" in said


def test_a_folder_of_files_that_are_no_photos_is_refused(data: Path, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "broken.jpg").write_text("none")
    with pytest.raises(ImageRejected, match=r"broken\.jpg was left out: not a picture"):
        evaluate.evaluate([tmp_path / "none"])


def test_a_captioned_photo_that_cannot_be_read_is_named_with_what_to_do(data: Path) -> None:
    file = data / "images" / "20.png"
    file.write_text("none")
    with pytest.raises(
        DataMissing, match=rf"{file.name} cannot be read \(not a picture .*\); mend it, or take its row"
    ):
        evaluate.evaluate([data])


def test_too_few_photos_of_a_kind_are_left_out(data: Path) -> None:
    said: list[str] = []
    assert [name for name, _ in sets_of(data, "test", said.append, "mixed")] == ["mixed", "mixed labels"]
    assert said == []
    rows = [json.loads(line) for line in (data / "captions.jsonl").read_text().splitlines()]
    (data / "captions.jsonl").write_text("\n".join(json.dumps(row) for row in rows[:15]))
    assert [name for name, _ in sets_of(data, "test", said.append, "mixed")] == ["mixed labels"]
    assert said == ["mixed: 3 photos in the split 'test' are too few, and left out"]
    said.clear()
    bare = [row | {"captions": []} for row in rows[12:14]]
    (data / "captions.jsonl").write_text("\n".join(json.dumps(row) for row in [*bare, *rows[14:]]))
    assert [(name, len(examples)) for name, examples in sets_of(data, "test", said.append, "mixed")] == [("mixed", 16)]
    assert said == ["mixed: 2 photos in the split 'test' have no captions, and are left out"]
    with pytest.raises(DataMissing, match="no photos in the split 'nothing'"):
        list(sets_of(data, "nothing", said.append, "mixed"))
    few = [row for row in rows if row["kind"] == "label"][:3] + [row for row in rows if row["kind"] != "label"][:3]
    (data / "captions.jsonl").write_text("\n".join(json.dumps(row) for row in few))
    with pytest.raises(DataMissing, match="nothing to measure"):
        evaluate.evaluate([data])
