"""`python -m modelspan`."""

from modelspan.cli import main

main()
