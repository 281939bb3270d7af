"""``python -m hiphoplib``: the program of `hiphoplib.cli`."""

import sys

from hiphoplib.cli import main

sys.exit(main())
