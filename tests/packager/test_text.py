"""Text through vectorizers: the exported model finds, counts and weighs words exactly as scikit-learn does."""

import csv
import json
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnxruntime
import pandas as pd
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfTransformer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder

from hakobu.export.convert import export
from hakobu.export.converters.words import words_of
from hakobu.pack.build import build
from hakobu.pack.prose import made_texts
from hakobu.project import read_project
from hakobu.scaffold.column import ColumnDraft
from hakobu.scaffold.infer import Kind as Seen
from hakobu.scaffold.infer import infer
from hakobu.scaffold.new import Asked, new_from_table
from hakobu.scaffold.roles import Roles
from hakobu.table import matrices_of, read_table
from hakobu.train import Trained, split_rows, train
from hakobu_runtime.bundle import Bundle, open_bundle
from hakobu_runtime.errors import ProjectError
from hakobu_runtime.format.feature import Input, Kind, Missing
from hakobu_runtime.format.manifest import Dtype
from hakobu_runtime.format.onnx import check_model
from hakobu_runtime.format.validation import Outcome
from hakobu_runtime.model import Model
from hakobu_runtime.rows.source import Layout, open_rows
from hakobu_runtime.scorer.scorer import Scorer
from hakobu_runtime.trust import Keyring, PrivateKey

SENTENCE = (
    "the pump leaks Oil again überhitzt déjà vu straße 漏れ 油漏れ検査 pump_7 a1 x no not over heat IT'S don't co-op "
    "ISTANBUL İstanbul ΣΊΣΥΦΟΣ checked valve replaced noise smoke"
)
WORDS = SENTENCE.split()
NOTE = Input(name="note", column="note", kind=Kind.TEXT)
LOAD = Input(name="load", column="load", kind=Kind.NUMBER)


def sentences(rows: int, seed: int = 0) -> NDArray[np.object_]:
    rng = np.random.default_rng(seed)
    found = [" ".join(rng.choice(WORDS, rng.integers(1, 9))) for _ in range(rows)]
    return np.array([*found, None], dtype=object)[:-1]


