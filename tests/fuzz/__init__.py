"""Mutations of valid files, and what must become of them."""
