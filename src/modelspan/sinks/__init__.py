"""One sink for each kind of telemetry; none knows another."""
