"""Encoders behind an HTTP API: one transport, one file for each dialect (Cohere, OpenAI, TEI)."""