def odd_texts(rows: int) -> NDArray[np.object_]:
    rng = np.random.default_rng(1)
    letters = list("aB1_- .'é\u0301\n\t漏 ßİΣ\x00")
    noise = ["".join(rng.choice(letters, rng.integers(0, 30))) for _ in range(rows // 2)]
    return np.concatenate([["", " ", "a", "\x00"], noise, made_texts(sentences(200), rows - rows // 2 - 4, rng)])


def texts_frame(texts: NDArray[np.object_], dtype: type[np.floating] = np.float32) -> pd.DataFrame:
    load = np.random.default_rng(len(texts)).normal(size=len(texts)).astype(dtype)
    return pd.DataFrame({"note": pd.Series(texts, dtype=object), "load": load})


TRAINING, ODD = np.concatenate([sentences(300), odd_texts(100)]), odd_texts(500)


def given_to(step: Any, texts: NDArray[np.object_]) -> tuple[NDArray[Any], NDArray[Any], bytes]:
    """Return what `step`, fitted on TRAINING, makes of `texts`, here and as ONNX."""
    columns = ColumnTransformer([("note", step, "note")], sparse_threshold=0)
    columns.fit(pd.DataFrame({"note": pd.Series(TRAINING, dtype=object)}))
    exported = export(columns, [NOTE], classifier=False)
    check_model(exported.model)
    session = onnxruntime.InferenceSession(exported.model, providers=["CPUExecutionProvider"])
    fed = np.array([text.lower() if exported.tensors.lowercase else text for text in texts], dtype=object)
    found = session.run(["value"], {"strings": fed.reshape(-1, 1)})[0]
    return columns.transform(pd.DataFrame({"note": pd.Series(texts, dtype=object)})), found, exported.model


PATTERNS = (
    r"(?u)\b\w\w+\b", r"\w+", r"\b\w+\b", r"(?u)\b\w\w\w+\b", r"[a-z]+", r"(?i)\b[a-z]\w+\b", r"\b[a-z]{2,4}\b", r"\S+",
    r"[^\s,.]{2,}", r"(?a)\b\w\w+\b", r"\d", r"[a-z]'?", r"(?u)\b[^\W\d_]+\b", r"#\w+", r"[\w'-]{2,}", r".",
)  # fmt: skip


@pytest.mark.parametrize("pattern", PATTERNS)
def test_the_words_of_every_alphabet_are_found_as_python_finds_them(pattern: str) -> None:
    letters = [chr(code) for code in [*range(0xD800), *range(0xE000, 0x20000), *range(0xE0000, 0xE0200)]]
    letters = letters if pattern == PATTERNS[0] else letters[::131]
    shown = [f"ab{letter}cd {letter}{letter} 1{letter}.\n" for letter in letters]
    texts = ["".join(shown[row : row + 200]) for row in range(0, len(shown), 200)] + ODD[:300].tolist()
    words = words_of(pattern)
    asked = {"mark": 0, "mincharnum": 1, "pad_value": "", "tokenexp": words.found}
    nodes = [helper.make_node("Tokenizer", ["texts"], ["words"], domain="com.microsoft", **asked)]
    nodes.append(helper.make_node("RegexFullMatch", ["words"], ["kept"], pattern=words.kept or ".*"))
    outputs = [helper.make_tensor_value_info(name, kind, None) for name, kind in (("words", 8), ("kept", 9))]
    entry = helper.make_tensor_value_info("texts", TensorProto.STRING, [None])
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(helper.make_graph(nodes, "g", [entry], outputs), opset_imports=opsets, ir_version=10)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    found, kept = session.run(None, {"texts": np.array(texts, dtype=object)})
    kept = (kept | (words.kept is None)) & (found != "")
    for text, row, good in zip(texts, found, kept, strict=True):
        assert row[good].tolist() == re.findall(pattern, text)


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        (r"(?:a|b)+", "is more than characters"),
        (r"\w+?", "is more than characters"),
        (r"(?<=a)b", "is more than characters"),
        (r"\w+\s\w+", "more than its last part varies"),
        (r"[a-z]*", "fits the empty text"),
        (r"", "fits the empty text"),
        (r"\b[a-z]+", r"\\b does not stand on both sides"),
        (r"\b[\w-]+\b", r"\\b does not stand on both sides"),
        (r"[^\s\S]", "no character fits"),
        (r"\w{2,2000}", "counts beyond 1000"),
    ],
)
def test_a_pattern_that_cannot_be_carried_over_is_refused(pattern: str, reason: str) -> None:
    with pytest.raises(NotImplementedError, match=reason):
        words_of(pattern)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"ngram_range": (1, 2)},
        {"ngram_range": (2, 2)},
        {"ngram_range": (1, 3), "stop_words": "english"},
        {"ngram_range": (2, 3), "stop_words": ["the", "oil", "pump", "zzz"]},
        {"ngram_range": (1, 2), "token_pattern": r"\b[a-z]{2,}\b"},
        {"lowercase": False, "token_pattern": r"\S+"},
        {"binary": True, "max_features": 10},
        {"min_df": 3, "max_df": 0.5},
        {"vocabulary": ["pump", "leaks", "zzz", "Oil", "pump leaks", "the", "!"]},
        {"vocabulary": ["pump leaks", "oil", "the pump leaks", "pump"], "ngram_range": (1, 2)},
        {"vocabulary": {"pump": 1, "the": 0}, "stop_words": ["the"]},
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore:Your stop_words may be inconsistent", "ignore:Upper case characters")
def test_words_are_counted_as_scikit_learn_counts_them(options: dict[str, Any]) -> None:
    expected, found, _ = given_to(CountVectorizer(**options), ODD)
    assert np.array_equal(found, expected)
    assert expected.max() > 0
    expected, found, _ = given_to(TfidfVectorizer(**options), ODD)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=0)


def test_the_same_vectorizer_gives_the_same_bytes() -> None:
    options = {"stop_words": "english", "ngram_range": (1, 2), "token_pattern": r"\b[a-z]{2,}\b"}
    models = [given_to(TfidfVectorizer(**options), ODD[:1])[2] for _ in range(2)]
    assert models[0] == models[1]


@pytest.mark.parametrize(
    "weights",
    [
        {"sublinear_tf": True},
        {"norm": "l1"},
        {"norm": None},
        {"use_idf": False},
        {"smooth_idf": False, "sublinear_tf": True, "norm": None},
    ],
    ids=str,
)
def test_counts_are_weighed_as_scikit_learn_weighs_them(weights: dict[str, Any]) -> None:
    expected, found, _ = given_to(TfidfVectorizer(**weights), ODD)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=0)
    expected, found, _ = given_to(make_pipeline(CountVectorizer(), TfidfTransformer(**weights)), ODD)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=0)


