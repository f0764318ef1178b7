"""A credit-risk service on real data that shows the whole of modelspan in one command."""
