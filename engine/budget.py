"""The one knob: the mean share of the full encoder's MACs that a person asks for."""

BUDGET_GRID = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1.0)  # a price and gate values are kept for each
DEFAULT_BUDGET = 0.75
