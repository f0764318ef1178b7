"""Drift from counts: references, distances, tests, windows and alarms. No telemetry in here."""
