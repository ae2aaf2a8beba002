"""Buckets: what an S3 store can do, and how objects get into it."""
