"""The reference library of the course."""
