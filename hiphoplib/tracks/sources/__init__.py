"""Where tracks come from: one module a source, each a `base.Source`."""
