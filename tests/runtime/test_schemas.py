"""The published JSON Schemas are what the code reads and writes, and every value survives its JSON."""

import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from hakobu_runtime.errors import FormatError
from hakobu_runtime.format.codec import decode, encode
from hakobu_runtime.format.feature import (
    Baseline,
    Categories,
    Feature,
    Kind,
    Missing,
    Part,
    Policy,
    Range,
    Usual,
)
from hakobu_runtime.format.golden import Golden, Tolerance
from hakobu_runtime.format.histogram import Bins, CategoryBins, NumberBins
from hakobu_runtime.format.manifest import (
    Classification,
    Dtype,
    Manifest,
    Metric,
    Monitor,
    Provenance,
    Regression,
    Tensors,
    TimeColumn,
    WindowBy,
    read_manifest,
)
from hakobu_runtime.format.outcome import Outcome as DeviceOutcome
from hakobu_runtime.format.outcome import Subject, counts_of
from hakobu_runtime.format.parcel import DEVICE, Box, Happened, ModelState, Parcel, plain_words
from hakobu_runtime.format.pins import PinnedKey, TrustFile
from hakobu_runtime.format.receipt import CameHome, Receipt
from hakobu_runtime.format.schemas import PUBLISHED, main, schema_text
from hakobu_runtime.format.tally import ModelName, Tally
from hakobu_runtime.format.validation import Gate, Outcome, Stage, Validation
from hakobu_runtime.format.window import Span, Window

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "schemas"

texts = st.text(max_size=8)
names = st.text(min_size=1, max_size=8)
numbers = st.floats(-1e9, 1e9)
counts = st.integers(0, 2**63 - 1)
digests = st.text("0123456789abcdef", min_size=64, max_size=64)
versions = st.from_regex(r"(0|[1-9]\d{0,5})\.[0-9]\.[0-9](-[0-9a-z.]{1,8})?", fullmatch=True)
distinct = st.lists(names, min_size=1, max_size=4, unique=True).map(tuple)
ranges = st.tuples(numbers, numbers).map(lambda ends: Range(min(ends), max(ends)))
number_bins = st.lists(numbers, min_size=2, max_size=5, unique=True).map(lambda edges: NumberBins(tuple(sorted(edges))))
category_bins = distinct.map(CategoryBins)
usual = st.dictionaries(st.sampled_from(Span), st.builds(Usual, st.integers(1, 99), st.floats(0, 9)), max_size=2)
windows = st.builds(
    Window.of, st.datetimes(timezones=st.timezones()).filter(lambda t: 1000 < t.year < 9000), st.sampled_from(Span)
)


@st.composite
def baselines(draw: st.DrawFn, bins: st.SearchStrategy[Bins]) -> Baseline:
    chosen = draw(bins)
    found = draw(st.lists(st.integers(0, 2**40), min_size=chosen.size, max_size=chosen.size).filter(any))
    return Baseline(chosen, tuple(found), draw(usual))


@st.composite
def features(draw: st.DrawFn, name: str) -> Feature:
    kind = draw(st.sampled_from(Kind))
    is_category, reads_text = kind is Kind.CATEGORY, kind in (Kind.CATEGORY, Kind.TEXT)
    policy = draw(st.sampled_from([Policy.REJECT, Policy.WARN] if reads_text else list(Policy)))
    missing = draw(st.sampled_from([Missing.EXPECTED, Missing.UNEXPECTED]))
    part = None if reads_text else draw(st.none() | st.sampled_from(Part))
    return Feature(
        name=name,
        kind=kind,
        column=draw(names),
        part=part,
        format=draw(st.none() | texts) if part else None,
        policy=policy,
        missing=missing,
        baseline=draw(baselines(category_bins if is_category else number_bins)),
        range=None if is_category else draw(ranges),
        categories=Categories(draw(distinct), draw(st.booleans())) if is_category else None,
        unit=draw(texts),
        description=draw(texts),
    )


classes = st.one_of(
    st.lists(names, min_size=2, max_size=4, unique=True).map(tuple),
    st.lists(st.integers(-(2**63), 2**63 - 1), min_size=2, max_size=4, unique=True).map(tuple),
    st.just((False, True)),
)


@st.composite
def classifications(draw: st.DrawFn) -> Classification:
    found = draw(classes)
    labels = draw(baselines(st.just(CategoryBins(tuple(str(label) for label in found)))))
    return Classification(found, labels, draw(st.none() | baselines(number_bins)))


