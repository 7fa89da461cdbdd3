"""Model cards, and the bundled model's files."""
