"""Checks of parameters and data, and their messages."""
