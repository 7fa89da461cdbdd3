"""Encoders: text and role in, unit rows out, whatever does the arithmetic."""
