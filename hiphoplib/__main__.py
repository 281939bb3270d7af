"""``python -m hiphoplib``: the program of `hiphoplib.cli`."""

import sys

from hiphoplib.cli import main

if __name__ == "__main__":
    sys.exit(main())
