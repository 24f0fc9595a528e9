import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hakobu_runtime.console.encoding import writable


@given(st.text(), st.sampled_from(["ascii", "cp1252", "cp932", "latin-1", "utf-8"]))
def test_any_text_can_be_written_in_any_encoding(text: str, encoding: str) -> None:
    assert text.encode(encoding, "hakobu").decode(encoding).isascii() or encoding != "ascii"


@given(st.text(st.characters(codec="utf-8", exclude_characters="█▉▊▋▌▍▎▏…×")))
def test_json_reads_the_escapes_as_the_letters_that_they_stand_for(text: str) -> None:
    written = json.dumps(text, ensure_ascii=False).encode("ascii", "hakobu")
    assert json.loads(written) == text


@pytest.mark.parametrize(("text", "plain"), [("██▌", "###"), ("█▏", "#."), ("a78139…", "a78139..."), ("箱", "\\u7bb1")])
def test_bars_keep_their_length_in_ascii(text: str, plain: str) -> None:
    assert text.encode("ascii", "hakobu").decode() == plain


def test_a_name_that_is_no_text_can_go_into_json() -> None:
    assert writable({"folder": ["caf\udce9", 1, None]}) == {"folder": ["caf\\udce9", 1, None]}
