"""Converters of the vectorizers that count words, and of what weighs the counts: exact, where the standard ones guess.

The standard ones take words by an ASCII pattern, leave the lower case to the locale of the device, do not know stop
words and sublinear counts as scikit-learn does, and add up in float32.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import TensorProto
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfTransformer, TfidfVectorizer

from hakobu.export.converters.registry import Converter
from hakobu.export.converters.words import words_of
from hakobu.export.converters.writer import Writer

MOST_TERMS = 2**17
"""A number is made for each term and row: with more terms, a row would take longer than anybody waits."""

_STEPS = ("preprocessor", "tokenizer", "strip_accents")
"""Options with code of their own, or with tables that no operator has."""

_PAD, _UNKNOWN, _NEVER = 0, 1, 2
"""The numbers of no word, of a word in no term, and of a word that no text gives; those of known words follow."""


@dataclass(frozen=True, slots=True)
class _Terms:
    """A vocabulary, with a number for each word."""

    words: dict[str, int]
    """The number of each word, stop words having that of no word."""
    grams: tuple[tuple[tuple[int, ...], ...], ...]
    """For each length from 1, the terms of so many words."""
    columns: tuple[tuple[int, ...], ...]
    """The same with the column of each."""


def _terms(vectorizer: Any, stops: frozenset[str], with_blanks: bool) -> _Terms:
    shortest, longest = vectorizer.ngram_range
    if longest > 1 and with_blanks:
        raise NotImplementedError("its words may hold blanks, and so cannot be told apart in n-grams")
    words: dict[str, int] = dict.fromkeys(sorted(stops), _PAD)
    grams: list[list[tuple[int, ...]]] = [[] for _ in range(longest)]
    columns: list[list[int]] = [[] for _ in range(longest)]
    for term, column in sorted(vectorizer.vocabulary_.items(), key=lambda item: int(item[1])):
        parts = term.split(" ") if longest > 1 else [term]
        gram = tuple(words.setdefault(part, _NEVER + 1 + len(words)) for part in parts)
        if not shortest <= len(gram) <= longest or _PAD in gram:
            # A term of a given vocabulary that is never counted has its column all the same, which stays 0.
            gram = (_NEVER,) * shortest
        grams[len(gram) - 1].append(gram)
        columns[len(gram) - 1].append(int(column))
    return _Terms(words, tuple(map(tuple, grams)), tuple(map(tuple, columns)))


def _check(vectorizer: Any) -> None:
    """Raise NotImplementedError for what no graph can do."""
    if vectorizer.analyzer != "word":
        name = getattr(vectorizer.analyzer, "__name__", vectorizer.analyzer)
        raise NotImplementedError(f"the analyzer {name!r} is not carried over, only 'word' is")
    for name in _STEPS:
        step = getattr(vectorizer, name)
        if step is not None:
            raise NotImplementedError(f"its {name} {getattr(step, '__name__', step)!r} is not carried over")
    if vectorizer.input != "content":
        raise NotImplementedError(f"input={vectorizer.input!r} reads files, which a device does not have")
    if len(vectorizer.vocabulary_) > MOST_TERMS:
        raise NotImplementedError(f"it has {len(vectorizer.vocabulary_):,} terms; at most {MOST_TERMS:,} are allowed")


def _count(writer: Writer, vectorizer: Any, texts: str) -> str:
    """Count the terms of `texts`, and return the counts, shape (n, terms), in float32."""
    _check(vectorizer)
    stops = frozenset(vectorizer.get_stop_words() or ())
    words = words_of(vectorizer.token_pattern)
    terms = _terms(vectorizer, stops, words.with_blanks)
    found = _words(writer, words.found, writer.add("Reshape", texts, np.array([-1])))
    numbers = writer.add(
        "LabelEncoder",
        found,
        keys_strings=["", *terms.words],
        values_int64s=[_PAD, *terms.words.values()],
        default_int64=_UNKNOWN,
    )
    if words.kept is not None:
        kept = writer.add("RegexFullMatch", found, pattern=words.kept)
        numbers = writer.add("Mul", numbers, writer.add("Cast", kept, to=TensorProto.INT64))
    if vectorizer.ngram_range[1] > 1 and (stops or words.kept is not None):
        numbers = _closed_up(writer, numbers)
    counts = _counted(writer, terms, vectorizer.ngram_range, numbers)
    if vectorizer.binary:
        counts = writer.float32(writer.add("Greater", counts, np.array(0, dtype=np.float32)))
    return counts


def _words(writer: Writer, pattern: str, texts: str) -> str:
    """Return what `pattern` finds in each of `texts`, shape (n,), as a matrix that is filled up with empty texts."""
    name: str = writer.scope.get_unique_variable_name("hakobu_words")
    node = writer.scope.get_unique_operator_name("hakobu_Tokenizer")
    asked = {"mark": 0, "mincharnum": 1, "pad_value": "", "tokenexp": pattern}
    writer.container.add_node("Tokenizer", [texts], [name], op_domain="com.microsoft", op_version=1, name=node, **asked)
    # This says what the words are: onnx knows nothing of operators of that domain, and crashes when it has to guess.
    return writer.add("Cast", name, to=TensorProto.STRING)


def _closed_up(writer: Writer, numbers: str) -> str:
    """Move the words of each row, shape (n, places), to the front, in their order, so that no gap parts neighbours."""
    wide = writer.add("Slice", writer.add("Shape", numbers), np.array([1]), np.array([2]))
    places = writer.add("Range", np.array(0), writer.add("Squeeze", wide), np.array(1))
    there = writer.add("Cast", writer.add("Greater", numbers, np.array([_PAD])), to=TensorProto.INT64)
    # Words before gaps, then by place: no two are equal, so there is one order.
    rank = writer.add("Sub", writer.add("Mul", there, wide), places)
    ranks, order = (writer.scope.get_unique_variable_name(f"hakobu_{name}") for name in ("ranks", "order"))
    writer.put("TopK", [rank, wide], [ranks, order], axis=1, largest=1, sorted=1)
    return writer.add("GatherElements", numbers, order, axis=1)


def _counted(writer: Writer, terms: _Terms, lengths: tuple[int, int], numbers: str) -> str:
    starts = np.cumsum([0, *(len(grams) * (place + 1) for place, grams in enumerate(terms.grams))])[:-1]
    return writer.add(
        "TfIdfVectorizer",
        numbers,
        mode="TF",
        min_gram_length=lengths[0],
        max_gram_length=lengths[1],
        max_skip_count=0,
        ngram_counts=starts.tolist(),
        ngram_indexes=[column for columns in terms.columns for column in columns],
        pool_int64s=[word for grams in terms.grams for gram in grams for word in gram],
    )


def _weigh(writer: Writer, transformer: Any, counts: str) -> str:
    """Weigh `counts`, shape (n, terms), as the fitted TfidfTransformer does, in double."""
    found = writer.double(counts)
    if transformer.sublinear_tf:
        none = writer.add("Equal", found, 0.0)
        grown = writer.add("Add", writer.add("Log", writer.add("Where", none, 1.0, found)), 1.0)
        found = writer.add("Where", none, 0.0, grown)
    if hasattr(transformer, "idf_"):
        found = writer.add("Mul", found, np.asarray(transformer.idf_, dtype=np.float64))
    if transformer.norm is None:
        return found
    if transformer.norm == "l2":
        length = writer.add("Sqrt", writer.sum_of(writer.add("Mul", found, found)))
    else:
        length = writer.sum_of(writer.add("Abs", found))
    return writer.add("Div", found, writer.add("Where", writer.add("Equal", length, 0.0), 1.0, length))


def _convert_vectorizer(scope: Any, operator: Any, container: Any) -> None:
    if len(operator.inputs) != 1:
        raise NotImplementedError("it reads one column, not several")
    writer, vectorizer = Writer(scope, container), operator.raw_operator
    found = _count(writer, vectorizer, operator.inputs[0].full_name)
    if isinstance(vectorizer, TfidfVectorizer):
        found = _weigh(writer, vectorizer._tfidf, found)
    _give(writer, found, operator.outputs[0])


def _convert_transformer(scope: Any, operator: Any, container: Any) -> None:
    writer = Writer(scope, container)
    _give(writer, _weigh(writer, operator.raw_operator, operator.inputs[0].full_name), operator.outputs[0])


def _give(writer: Writer, found: str, output: Any) -> None:
    """Let `found` come out as `output`, in its type."""
    from skl2onnx.common.data_types import DoubleTensorType

    kind = TensorProto.DOUBLE if isinstance(output.type, DoubleTensorType) else TensorProto.FLOAT
    writer.put("Cast", [found], [output.full_name], to=kind)


def _shape_vectorizer(operator: Any) -> None:
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType

    vectorizer = operator.raw_operator
    double = operator.scope_inst.get_options(vectorizer, {"double": False})["double"]
    operator.outputs[0].type = (DoubleTensorType if double else FloatTensorType)([None, len(vectorizer.vocabulary_)])


def _shape_transformer(operator: Any) -> None:
    from skl2onnx.common.data_types import guess_tensor_type

    found = guess_tensor_type(operator.inputs[0].type)
    found.shape = operator.inputs[0].type.shape
    operator.outputs[0].type = found


_OPTIONS = {"double": [False, True]}
"""Whether the numbers come out as doubles: texts do not tell what the model computes in."""

_WORDS = "words found as Python finds them, counted and weighed as in training"

CONVERTERS = (
    Converter(CountVectorizer, _shape_vectorizer, _convert_vectorizer, _WORDS, options=_OPTIONS),
    Converter(TfidfVectorizer, _shape_vectorizer, _convert_vectorizer, _WORDS, options=_OPTIONS),
    Converter(TfidfTransformer, _shape_transformer, _convert_transformer, "weights computed in double"),
)


def _is_strange(vectorizer: Any) -> bool:
    """Say whether the words cannot be found as the fitted `vectorizer` finds them."""
    try:
        words = words_of(vectorizer.token_pattern)
    except NotImplementedError:
        return True
    return words.with_blanks and vectorizer.ngram_range[1] > 1


ADVICE: tuple[tuple[tuple[type, ...], Callable[[Any], bool], str], ...] = (
    (
        (CountVectorizer, HashingVectorizer),
        lambda found: found.analyzer != "word",
        'only words can be counted on a device: use analyzer="word"',
    ),
    ((HashingVectorizer,), lambda found: True, "no operator hashes words: use TfidfVectorizer(max_features=20_000)"),
    (
        (CountVectorizer,),
        lambda found: any(getattr(found, name) is not None for name in _STEPS),
        f"leave {', '.join(_STEPS)} at None; what they do can be done to the data, in training and before scoring",
    ),
    ((CountVectorizer,), lambda found: found.input != "content", 'use input="content": the text itself'),
    (
        (CountVectorizer,),
        lambda found: len(getattr(found, "vocabulary_", ())) > MOST_TERMS,
        f"set max_features to {MOST_TERMS} or less, or raise min_df: rare terms tell little",
    ),
    (
        (CountVectorizer,),
        _is_strange,
        r"write token_pattern as sets of characters and how often they come, without blanks, groups or alternatives, "
        r"like r'(?u)\b\w\w+\b' or r'[a-z0-9]{2,}'",
    ),
)
"""What to do about a vectorizer that is refused."""
