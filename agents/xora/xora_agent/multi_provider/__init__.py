"""The brain that asks models of many providers, and uses tools over MCP."""
