"""`python -m dropml.stack`."""

import sys

from dropml.stack.command import main

sys.exit(main())
