"""Where strangers' code runs: what it may see, use and send back."""
