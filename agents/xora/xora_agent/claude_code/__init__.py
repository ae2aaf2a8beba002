"""The brain that is Claude Code: its command line comes with Anthropic's SDK."""
