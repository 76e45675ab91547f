from typing import Any

import numpy as np
import pytest
import torch

from engine.evaluation.baselines import BUDGETED
from engine.evaluation.captioned_set import CaptionedSet, OtherInput
from engine.evaluation.evaluate import MIN_GAINS, POLICIES, TOP_M, differences, first_rankings, rows_of
from engine.exits.budget import BUDGET_GRID
from engine.exits.checkpoint import FittedExits
from engine.exits.encoder import Encoder
from engine.search.allocation import MIN_GAIN
from engine.training.features import Features
from engine.training.rivals import Rivals
from tests import tiny_models

MANY = 30


def features_of(encoder: Encoder, seed: int = 0) -> Features:
    """Photos whose texts are their own embeddings at full depth."""
    trace = encoder.trace(tiny_models.pixels(MANY, encoder.backbone.size, seed))
    vectors = torch.stack(trace.vectors, 1)
    return Features(trace.pooled, vectors, vectors[:, -1], torch.arange(MANY))


@pytest.fixture(scope="module")
def case() -> CaptionedSet:
    encoder = tiny_models.encoder()
    fitted = FittedExits(encoder.modules, encoder.plans, encoder.calibrations)
    rivals = Rivals(gates={"seed-2": fitted, "no-captions": fitted})
    return CaptionedSet(encoder, features_of(encoder), features_of(encoder, seed=5), rivals)


Table = list[dict[str, Any]]


@pytest.fixture(scope="module")
def table(case: CaptionedSet) -> Table:
    return rows_of(case, POLICIES)


def of(table: Table, policy: str) -> Table:
    return [row for row in table if row["policy"] == policy]


def test_every_policy_has_its_rows(case: CaptionedSet, table: Table) -> None:
    settings = {row["policy"]: [r["setting"] for r in of(table, row["policy"])] for row in table}
    assert settings["full"] == [case.encoder.exits]
    assert settings["exit"] == list(range(1, case.encoder.exits))
    assert settings["random"] == list(BUDGET_GRID)
    assert settings["tgem"] == [*BUDGET_GRID, *BUDGET_GRID]  # its own and another seed's
    assert settings["ablation:no-captions"] == list(BUDGET_GRID)
    for rule in BUDGETED:
        assert settings[rule] == list(BUDGET_GRID)


def test_texts_that_are_the_photos_own_embeddings_are_found_at_full_depth(table: Table) -> None:
    (full,) = of(table, "full")
    assert full["macs_share"] == 1
    assert full["t2i"]["r1"] == 100


def test_random_exits_cost_what_the_gates_cost(table: Table) -> None:
    for gates, blind in zip(of(table, "tgem"), of(table, "random"), strict=False):
        assert gates["macs_share"] == blind["macs_share"]


def test_rivals_and_the_oracle_keep_to_the_budget_where_they_can(case: CaptionedSet, table: Table) -> None:
    cheapest = min(case.encoder.forced_macs) / case.encoder.full_macs
    for policy in ("oracle",):
        for row in of(table, policy):
            assert row["macs_share"] <= max(row["setting"], cheapest) + 1e-3


def test_running_all_that_a_query_ranks_gives_the_full_ranking(case: CaptionedSet, table: Table) -> None:
    (full,) = of(table, "full")
    for row in of(table, "exit+topm"):
        if row["m"] >= MANY:
            assert row["overlap10"] == row["ndcg10"] == 1
            assert row["t2i"] == full["t2i"]
            assert row["deepened_per_query"] == MANY


def test_more_looks_agree_better_with_full_depth(table: Table) -> None:
    rows = [row for row in of(table, "exit+topm") if row["setting"] == 1]
    assert [row["m"] for row in rows] == list(TOP_M)
    agreement = [row["overlap10"] for row in rows]
    assert agreement[-1] > agreement[0]


def test_the_less_a_look_must_be_worth_the_more_is_spent(table: Table) -> None:
    rows = of(table, "tgem+deepen")
    assert rows
    for setting in {row["setting"] for row in rows}:
        mine = [row for row in rows if row["setting"] == setting and "seed" not in row]
        assert [row["worth"] for row in mine] == list(MIN_GAINS)
        spent = [row["macs_per_query"] for row in mine]
        assert spent == sorted(spent)


def test_a_ranking_alone_deepens_as_many(table: Table) -> None:
    at = {row["setting"]: row for row in of(table, "tgem+deepen") if row["worth"] == MIN_GAIN and "seed" not in row}
    alone = [row for row in of(table, "ablation:rank-only") if "m" not in row]
    assert alone
    for row in alone:
        assert row["deepened_per_query"] <= round(at[row["setting"]]["deepened_per_query"])


def test_only_the_policies_asked_for_are_measured(case: CaptionedSet) -> None:
    assert {row["policy"] for row in rows_of(case, ("full", "tgem"))} == {"full", "tgem"}


def test_t_gem_is_compared_with_its_rivals_at_the_same_cost() -> None:
    encoder = tiny_models.encoder("efficientnet", opens=((0,),))
    features = features_of(encoder)
    case = CaptionedSet(encoder, features, features)
    share = case.shares[0]
    case.__dict__["smaller_inputs"] = [OtherInput(32, share, case.full)]  # a rival as good as full depth
    rows = differences(case)
    found = case.hits(case.texts @ case.full.T).mean() * 100
    for row in rows:
        first = first_rankings(case, row["budget"])
        assert row["macs_share"] == pytest.approx(first.dealt.macs_share, abs=1e-4)
        if len(np.unique(first.dealt.exits)) == 1:
            assert row["random"] == {"r10": 0, "error": 0}, "there is nothing to deal"
        if "small-input" in row:
            assert row["small-input"]["r10"] == pytest.approx(first.hits.mean() * 100 - found, abs=0.01)
    assert any("small-input" in row for row in rows)
