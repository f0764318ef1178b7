"""What must not be lost: SQLite files in which acknowledged means committed."""
