"""The stories of `toolkit demo`: from an agent's source to a service proven to run."""
