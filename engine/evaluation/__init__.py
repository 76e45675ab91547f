"""Measures recall against compute, and speed."""
