"""The host side: makes the static site, serves it, drives it headless and checks it.

Runs from the checkout in `.venv`, and is never part of what the browser gets.
"""
