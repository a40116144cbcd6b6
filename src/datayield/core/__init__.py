"""Holds the values, files and small tools that every room uses. Imports nothing else of datayield."""
