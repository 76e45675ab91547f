"""Ingest: untrusted files are found, decoded in a sandbox, and encoded batch by batch."""
