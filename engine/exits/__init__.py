"""The method: an image encoder that stops early for each photo, as Text-Guided Exit Modules (T-GEMs) decide.

Idea: the abstract of T-GEMs (Presta, Stefanski, Byra, Arendt; arXiv 2605.17499). Read in this order:

1. `text_bank`: guide texts; what an embedding at an exit says, as a distribution over them.
2. `modules`: a readout (features to embedding) and a gate (leave or go on, at a price of compute) for each exit.
3. `budget`, `ladder`: a budget is a price and a choice of exits; what each way through the encoder costs in MACs.
4. `encoder`: runs a batch pass by pass and takes out the rows that leave; `runner` and `batch` do the work.
5. `calibration`, `query_gate`, `scorer`: what an early embedding tells a query of the photo at full depth.
"""
