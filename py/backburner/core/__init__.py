"""The rules that page and worker share. Synchronous; no clock, no I/O, no randomness."""
