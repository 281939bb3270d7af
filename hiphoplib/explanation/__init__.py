"""Explanation: segments, LIME and other attribution methods, and whether they hold."""