def test_several_vectorizers_may_read_one_column() -> None:
    union = FeatureUnion([("words", TfidfVectorizer(max_features=9)), ("pairs", CountVectorizer(ngram_range=(2, 2)))])
    expected, found, _ = given_to(union, ODD)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=0)


@pytest.mark.parametrize("dtype", list(Dtype))
def test_numbers_are_weighed_in_their_own_type(dtype: Dtype) -> None:
    X = pd.DataFrame(np.random.default_rng(0).poisson(0.7, (200, 3)).astype(dtype.value), columns=["a", "b", "c"])
    inputs = [Input(name=name, column=name, kind=Kind.NUMBER) for name in ("a", "b", "c")]
    model = make_pipeline(TfidfTransformer(sublinear_tf=True), Ridge()).fit(X, X["a"])
    exported = export(model, inputs, classifier=False, dtype=dtype)
    found: Any = Model(exported.model, exported.tensors, ()).predict(*matrices_of(X, inputs, dtype))
    np.testing.assert_allclose(found.values, model.predict(X), atol=2e-6 if dtype is Dtype.FLOAT32 else 1e-12)


@pytest.mark.parametrize("dtype", list(Dtype))
@pytest.mark.parametrize(
    "estimator", [LogisticRegression(), RandomForestClassifier(20, random_state=0)], ids=lambda e: type(e).__name__
)
def test_text_and_numbers_together_give_the_same_classes(estimator: Any, dtype: Dtype) -> None:
    frame, odd = texts_frame(TRAINING, np.dtype(dtype.value).type), texts_frame(ODD, np.dtype(dtype.value).type)
    y = np.array(["leaks" in text for text in TRAINING]) ^ (frame["load"].to_numpy() > 1)
    columns = ColumnTransformer([("note", TfidfVectorizer(), "note"), ("load", "passthrough", ["load"])])
    model = GridSearchCV(make_pipeline(columns, estimator), {}, cv=2).fit(frame, y.astype(np.int64))
    exported = export(model, [NOTE, LOAD], classifier=True, dtype=dtype)
    found: Any = Model(exported.model, exported.tensors, [0, 1]).predict(*matrices_of(odd, [NOTE, LOAD], dtype))
    assert np.array_equal(found.codes, model.predict(odd))
    np.testing.assert_allclose(found.probabilities, model.predict_proba(odd), atol=1e-6)


def refused(steps: Sequence[tuple[str, Any, Any]]) -> str:
    frame = texts_frame(TRAINING)
    columns = ColumnTransformer([*steps, ("load", "passthrough", ["load"])])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = make_pipeline(columns, LogisticRegression()).fit(frame, np.arange(len(frame)) % 2)
    with pytest.raises(ProjectError) as error:
        export(model, [NOTE, LOAD], classifier=True)
    return str(error.value)


@pytest.mark.parametrize(
    ("vectorizer", "reason", "remedy"),
    [
        (CountVectorizer(analyzer="char"), "the analyzer 'char'", 'use analyzer="word"'),
        (CountVectorizer(analyzer="char_wb"), "the analyzer 'char_wb'", 'use analyzer="word"'),
        (CountVectorizer(analyzer=str.split), "the analyzer 'split'", 'use analyzer="word"'),
        (TfidfVectorizer(tokenizer=str.split), "its tokenizer 'split'", "at None"),
        (TfidfVectorizer(preprocessor=str.strip), "its preprocessor 'strip'", "at None"),
        (TfidfVectorizer(strip_accents="unicode"), "its strip_accents 'unicode'", "at None"),
        (CountVectorizer(token_pattern=r"(?:\w|-)+"), "its token_pattern", "write token_pattern as sets"),
        (CountVectorizer(token_pattern=r"[a-z ]+", ngram_range=(1, 2)), "may hold blanks", "without blanks"),
        (HashingVectorizer(n_features=8), "HashingVectorizer", "use TfidfVectorizer"),
    ],
    ids=lambda part: part if isinstance(part, str) else type(part).__name__,
)
def test_what_no_operator_does_is_refused_with_a_remedy(vectorizer: Any, reason: str, remedy: str) -> None:
    words = refused([("note", vectorizer, "note")])
    assert reason in words.partition("\nremedy: ")[0]
    assert remedy in words.partition("\nremedy: ")[2]


