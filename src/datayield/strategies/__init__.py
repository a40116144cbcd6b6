"""Holds the strategies, each in one factory, and their registry."""
