"""Uploads, from the files that a page sends to photos in a gallery."""
