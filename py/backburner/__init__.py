"""Backburner trains small convnets in a browser tab, in Python, on the back burner."""

__version__ = "0.1.0"
