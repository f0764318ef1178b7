"""What only the PostgreSQL store has: a server that goes away, several machines, a schema version."""

import threading

import psycopg
import pytest
from store_rows import NOW, awaiting, counts, new_id, outcome, states

from modelspan.errors import ConfigError
from modelspan.store.database import UnavailableError
from modelspan.store.opening import open_store
from modelspan.store.rows import DamagedError
from modelspan.store.tables import VERSION


@pytest.fixture
def stores(postgres_url):
    made = [open_store(url=postgres_url) for _ in range(8)]
    yield made
    for store in made:
        store.close()


def together(stores, work):
    threads = [threading.Thread(target=work, args=(store,)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_a21_one_outcome_from_eight_connections_at_once_joins_once(stores):
    pid = new_id()
    stores[0].commit([awaiting(pid)], [], NOW)
    receipts = []
    together(stores, lambda store: receipts.extend(states(store.commit([], [outcome(pid)], NOW))))
    assert sorted(receipts) == ["joined"] + ["rejected:duplicate"] * 7


def test_positions_follow_the_order_of_commits_of_all_connections(stores):
    seen, stop = [], threading.Event()

    def follow():
        position = 0
        while not stop.is_set() or position < 80:
            for change in stores[7].changes(position):
                seen.append(change.position)
                position = change.position

    reader = threading.Thread(target=follow)
    reader.start()
    together(stores[:4], lambda store: [store.commit([awaiting()], [], NOW) for _ in range(20)])
    stop.set()
    reader.join(30)
    assert seen == list(range(1, 81))


def test_a_connection_that_the_server_ends_is_made_anew(stores, postgres_url):
    stores[0].commit([awaiting()], [], NOW)
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE pid <> pg_backend_pid() AND datname = current_database()"
        )
    with pytest.raises(UnavailableError):
        stores[0].commit([awaiting()], [], NOW)
    stores[0].commit([awaiting()], [], NOW)
    assert counts(stores[0]) == {"prediction.pending": 2}


def test_a_changed_row_is_found_by_its_hash(stores, postgres_url):
    pid = new_id()
    stores[0].commit([awaiting(pid)], [], NOW)
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute("UPDATE modelspan.predictions SET label = 'wrong'")
    with pytest.raises(DamagedError, match="predictions 1"):
        stores[0].check()


def test_a_newer_schema_is_refused(stores, postgres_url):
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute("UPDATE modelspan.version SET number = 99")
    with pytest.raises(ConfigError, match="upgrade modelspan"):
        open_store(url=postgres_url)
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute("UPDATE modelspan.version SET number = %s", (VERSION,))


def test_a_server_without_the_database_is_a_wrong_setting(server):
    with pytest.raises(ConfigError, match="correct the address"):
        open_store(url=server.replace("/postgres?", "/nowhere?"))


def test_a_commit_waits_for_the_disk_even_where_the_server_would_not(postgres_url):
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute("ALTER ROLE modelspan SET synchronous_commit TO off")
        store = open_store(url=postgres_url)
        store.commit([awaiting()], [], NOW)
        assert store.database.rows("SHOW synchronous_commit") == [("on",)]
        admin.execute("ALTER ROLE modelspan RESET synchronous_commit")
        store.close()
