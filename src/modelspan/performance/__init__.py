"""How good predictions were, from predictions and outcomes. No telemetry in here."""