outputs = classifications() | st.builds(Regression, baselines(number_bins))
provenances = st.builds(
    Provenance,
    digests,
    digests,
    counts,
    counts,
    counts,
    texts,
    st.dictionaries(texts, texts, max_size=3),
    st.none() | texts,
    st.none() | texts,
)


@st.composite
def manifests(draw: st.DrawFn) -> Manifest:
    found = tuple(draw(features(name)) for name in draw(distinct))
    output = draw(outputs)
    kinds = {feature.reads_text for feature in found}
    is_class = isinstance(output, Classification)
    return Manifest(
        schema="hakobu.manifest/1",
        name=draw(st.from_regex(r"[a-z0-9]([a-z0-9-]{0,5}[a-z0-9])?", fullmatch=True)),
        version=draw(versions),
        min_runtime="0.1.0",
        target=draw(texts),
        dtype=draw(st.sampled_from(Dtype)),
        tensors=Tensors(
            "n" if False in kinds else None,
            "s" if True in kinds else None,
            lowercase=(0,) if True in kinds and draw(st.booleans()) else (),
            most_rows=draw(st.none() | st.integers(1, 999)),
            label="label" if is_class else None,
            probabilities=draw(st.none() | texts),
            value=None if is_class else "value",
        ),
        features=found,
        outputs=output,
        provenance=draw(provenances),
        metrics=draw(st.dictionaries(texts, st.builds(Metric, numbers, numbers), max_size=2)),
        id_columns=draw(st.lists(texts, max_size=2).map(tuple)),
        time=draw(st.none() | st.builds(TimeColumn, texts, st.none() | texts)),
        monitor=Monitor(draw(st.sampled_from([Span.HOUR, Span.DAY])), draw(st.sampled_from(WindowBy))),
        missing_values=draw(st.lists(texts, max_size=2).map(tuple)),
        description=draw(texts),
    )


cells = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | numbers | texts


