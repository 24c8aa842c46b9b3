import json

from benchmark.leaderboard.score_book import Entry, ScoreBook, score_key

ENTRY = Entry(0.1 + 0.2, "", 0.5, 100)


def test_what_is_put_is_there_bit_for_bit_in_a_new_book(tmp_path):
    book = ScoreBook(tmp_path)
    book.put("a", ENTRY)
    book.put("b", Entry(None, "ValueError: no", 0.25, 0))
    book.close()
    again = ScoreBook(tmp_path)
    assert again.get("a") == ENTRY
    assert again.get("b").error == "ValueError: no"
    assert again.get("c") is None
    again.close()


def test_a_torn_line_costs_its_own_score_only(tmp_path):
    book = ScoreBook(tmp_path)
    book.put("a", ENTRY)
    book.close()
    file = tmp_path / "scores-0000.jsonl"
    file.write_bytes(file.read_bytes() + b'{"key": "b", "score": 0.')
    book = ScoreBook(tmp_path)
    assert book.get("a") == ENTRY
    assert book.get("b") is None
    book.put("b", ENTRY)  # must not be glued to the torn line
    book.close()
    again = ScoreBook(tmp_path)
    assert again.get("b") == ENTRY
    again.close()


def test_lines_that_are_no_entries_are_skipped(tmp_path):
    (tmp_path / "scores-0009.jsonl").write_text('[]\n{"key": "a"}\n{"score": 1}\n\n"x"\n')
    book = ScoreBook(tmp_path)
    assert book.get("a") is None
    book.close()


def test_processes_write_apart_and_read_everything(tmp_path):
    for process in range(2):
        book = ScoreBook(tmp_path, process)
        book.put(f"key{process}", ENTRY)
        book.close()
    assert len(list(tmp_path.iterdir())) == 2
    book = ScoreBook(tmp_path, 2)
    assert book.get("key0") == book.get("key1") == ENTRY
    book.close()


def test_an_entry_is_on_disk_before_put_returns(tmp_path):
    book = ScoreBook(tmp_path)
    book.put("a", ENTRY)
    assert json.loads((tmp_path / "scores-0000.jsonl").read_text())["score"] == ENTRY.score
    book.close()


def test_keys_depend_on_everything():
    facts = ("metric", "image", "reference", "view")
    keys = {score_key(*facts), *(score_key(*facts[:place], "x", *facts[place + 1 :]) for place in range(4))}
    assert len(keys) == 5
    assert score_key("a", "b", "", "c") != score_key("a", "", "b", "c")
