"""Training in other frameworks, one module each; importing one imports its framework."""
