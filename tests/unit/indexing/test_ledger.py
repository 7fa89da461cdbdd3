from rolevec import Document
from rolevec.indexing.ledger import Entry, Ledger, content_hash, ledger_path


def test_where_a_ledger_is(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "store" / "c"
    assert ledger_path(None, folder, None, "c").parent == folder
    assert ledger_path(None, None, None, "c") is None
    one = ledger_path(None, None, "http://one:6333", "c")
    assert one.parent == tmp_path / "cache" / "rolevec" / "ledgers"
    others = {
        ledger_path(None, None, "http://two:6333", "c"),
        ledger_path(None, None, "http://one:6333", "d"),
        ledger_path(tmp_path, folder, None, "c"),
        ledger_path(tmp_path, None, "http://one:6333", "c"),
    }
    assert len(others | {one}) == 5


def test_a_row_is_of_one_collection_encoder_and_source(tmp_path):
    names = [("c", "f", "s"), ("d", "f", "s"), ("c", "g", "s"), ("c", "f", "t")]
    entry = Entry(7, "7", content_hash(Document("x", "7")))
    for number, scope in enumerate(names):
        book = Ledger(tmp_path / "l.sqlite", *scope)
        assert book.owned([7]) == set()
        book.intend([entry])
        assert book.owned([7, 8]) == {7}
        assert list(book.left()) == []
        book.close()
        later = Ledger(tmp_path / "l.sqlite", *scope)
        # Another source of the same collection and encoder has it, too.
        assert list(later.left()) == [[(7, None if number == 3 else entry.content)]]
        later.close()


def test_what_could_not_be_read_is_kept_with_its_parts(tmp_path):
    ids = ["p", "p#0", "p#12", "p$", "q", "p "]
    book = Ledger(tmp_path / "l.sqlite", "c", "f", "s")
    book.intend([Entry(n, name, b"x") for n, name in enumerate(ids)])
    book.close()
    later = Ledger(tmp_path / "l.sqlite", "c", "f", "s")
    later.keep("p")
    later.keep("\ud800")
    assert [[point for point, _ in page] for page in later.left()] == [[3, 4, 5]]
    later.close()


def test_content_decides():
    base = content_hash(Document("text", "1", {"a": 1, "b": [1.5]}))
    assert base == content_hash(Document("text", "2", {"b": [1.5], "a": 1}))
    assert base != content_hash(Document("text", "1", {"a": 1, "b": [1.25]}))
    assert base != content_hash(Document("text ", "1", {"a": 1, "b": [1.5]}))