def test_too_many_terms_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hakobu.export.converters.text.MOST_TERMS", 9)
    words = refused([("note", CountVectorizer(), "note")])
    assert "at most 9 are allowed" in words
    assert "\nremedy: " in words


@pytest.mark.parametrize(
    "other", [CountVectorizer(lowercase=False), OneHotEncoder(handle_unknown="ignore")], ids=lambda o: type(o).__name__
)
def test_a_column_that_is_read_in_lower_case_and_as_it_stands_is_refused(other: Any) -> None:
    columns: Any = "note" if isinstance(other, CountVectorizer) else ["note"]
    words = refused([("low", TfidfVectorizer(), "note"), ("plain", other, columns)])
    assert "TfidfVectorizer reads it in lower case" in words
    assert f"{type(other).__name__} as it stands" in words


def test_a_step_before_a_vectorizer_must_not_see_other_letters_than_in_training() -> None:
    words = refused([("note", make_pipeline(FunctionTransformer(), TfidfVectorizer()), "note")])
    assert "another step stands before it" in words


PROJECT = """\
[model]
name = "repairs"
version = "1.0.0"
task = "classification"

[data]
path = "data.csv"
target = "broke"

[features.load]
kind = "number"

[features.note]
kind = "text"
"""

PIPELINE = """\
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def build():
    words = TfidfVectorizer(ngram_range=(1, 2), stop_words=["the", "no"], sublinear_tf=True, min_df=2)
    columns = ColumnTransformer([("note", words, "note"), ("load", StandardScaler(), ["load"])])
    return make_pipeline(columns, LogisticRegression(C=0.3))
"""


def write_repairs(path: Path, rows: int = 800) -> None:
    """Write repairs whose target follows the load and three words of the note."""
    rng, notes = np.random.default_rng(2), sentences(rows, seed=2)
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["id", "load", "note", "broke"])
        for row, note in enumerate(notes):
            load = rng.normal(50, 10)
            score = (load - 50) / 5 + 3 * ("leaks" in note) - 3 * ("checked" in note) + 2 * ("smoke" in note) - 0.5
            broke = "yes" if rng.random() < 1 / (1 + np.exp(-score)) else "no"
            table.writerow([f"r{row * 7919 % rows}", f"{load:.2f}", "" if row % 20 == 0 else f"{note}.", broke])


@pytest.fixture(scope="module")
def repairs(
    tmp_path_factory: pytest.TempPathFactory, release_key: PrivateKey, keyring: Keyring
) -> tuple[Bundle, Trained]:
    """The bundle of a project with free text, and its pipeline, fitted once more."""
    folder = tmp_path_factory.mktemp("repairs")
    (folder / "hakobu.toml").write_text(PROJECT)
    (folder / "pipeline.py").write_text(PIPELINE)
    write_repairs(folder / "data.csv")
    project = read_project(folder)
    built = build(project, release_key)
    assert built.path is not None, [gate for gate in built.gates if gate.outcome is Outcome.FAILED]
    table = read_table(project)
    return open_bundle(built.path, keyring), train(table, split_rows(table, project), project)


def expected_of(trained: Trained, texts: NDArray[np.object_], load: NDArray[np.float32]) -> tuple[Any, Any]:
    frame = pd.DataFrame({"load": load, "note": pd.Series(texts, dtype=object)})
    return trained.estimator.predict(frame), trained.estimator.predict_proba(frame)


def test_two_thousand_odd_texts_are_scored_as_by_the_fitted_pipeline(repairs: tuple[Bundle, Trained]) -> None:
    bundle, trained = repairs
    texts = odd_texts(2000)
    load = np.random.default_rng(0).normal(50, 10, len(texts)).astype(np.float32)
    labels, odds = expected_of(trained, texts, load)
    scorer = Scorer(bundle.manifest, bundle.model)
    scores = scorer.score({"load": load, "note": texts.tolist()})
    assert list(scores.predictions) == labels.tolist()
    assert scores.probabilities is not None
    np.testing.assert_allclose(scores.probabilities, odds, atol=1e-6)
    assert set(scores.verdicts) == {"ok", "warned"}
    for row in range(0, len(texts), 40):
        one = scorer.score_one({"load": float(load[row]), "note": texts[row]})
        assert (one.prediction, one.verdict) == (scores.predictions[row], scores.verdicts[row])
        np.testing.assert_allclose(list(one.probabilities.values()), odds[row], atol=1e-6)


