"""Pure rules, names and documents: no I/O, no clock, no SDK."""
