"""Benchmarks that print a ratio against a peer, side by side in one run."""
