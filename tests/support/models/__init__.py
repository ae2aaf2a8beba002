"""Stand-ins for the HTTP APIs of models: nothing leaves this machine, and no key is needed."""