def test_texts_from_a_file_are_scored_as_by_the_fitted_pipeline(
    repairs: tuple[Bundle, Trained], tmp_path: Path
) -> None:
    bundle, trained = repairs
    texts, load = odd_texts(500), np.full(500, 51.5, dtype=np.float32)
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps({"note": text, "load": 51.5}) + "\n" for text in texts))
    scorer = Scorer(bundle.manifest, bundle.model)
    with open_rows(path, scorer.wanted(), layout=Layout()) as rows:
        scored = [scorer.score_block(block) for block in rows]
    odds = np.concatenate([one.predicted.probabilities for one in scored if one.predicted.probabilities is not None])
    np.testing.assert_allclose(odds, expected_of(trained, texts, load)[1], atol=1e-6)


def test_without_its_lower_case_the_model_would_be_another_one(repairs: tuple[Bundle, Trained]) -> None:
    bundle, _ = repairs
    assert bundle.manifest.tensors.lowercase == (0,)
    plain = msgspec.structs.replace(bundle.manifest.tensors, lowercase=())
    other = Scorer(msgspec.structs.replace(bundle.manifest, tensors=plain), bundle.model)
    assert other.replay(bundle.golden) != ()


def test_the_manifest_promises_lengths_and_no_texts_of_training_travel(repairs: tuple[Bundle, Trained]) -> None:
    bundle, trained = repairs
    feature = next(feature for feature in bundle.manifest.features if feature.name == "note")
    notes = [text for text in trained.X_train["note"] if text]
    assert feature.range is not None
    assert (feature.range.low, feature.range.high) == (min(map(len, notes)), max(map(len, notes)))
    assert (feature.missing, feature.unit, feature.categories) == (Missing.EXPECTED, "characters", None)
    assert sum(feature.baseline.counts) == len(trained.X_train)
    assert feature.baseline.counts[feature.number_bins.missing] == len(trained.X_train) - len(notes)
    assert not {text for text in notes if " " in text} & set(bundle.golden.columns["note"])
    assert None in bundle.golden.columns["note"]
    assert bundle.manifest.tensors.most_rows == 256


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ('kind = "text"', 'kind = "text"\npolicy = "clip"', "a text has no unit and cannot be clipped"),
        ('kind = "text"', 'kind = "text"\nunit = "m"', "a text has no unit and cannot be clipped"),
        ('kind = "text"', 'kind = "texts"', "did you mean 'text'?"),
    ],
)
def test_a_mistake_about_a_text_is_told(tmp_path: Path, before: str, after: str, words: str) -> None:
    (tmp_path / "hakobu.toml").write_text(PROJECT.replace(before, after))
    with pytest.raises(ProjectError, match=re.escape(words)):
        read_project(tmp_path)


def seen_in(*texts: str) -> Seen:
    draft = ColumnDraft("note")
    draft.extend(np.array([*texts, None], dtype=object)[:-1])
    return infer(draft.finish()).kind


def test_made_texts_hold_no_word_of_too_few_rows() -> None:
    seen = np.array([f"secret{row} the pump" for row in range(9)], dtype=object)
    rng = np.random.default_rng(0)
    assert "secret" not in " ".join(made_texts(seen, 300, rng, fewest=5)).casefold()
    assert "secret3" in " ".join(made_texts(seen, 300, rng))


def test_a_column_of_mostly_different_sentences_is_proposed_as_text() -> None:
    notes = [f"the pump number {row} leaks again" for row in range(60)]
    assert seen_in(*notes) is Seen.TEXT
    assert seen_in(*notes, *[""] * 100, "ok") is Seen.TEXT
    assert seen_in(*notes[:3] * 20) is Seen.CATEGORY
    assert seen_in(*(f"Anna Maria {row}" for row in range(60))) is Seen.CATEGORY


def test_a_table_with_notes_becomes_a_project_that_builds(tmp_path: Path, release_key: PrivateKey) -> None:
    write_repairs(tmp_path / "repairs.csv", 1200)
    folder = tmp_path / "new"
    draft = new_from_table(folder, Asked(tmp_path / "repairs.csv", Roles("broke"), Layout()))
    assert {kept.name: kept.kind for kept in draft.kept}["note"] is Seen.TEXT
    assert (
        "# 1,140 texts of" in (folder / "hakobu.toml").read_text() or "texts of" in (folder / "hakobu.toml").read_text()
    )
    built = build(read_project(folder), release_key)
    assert built.path is not None, [gate for gate in built.gates if gate.outcome is Outcome.FAILED]
