"""Storage engines behind one interface."""
