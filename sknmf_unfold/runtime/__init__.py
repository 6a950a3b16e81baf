"""Fitted models frame by frame, without torch."""
