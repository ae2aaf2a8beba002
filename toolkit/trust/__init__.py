"""Release metadata by The Update Framework (TUF): pure, metadata in and metadata out.

The formats and rules are those of the TUF specification 1.0 (https://theupdateframework.io).
"""
