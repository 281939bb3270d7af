"""The synthetic corpus: beats rendered here, with a popularity of known causes."""
