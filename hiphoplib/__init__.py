"""From hip-hop clips to a chance of being popular: the small module behind the notebooks.

The data goes one way: `sources` -> `tracks` -> `previews` -> `mel` -> `splits` -> `models`,
`training`, `experiment` -> `evaluation` -> `explain`; `plots` draws, `corpus` keeps the folders.
"""

__version__ = "0.1.0"
