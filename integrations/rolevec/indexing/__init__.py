"""Reading files as documents and writing them in bulk."""
