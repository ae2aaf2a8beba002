"""Source trees: what goes into a release, from a folder or a package registry."""
