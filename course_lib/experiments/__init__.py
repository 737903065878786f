"""Experiments too long for a chapter: each runs as a command and ships its results as data."""
