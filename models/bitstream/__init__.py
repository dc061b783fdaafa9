"""The .hflic file and its exact entropy decoding."""
