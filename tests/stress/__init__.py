"""What takes long to show: each module is run as `python -m tests.stress.NAME` and writes its figures.

The figures stand in docs/results/robustness.json, and docs/results/robustness.md is made of them.
"""
