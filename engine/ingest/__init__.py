"""From untrusted bytes to stored photos."""
