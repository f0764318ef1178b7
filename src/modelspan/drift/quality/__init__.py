"""Data quality beside drift: missing, out of range, new level, type, constant and duplicate rows."""
