"""Free texts made of the words of training: odd in all the ways that a vectorizer might take apart differently."""

from collections import Counter
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

LONG = 400
"""Words of the longest texts that are made."""

_STRANGE = (
    "İstanbul ISTANBUL ΣΊΣΥΦΟΣ ΑΣ straße STRASSE ǅungla ﬁne ﬁxed naïve cafe\u0301 Ångström Zoë 漏れ 油漏れ検査 ポンプ "
    "ﾎﾟﾝﾌﾟ насос ПРИВЕТ مضخة ٣٤ ４２ ½ x² Ⅷ _ __init__ a1b2 x 3,14 1e-5 don't rock'n'roll co-op e.g. #tag @who a_b "
    "http://example.org/a?b=c 🙂 👍🏽 पानी ไทย 한국어 ‿under‿tie soft\u00adhyphen zero\u200bwidth non\u00a0break"
)
_STRANGERS = _STRANGE.split(" ")
"""Words that no training row needs to hold, with letters, digits and marks from all over Unicode."""

_BETWEEN = (" ", "  ", "\t", "\n", "\r\n", "-", "_", ", ", "...", "/", "'", "\u00a0", "\u3000", "\u2028", "\x00", "")
_ENDS = ("", "", "", "!", "?", ".", " ", "\n", "'s", "\u0301", "\ufeff", ")", "…")

_ACCENTS = str.maketrans("aeioucnAEIOUCN", "àéïôüçñÀÉÏÔÜÇÑ")
_CHANGES: tuple[Callable[[str], str], ...] = (
    str.upper, str.lower, str.title, str.swapcase, lambda word: word[:1], lambda word: word[::-1],
    lambda word: word + word, lambda word: word[: len(word) // 2] + "\u0301" + word[len(word) // 2 :],
    lambda word: word.translate(_ACCENTS),
)  # fmt: skip


def made_texts(seen: NDArray[np.object_], count: int, rng: np.random.Generator, fewest: int = 1) -> NDArray[np.object_]:
    """Return `count` texts made of the words of `seen`, changed ones, and strangers.

    Words that stand in `fewest` rows or more come in another order, with other things between them; some texts are very
    long. So what somebody once wrote does not travel in them.
    """
    rows = Counter(word for text in seen for word in set(text.split()))
    words = sorted(word for word, times in rows.items() if times >= fewest)[:20_000] or ["word"]
    return np.array([_text(words, rng) for _ in range(count)] + [""], dtype=object)[:-1]


def _text(words: list[str], rng: np.random.Generator) -> str:
    size = int(rng.integers(1, LONG if rng.random() < 0.02 else 12))
    plain = rng.random() < 0.3
    parts = []
    for place in rng.integers(0, len(words), size):
        word, dice = words[place], rng.random()
        if not plain and dice < 0.25:
            word = _CHANGES[rng.integers(len(_CHANGES))](word)
        elif not plain and dice < 0.4:
            word = _STRANGERS[rng.integers(len(_STRANGERS))]
        between = " " if plain or rng.random() < 0.6 else _BETWEEN[rng.integers(len(_BETWEEN))]
        parts += [word, between]
    text = "".join(parts[:-1]) + ("" if plain else _ENDS[rng.integers(len(_ENDS))])
    return text or words[0]
