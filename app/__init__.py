"""What a person touches: the viewer and the command line."""
