"""Tracks: their table, where they come from, what is cleaned away, and their clips."""
