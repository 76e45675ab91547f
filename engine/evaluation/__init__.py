"""Retrieval quality, speed and cost, measured."""
