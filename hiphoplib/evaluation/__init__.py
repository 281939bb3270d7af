"""Evaluation on test sets, with intervals over artists."""
