"""Code of others, each with its licence; README.md lists it."""
