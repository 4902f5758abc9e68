"""`python -m dropml`: the command `dropml`."""

import sys

from dropml.cli.app import main

if __name__ == "__main__":
    sys.exit(main())
