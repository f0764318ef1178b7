"""Dashboards, rules and alerts as files, made from `semconv` and reference files.

A writer turns a `Plan` into files; `write.WRITERS` lists them all. The same plan gives the same bytes.
"""
