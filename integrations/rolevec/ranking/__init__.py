"""Ranking: exact nearest neighbours, diversity, recommendation, reranking."""
