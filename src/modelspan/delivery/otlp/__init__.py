"""OTLP as bytes, without the SDK's objects: columnar for regular records, by hand for the others."""
