"""The command line: arguments in, one command each, sentences out."""
