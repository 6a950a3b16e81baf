"""Unfolded inference; modules that need torch are imported where they are used."""
