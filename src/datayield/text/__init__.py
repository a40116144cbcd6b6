"""Handles texts as data: tokens, near duplicates, word vectors, WordNet."""
