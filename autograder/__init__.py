"""What judges a learner's work."""
