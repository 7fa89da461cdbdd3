"""The command line: `rolevec COMMAND`."""
