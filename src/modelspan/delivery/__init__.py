"""How telemetry leaves: OpenTelemetry providers, outboxes, exporters, accounting."""
