"""The method: an image encoder that stops early for each photo, as Text-Guided Exit Modules (T-GEMs) decide.

An independent implementation of the idea in the abstract of T-GEMs: Text-Guided Exit Modules for Decreasing CLIP Image
Encoder (Presta, Stefanski, Byra, Arendt; arXiv 2605.17499). Read in this order:

1. `text_bank`: one fixed list of texts, and how they fit an embedding at an exit.
2. `modules`, `gate`: for each exit a readout (features to embedding) and a gate (leave, or go on at a price).
3. `ladder`, `budget`: the passes and what they cost in MACs; the price that meets a budget.
4. `encoder`: runs a batch pass by pass and takes out the rows that leave; `runner` and `batch` do the work.
5. `phrases`, `phrase_gate`: gates that go by what people will look for, where that is known.
6. `calibration`, `scorer`: what an early embedding tells a query of the photo at full depth; `looks`: where to go on.

Of the others `loading` makes an encoder, `checkpoint` keeps exit weights, `certificate` says what they gave and
`model_card` what they are, `naming` finds the texts of the bank that name what is asked for, and `feature_map` is what
a photo goes on from.
"""