@st.composite
def goldens(draw: st.DrawFn) -> Golden:
    size = draw(st.integers(0, 4))

    def rows(of: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
        return st.lists(of, min_size=size, max_size=size).map(tuple)

    return Golden(
        "hakobu.golden/1",
        draw(st.dictionaries(texts, rows(cells), max_size=3)),
        draw(rows(cells)),
        draw(rows(st.none() | st.lists(st.floats(0, 1), max_size=3).map(tuple))),
        draw(rows(texts)),
        draw(st.builds(Tolerance, st.floats(0, 0.5), st.floats(0, 0.5))),
    )


@st.composite
def tallies(draw: st.DrawFn) -> Tally:
    verdicts = draw(st.dictionaries(texts, st.integers(0, 2**40), max_size=3))
    slots = st.dictionaries(texts, st.lists(counts, max_size=4).map(tuple), max_size=3)
    return Tally(
        "hakobu.tally/1",
        draw(texts),
        draw(st.builds(ModelName, texts, texts, digests)),
        draw(windows),
        draw(counts),
        sum(verdicts.values()),
        verdicts,
        draw(slots),
        draw(slots),
        draw(st.dictionaries(texts, st.dictionaries(texts, counts, max_size=2), max_size=2)),
        draw(st.lists(counts, max_size=4).map(tuple)),
    )


moments = st.datetimes().map(lambda moment: f"{moment.isoformat()}+00:00")
words = texts.map(plain_words)
devices = st.from_regex(DEVICE, fullmatch=True)
boxes = st.builds(Box, st.just("1.2.3"), digests, moments)
happened = st.builds(Happened, st.integers(0, 99), moments, words, st.just("1.2.3"), digests, words)
model_states = st.builds(ModelState, st.just("tiny"), st.just("stable"), boxes, boxes, events=st.tuples(happened))
receipts = st.builds(
    Receipt,
    st.just("hakobu.receipt/1"),
    devices,
    moments,
    st.lists(st.builds(CameHome, st.integers(1, 2**50), digests), max_size=3).map(tuple),
)


@st.composite
def parcels(draw: st.DrawFn) -> Parcel:
    device, rows = draw(devices), draw(st.integers(0, 2**40))
    tally = msgspec.structs.replace(
        draw(tallies()),
        device=device,
        model=ModelName("tiny", "1.2.3", draw(digests)),
        window=Window("2026-11", Span.MONTH),
        rows=rows,
        verdicts={"ok": rows},
        features={"temp": (rows, 0)},
        outputs={},
        breaches={"temp": {"above": rows}},
        latency=(),
    )
    states = draw(st.lists(model_states, max_size=1).map(tuple))
    serial, made = draw(st.integers(1, 2**50)), draw(moments)
    said = (draw(words), draw(words))
    known = draw(outcomes())
    model = msgspec.structs.replace(tally.model, name="late")
    come = (msgspec.structs.replace(known, device=device, model=model),) if known.counts.confusion else ()
    return Parcel("hakobu.parcel/1", device, draw(texts), serial, made, *said, states, (tally,), come)


gates = st.builds(Gate, st.sampled_from(Stage), texts, texts, texts, texts, st.sampled_from(Outcome), texts)
validations = st.builds(Validation, st.just("hakobu.validation/1"), st.lists(gates, max_size=3).map(tuple))
pinned = st.builds(PinnedKey, texts, st.lists(texts, max_size=2).map(tuple))
trust_files = st.builds(TrustFile, st.just("hakobu.trust/1"), st.lists(pinned, max_size=3).map(tuple))


@st.composite
def outcomes(draw: st.DrawFn) -> DeviceOutcome:
    model = ModelName("late", "1.0.0", "0" * 64)
    subject = Subject(model, "late", draw(st.sampled_from([(), ("no", "yes")])), True, -20, {}, 10)
    rows = draw(st.integers(0, 30))
    rng = np.random.default_rng(draw(st.integers(0, 100)))
    truths = rng.integers(0, 2, rows).astype(np.float64)
    counts = counts_of(subject, rng.integers(0, 2, rows), rng.random(rows), truths)
    window, revision = Window("2026-11-21", Span.DAY), draw(st.integers(0, 2**63 - 1))
    return DeviceOutcome("hakobu.outcome/1", "device", model, window, revision, "e", -20, counts)


VALUES: dict[str, st.SearchStrategy[Any]] = {
    "golden.schema.json": goldens(),
    "manifest.schema.json": manifests(),
    "outcome.schema.json": outcomes(),
    "parcel.schema.json": parcels(),
    "receipt.schema.json": receipts,
    "tally.schema.json": tallies(),
    "trust.schema.json": trust_files,
    "validation.schema.json": validations,
}


def published(file: str) -> Any:
    return json.loads((FOLDER / file).read_text(encoding="utf-8"))


@pytest.mark.parametrize("file", PUBLISHED)
def test_a_published_schema_is_current(file: str) -> None:
    found = (FOLDER / file).read_text(encoding="utf-8")
    assert found == schema_text(file), "write them anew: python -m hakobu_runtime.format.schemas docs/schemas"


def test_nothing_else_is_published() -> None:
    assert {path.name for path in FOLDER.iterdir()} == set(PUBLISHED)


@pytest.mark.parametrize("file", PUBLISHED)
def test_a_published_schema_is_a_schema(file: str) -> None:
    Draft202012Validator.check_schema(published(file))


def test_the_command_writes_every_schema_and_wants_a_folder(tmp_path: Path) -> None:
    main([str(tmp_path / "new")])
    assert {path.name for path in (tmp_path / "new").iterdir()} == set(PUBLISHED)
    with pytest.raises(SystemExit, match="give one folder"):
        main([])


@pytest.mark.parametrize("file", PUBLISHED)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_value_survives_its_json_and_obeys_the_schema(file: str, data: st.DataObject) -> None:
    value = data.draw(VALUES[file])
    content = encode(value)
    assert decode(content, PUBLISHED[file][0], file) == value
    assert encode(decode(content, PUBLISHED[file][0], file)) == content
    Draft202012Validator(published(file)).validate(json.loads(content))


@settings(max_examples=60, deadline=None)
@given(manifests())
def test_a_manifest_survives_being_read_back(manifest: Manifest) -> None:
    assert read_manifest(encode(manifest), "0.1.0") == manifest


@settings(max_examples=60, deadline=None)
@given(features("f"))
def test_a_feature_survives_its_json(feature: Feature) -> None:
    assert decode(encode(feature), Feature, "feature") == feature


@pytest.mark.parametrize("file", PUBLISHED)
def test_an_unknown_field_breaks_both_the_schema_and_the_reader(file: str) -> None:
    content = json.dumps({"schema": PUBLISHED[file][1], "surprise": 1}).encode()
    errors = [error.message for error in Draft202012Validator(published(file)).iter_errors(json.loads(content))]
    assert any("surprise" in message for message in errors)
    with pytest.raises(FormatError, match=file):
        decode(content, PUBLISHED[file][0], file)
