"""Clustering: groups of vectors, their keywords, and a map of them."""
