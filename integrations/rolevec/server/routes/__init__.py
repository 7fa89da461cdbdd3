"""One file of routes per dialect."""
