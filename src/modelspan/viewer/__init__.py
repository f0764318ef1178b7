"""The local backend: OTLP receiver, SQLite storage, JSON API and web page of `modelspan up`."""
