"""Training of any network that maps magnitudes to masks."""
