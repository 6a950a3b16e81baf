"""Interfaces to scikit-learn, torch and the operating system."""
