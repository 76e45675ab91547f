"""Rows in the database and files beside it."""
