"""Model cards, the registry that finds them, the bundled model's files, and downloads."""
