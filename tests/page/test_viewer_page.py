"""What the views say, drawn from a real database that OpenTelemetry's own SDK filled."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from dash.development.base_component import Component
from hypothesis import given
from hypothesis import strategies as st

import modelspan.viewer
from modelspan.viewer.page import CALM_MS, LIVE_MS, render
from modelspan.viewer.queries import Queries
from modelspan.viewer.views import text
from modelspan.viewer.views.route import Route, href
from modelspan.viewer.views.waterfall import MOST_ROWS, walk, waterfall

ASSETS = Path(modelspan.viewer.__file__).parent / "assets"
NO_PAGES = (
    "/nowhere",
    "/models/none",
    "/models/none/drift",
    "/models/none/performance",
    "/traces/00",
    "/models/a/b/c",
)


def view(queries, url):
    path, _, search = url.partition("?")
    return render(queries, Route.parse(path, search))[1]


def nodes(root):
    """Every component, string and number below."""
    yield root
    children = getattr(root, "children", None)
    for child in children if isinstance(children, list | tuple) else [children]:
        if child is not None:
            yield from nodes(child)


def words(root):
    return " ".join(str(each) for each in nodes(root) if not isinstance(each, Component)).replace(
        "\u00a0", " "
    )


def links(root):
    return [each.href for each in nodes(root) if getattr(each, "href", None)]


def rows(root, kind):
    """Words of every row of a table."""
    (table,) = [each for each in nodes(root) if type(each).__name__ == "Table" and each.className == kind]
    return [words(each) for each in nodes(table.children[1]) if type(each).__name__ == "Tr"]


def urls(queries, names):
    """Every view, of both models, of a failed trace and of one that succeeded."""
    found = ["/", "/alerts", "/traces", "/traces?errors=1", href("alerts", model=names["hostile"])]
    for model in (names["model"], names["hostile"]):
        found += [href("models", model), href("models", model, range="7d", errors="1")]
        found += [href("models", model, "drift"), href("models", model, "performance")]
        found += [href("models", model, "drift", feature=names["hostile"]), href("traces", model=model)]
    traces = queries.traces(limit=1)["traces"] + queries.traces(limit=1, errors=True)["traces"]
    return found + [href("traces", each["trace_id"]) for each in traces]


def test_every_view_shows_data_without_an_error(filled, names):
    _, queries = filled
    for url in urls(queries, names):
        said = words(view(queries, url))
        assert "could not be read" not in said, url
        assert "Not found" not in said, url


@pytest.mark.parametrize("url", ["/", "/traces", "/alerts"])
def test_an_empty_database_says_how_to_fill_it(empty, url):
    said = words(view(empty[1], url))
    assert "OTEL_EXPORTER_OTLP_ENDPOINT=" in said
    assert "modelspan demo" in said


@pytest.mark.parametrize("url", NO_PAGES)
def test_what_is_not_there_is_said_to_be_missing(filled, url):
    said = words(view(filled[1], url))
    assert "Not found" in said
    assert "could not be read" not in said


def test_a_model_without_reference_or_outcomes_says_how_to_give_them(filled, names):
    _, queries = filled
    said = words(view(queries, href("models", names["hostile"], "performance")))
    assert "modelspan.feedback(prediction_id" in said
    assert "modelspan reference build" in words(
        view(queries, href("models", names["model"], "drift", version="0"))
    )


def test_the_overview_shows_counts_errors_and_accuracy_with_its_coverage(filled, names):
    row = rows(view(filled[1], "/"), "models")[0]
    good = names["answered"] - 1
    coverage = names["answered"] / (names["calls"] - names["failed"])
    assert f"{names['calls']} calls" in row
    assert f"{names['failed']} failed" in row
    assert "10 %" in row
    assert f"{good / names['answered']:.3f} coverage {100 * coverage:.0f} %" in row
    assert "1 open" in row
    assert "amount" in row


def test_the_score_comes_first_and_then_features_by_psi(filled, names):
    found = rows(view(filled[1], href("models", names["model"], "drift")), "drift")
    assert [each.split()[0] for each in found] == ["score", "amount", "age"]
    assert [each.split()[-1] for each in found] == ["alarm", "drifted", "alarm"]
    assert "0.800" in found[1]
    assert "< 0.001" in found[1]


def test_the_chosen_feature_is_the_urls_else_the_most_drifted(filled, names):
    _, queries = filled
    where = ("models", names["model"], "drift")
    assert "amount: reference and current" in words(view(queries, href(*where)))
    assert "age: reference and current" in words(view(queries, href(*where, feature="age")))
    assert "200 current rows against 100 of the reference" in words(view(queries, href(*where)))


def test_alerts_lead_to_their_histograms_and_example_traces(filled, names):
    found = view(filled[1], href("alerts", model=names["model"]))
    said = words(found)
    assert said.index("Open (1)") < said.index("amount") < said.index("Closed (1)") < said.index("age")
    expected = href("models", names["model"], "drift", feature="amount", version=names["version"])
    assert expected in links(found)
    assert href("traces", f"{7:032x}") in links(found)


def test_the_filter_shows_failed_traces_only(filled, names):
    _, queries = filled
    for url in (href("traces", errors="1"), href("models", names["model"], errors="1")):
        found = rows(view(queries, url), "traces")
        assert len(found) == names["failed"]
        assert all("ValueError" in each for each in found)


def test_a_failed_trace_shows_its_spans_its_exception_and_its_stack(filled, names):
    _, queries = filled
    trace = queries.traces(errors=True)["traces"][0]
    found = view(queries, href("traces", trace["trace_id"].upper()))
    (stack,) = [each.children for each in nodes(found) if type(each).__name__ == "Pre"]
    said = words(found)
    assert stack == names["stack"]
    assert said.index("predict credit-risk") < said.index("load features")
    assert "Spans (2)" in said
    assert trace["prediction_id"] in said
    assert said.count("age <b>lacks</b>") == 2


def test_no_dictionary_from_telemetry_becomes_a_component(filled, names):
    _, queries = filled
    trace = queries.traces(errors=True)["traces"][0]
    found = view(queries, href("traces", trace["trace_id"]))
    assert '"namespace": "dash_html_components"' in words(found)
    for url in urls(queries, names):
        assert all(isinstance(each, Component | str | int) for each in nodes(view(queries, url))), url


def test_every_link_stays_on_the_page_and_leads_back_to_the_name(filled, names):
    _, queries = filled
    for url in urls(queries, names):
        found = links(view(queries, url))
        assert all(re.match(r"/(?![/\\])", each) for each in found)
        assert not any(character in each for each in found for character in "<>'\" ")
    assert names["hostile"] in {
        Route.parse(*each.split("?")[:1], "").model for each in links(view(queries, "/"))
    }


def test_a_database_that_cannot_be_read_is_an_error_box_and_not_a_blank_page(tmp_path, caplog):
    broken = tmp_path / "broken.db"
    broken.write_bytes(b"this is no database" * 100)
    queries = Queries(broken)
    for url in ("/", "/alerts", "/models/x/drift", "/traces/00"):
        header, body, _ = render(queries, Route.parse(url, ""))
        assert "modelspan" in words(header)
        assert "DatabaseError: file is not a database" in words(body)
    queries.close()
    assert "reading the models for /alerts failed" in caplog.text


def test_a_view_that_fails_alone_leaves_the_header_and_the_other_views(filled, names, tmp_path, caplog):
    backend, queries = filled
    trace = queries.traces(limit=1)["traces"][0]["trace_id"]
    with (
        closing(sqlite3.connect(backend.path)) as source,
        closing(sqlite3.connect(tmp_path / "cut.db")) as cut,
    ):
        source.backup(cut)
        cut.execute("ALTER TABLE resources RENAME COLUMN attributes TO gone")
    with closing(Queries(tmp_path / "cut.db")) as queries:
        header, body, _ = render(queries, Route.parse(href("traces", trace), ""))
        assert names["model"] in words(header)
        assert "OperationalError: no such column" in words(body)
        assert f"{names['calls']} calls" in words(view(queries, "/"))
    assert f"showing /traces/{trace} failed" in caplog.text


def test_views_of_the_moment_refresh_more_often_than_views_of_windows(filled, names):
    _, queries = filled
    week = render(queries, Route.parse(href("models", names["model"]), "?range=7d"))[2]
    assert week == CALM_MS
    pace = {
        url: render(queries, Route.parse(url, ""))[2]
        for url in ("/", href("models", names["model"]), "/alerts")
    }
    assert list(pace.values()) == [LIVE_MS, LIVE_MS, CALM_MS]


def span(number, parent, start=0.0):
    return {
        "span_id": number, "parent_span_id": parent, "name": number, "service": "", "start": start,
        "duration_ms": 500.0, "status": "ok", "status_message": "", "kind": "", "scope": "", "attributes": {},
        "resource": {},
    }  # fmt: skip


def test_spans_are_walked_depth_first_by_start_with_orphans_as_roots():
    spans = [
        span("b", "a", 2),
        span("c", "b", 3),
        span("a", None, 1),
        span("d", "a", 1.5),
        span("o", "lost", 9),
    ]
    assert [(each["span_id"], depth) for each, depth in walk(spans)] == [
        ("a", 0), ("d", 1), ("b", 1), ("c", 2), ("o", 0),
    ]  # fmt: skip


def test_spans_that_name_each_other_or_themselves_as_parents_are_shown_once():
    spans = [span("a", "b"), span("b", "a"), span("s", "s")]
    assert sorted(each["span_id"] for each, _ in walk(spans)) == ["a", "b", "s"]


def test_a_bar_lies_where_its_span_lay_in_the_trace():
    found = waterfall([span("a", None, 0.0), span("b", "a", 1.5)])
    bars = [each.style for each in nodes(found) if getattr(each, "className", "") == "stroke"]
    assert bars == [{"left": "0.000%", "width": "25.000%"}, {"left": "75.000%", "width": "25.000%"}]


def test_a_huge_trace_is_cut_and_says_so():
    found = waterfall([span(str(number), None, number) for number in range(MOST_ROWS + 7)])
    assert len([each for each in nodes(found) if type(each).__name__ == "Details"]) == MOST_ROWS
    assert f"Showing {MOST_ROWS} of {MOST_ROWS + 7} spans." in words(found)


def test_a_span_opens_by_url_else_the_first_that_failed():
    spans = [span("a", None), {**span("b", "a", 1), "status": "error"}]
    for chosen, expected in ((None, [False, True]), ("a", [True, False])):
        found = waterfall(spans, chosen=chosen)
        assert [each.open for each in nodes(found) if type(each).__name__ == "Details"] == expected


@given(st.lists(st.text(min_size=1, max_size=20), min_size=1, max_size=3), st.dictionaries(
    st.text(min_size=1, max_size=8), st.text(min_size=1, max_size=20), max_size=3))  # fmt: skip
def test_a_url_leads_back_to_the_parts_it_was_made_of(parts, params):
    path, _, search = href(*parts, **params).partition("?")
    assert path.startswith("/")
    assert path[1:2] != "/"
    assert Route.parse(path, "?" + search) == Route(parts=tuple(parts), params=params)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (text.milliseconds(0.1234), "0.123 ms"),
        (text.milliseconds(1.2345), "1.23 ms"),
        (text.milliseconds(340.4), "340 ms"),
        (text.milliseconds(2500), "2.5 s"),
        (text.milliseconds(None), text.ABSENT),
        (text.seconds(12), "12 s"),
        (text.seconds(204), "3.4 min"),
        (text.seconds(5.2 * 3600), "5.2 h"),
        (text.seconds(float("nan")), text.ABSENT),
        (text.share(0.034), "3.4 %"),
        (text.share(0.43), "43 %"),
        (text.share(0.0), "0 %"),
        (text.share(1.0), "100 %"),
        (text.share(0.9996), "100.0 %"),
        (text.count(1234567), "1,234,567"),
        (text.number(12345.6), "12,346"),
        (text.number(0.00002), "2.0e-05"),
        (text.p_value(0.0004), "< 0.001"),
        (text.p_value(0.0421), "0.042"),
        (text.ago(1000.0, 1012.5), "12 s ago"),
        (text.ago(1013.0, 1012.5), "just now"),
        (text.per_second(0.5), "30 /min"),
        (text.per_second(12.0), "12 /s"),
        (text.clock(0), "1970-01-01 00:00:00 UTC"),
        (text.plural(1, "span"), "1 span"),
        (text.plural(1200, "span"), "1,200 spans"),
        (text.plain({"a": [1, None]}), '{"a": [1, null]}'),
    ],
)
def test_numbers_are_written_for_people(written, expected):
    assert written.replace("\u00a0", " ") == expected


def luminance(colour):
    """Relative luminance of WCAG 2.2."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize(
    ("ink", "paper"),
    [(ink, "soft") for ink in ("ink", "muted", "link")]
    + [(f"{tone}-ink", f"{tone}-soft") for tone in ("alarm", "good", "warn")],
)
def test_text_has_the_contrast_that_wcag_asks_for(ink, paper):
    named = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", (ASSETS / "page.css").read_text()))
    dark, light = sorted((luminance(named[ink]), luminance(named[paper])))
    assert (light + 0.05) / (dark + 0.05) >= 4.5


def test_assets_name_no_other_host():
    for path in ASSETS.iterdir():
        named = set(re.findall(r"(?:https?:)?//[\w.]+|url\(|@import", path.read_text()))
        assert named <= {"http://www.w3.org"}, path
