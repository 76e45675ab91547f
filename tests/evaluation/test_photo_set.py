from engine.evaluation.photo_set import PhotoSet


def test_a_row_says_what_an_index_costs_and_finds(five: PhotoSet) -> None:
    exits = five.everyone_at(0)
    # Two of seven captions find their photo first, five on the page. Errors are by photo: the third's three captions
    # miss two. The best text of the first and the last photo is full depth's, as are 11 of the 14 places on pages.
    assert five.row("exit", 1, five.at(exits), five.shares[exits]) == {
        "policy": "exit",
        "setting": 1,
        "seed": None,
        "macs_share": 0.2,
        "max_macs_share": 0.2,
        "gmacs": 0.2,
        "t2i": {"r1": 28.57, "r10": 71.43, "error": 22.11},
        "fidelity": {"label": 40, "top10": 78.57, "error": 24.49},
    }


def test_embeddings_of_another_tower_are_scored_as_full_depths_are(five: PhotoSet) -> None:
    # By its cosine alone the second photo would be first for its own caption: more texts fit it than the first.
    assert five.of(five.vectors[:, -1]).found[:, 0].tolist() == [True, False, True, True, True, True, True]
