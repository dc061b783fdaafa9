"""Tests of the viewer and of the command line."""
