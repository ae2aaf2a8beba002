"""What operators do with many hosts at once."""
