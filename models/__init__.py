"""Everything that turns pixels into bytes and back, and what judges it."""
