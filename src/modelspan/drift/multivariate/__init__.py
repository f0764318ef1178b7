"""Drift of several features at once, on sampled rows: what no single histogram shows."""
