"""modelspan."""
