"""docs/fault-catalogue.md and the tests that it speaks of stay together."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "fault-catalogue.md").read_text()
ROWS = dict(re.findall(r"^\| ([A-FS]\d\d)(?: to [A-FS]\d\d)? \|.*\| ([^|]*) \|$", PAGE, re.MULTILINE))
TESTED = {
    found.upper()
    for path in (ROOT / "tests").rglob("test_*.py")
    for found in re.findall(r"def test_([a-fs]\d\d)_", path.read_text())
}


def test_every_row_that_says_tested_has_a_test_of_its_name_and_the_others_say_why_not():
    claimed = {row for row, said in ROWS.items() if said.startswith("tested")}
    assert claimed - TESTED == set(), "the page claims tests that do not exist"
    assert TESTED - claimed == set(), "tests exist that the page does not claim"
    assert all(len(said) > 2 for said in ROWS.values())


def test_no_row_of_a_section_is_left_out():
    numbers = [(row[0], int(row[1:])) for row in ROWS]
    last = {"A": 24, "B": 16, "C": 16, "D": 14, "E": 14, "F": 8, "S": 30}
    ranges = re.findall(r"([A-FS])(\d\d) to [A-FS](\d\d)", PAGE)
    numbers += [(letter, n) for letter, a, b in ranges for n in range(int(a), int(b) + 1)]
    assert set(numbers) == {(letter, n) for letter, most in last.items() for n in range(1, most + 1)}


def test_every_file_that_the_page_names_exists():
    named = re.findall(r"`((?:tests|benchmarks|docs)/[\w./]*)`", PAGE)
    commands = re.findall(r"`python (benchmarks/\w+\.py)`", PAGE)
    missing = [name for name in {*named, *commands} if not (ROOT / name).exists()]
    assert not missing
