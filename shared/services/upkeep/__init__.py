"""Between two files: drift judged, training anew where it is due."""
