"""Encodes texts, trains networks and linear models, predicts and saves them."""
