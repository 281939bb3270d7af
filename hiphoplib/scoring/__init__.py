"""Scoring: models to pass on, unreleased songs, their ranking."""
