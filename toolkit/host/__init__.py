"""`agentctl`: the engine that runs on hosts. Standard library and vendored code only."""
