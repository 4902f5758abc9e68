"""A dropped file read as a table: encoding, dialect, header, types, label, holdout, refusals."""
