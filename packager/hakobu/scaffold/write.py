"""The files of a new project: `hakobu.toml`, explained line by line, and `pipeline.py`."""

from collections.abc import Iterator
from string import Template

from hakobu.scaffold import toml
from hakobu.scaffold.draft import Draft, Kept, Left
from hakobu.scaffold.infer import Kind
from hakobu.scaffold.target import Target
from hakobu.settings import DataTable, GatesTable, KeysTable, MonitorTable, Task
from hakobu_runtime.format.feature import Part

_OTHER = {
    Task.CLASSIFICATION: '# "regression" predicts a number: then take HistGradientBoostingRegressor in pipeline.py',
    Task.REGRESSION: '# "classification" predicts a class: then take HistGradientBoostingClassifier in pipeline.py',
}
_POLICIES = (
    "# The columns to learn from. Ranges and categories are learned from the training rows. What a device does with a",
    "# value outside of them, or missing where none was in training, is the feature's policy:",
    '#   policy = "warn"       score it and mark the row; this is the default',
    '#   policy = "reject"     give the row no score',
    '#   policy = "clip"       move a number to the nearest end of its range',
    '#   policy = "missing"    treat it as missing',
    "# A feature can also say: range = [low, high] for a number, instead of what training saw; unit; description.",
    "# The range of a text is how many characters it may have.",
)


def project_file(draft: Draft, name: str, data_path: str) -> str:
    """Return the text of `hakobu.toml` for the model `name`, learned from the file at `data_path`."""
    parts: list[str | list[str]] = [
        "# All that `hakobu build` needs to know. What stands after a # is a comment.",
        "# A word that hakobu does not know is refused, with the nearest one that it knows.",
        "",
        list(_model(draft, name)),
        "",
        list(_data(draft, data_path)),
        "",
        list(_gates(draft.target)),
        "",
        list(_POLICIES),
    ]
    parts += [["", *_feature(kept)] for kept in draft.kept]
    if draft.left:
        parts += ["", "# Left out. To use one after all, write a section for it as above, and name it in pipeline.py."]
        parts += [toml.comment(_left(left), indent="    ") for left in draft.left]
    parts += ["", list(_rest())]
    return toml.lines(parts)


def _model(draft: Draft, name: str) -> Iterator[str]:
    task = draft.target.task
    yield "[model]"
    yield toml.entry("name", toml.text(name), "what the box is called: a to z, 0 to 9, hyphens")
    yield toml.entry("version", '"0.1.0"', "raise it with every release")
    yield _OTHER[task]
    yield toml.entry("task", toml.text(task), draft.target.why)
    yield toml.entry("pipeline", '"pipeline:build"', "pipeline.py, function build()")
    yield toml.entry("description", '""', "one sentence for those who get the box")


def _data(draft: Draft, path: str) -> Iterator[str]:
    data, roles, layout = DataTable(path, draft.roles.target), draft.roles, draft.source.layout
    yield "[data]"
    yield from toml.comment(
        f"{draft.rows:,} rows with a target, {len(draft.source.columns)} columns. "
        f"The target holds {draft.target.seen.partition(', missing')[0]}."
    )
    yield toml.entry("path", toml.text(data.path))
    yield toml.entry("target", toml.text(data.target), "what to predict")
    yield from _roles(draft)
    yield toml.entry("holdout", str(data.holdout), "the share of rows that the model never sees, and is judged on")
    if draft.missing:
        yield toml.entry(
            "missing", toml.texts(draft.missing), "what means missing, in any column, beside the empty cell"
        )
    else:
        yield '# missing = ["NA", "?"]         # what means missing, beside the empty cell'
    if layout.delimiter is not None:
        yield toml.entry("delimiter", toml.text(layout.delimiter), "what stands between two cells")
    if layout.encoding is not None:
        yield toml.entry("encoding", toml.text(layout.encoding))
    if roles.ids:
        yield toml.entry("id", toml.texts(roles.ids), "carried to the output, never learned from")
    else:
        yield '# id = ["COLUMN"]               # columns to carry to the output, never learned from'


def _roles(draft: Draft) -> Iterator[str]:
    roles = draft.roles
    if roles.time:
        yield toml.entry("time", toml.text(roles.time), "the hold-out is the last rows by this column")
        if roles.time_format:
            yield toml.entry("time_format", toml.text(roles.time_format), "how its times are written, as in strptime")
    else:
        yield '# time = "COLUMN"               # makes the last rows by this column the hold-out, not random ones'
    if roles.group:
        yield toml.entry("group", toml.text(roles.group), "its groups are never cut in two by the hold-out")
    else:
        yield '# group = "COLUMN"              # rows of one customer or machine stay on one side of the hold-out'


def _gates(target: Target) -> Iterator[str]:
    gates = GatesTable()
    metric, rule = ("r2", ">= 0.5") if target.task is Task.REGRESSION else ("roc_auc", ">= 0.75")
    yield "# What a build must pass, beside what every build must: the exported model gives what the trained one gives."
    yield "[gates]"
    yield toml.entry("overfit_gap", f"{gates.overfit_gap}", "how much better the model may be on rows that it has seen")
    yield toml.entry("dummy_margin", f"{gates.dummy_margin}", "how much better than a guess it must be on those unseen")
    yield toml.entry("missing_rate", f"{gates.missing_rate}", "the largest share of missing cells in a feature")
    if target.task is Task.REGRESSION:
        yield "# The device adds up in float32: a millionth of the largest target may get lost on the way."
        lost = float(f"{target.largest * _LOST:.0e}")
        yield f"parity = {{ absolute = {lost}, relative = {gates.parity.relative:g} }}"
    yield "# [gates.metrics]               # any scorer of scikit-learn on the hold-out, for instance:"
    yield f'# {metric} = "{rule}"'


def _feature(kept: Kept) -> Iterator[str]:
    yield f"[features.{toml.key(kept.name)}]"
    yield from toml.comment(kept.seen)
    for remark in (*kept.remarks, *kept.warnings):
        yield from toml.comment(remark)
    yield toml.entry("kind", toml.text(kept.kind))
    if kept.kind is Kind.DATE:
        others = ", ".join(part for part in Part if part not in kept.parts)
        yield toml.entry("parts", toml.texts(kept.parts), f"others: {others}")
        if kept.format:
            yield toml.entry("format", toml.text(kept.format), "as in strptime")


def _left(left: Left) -> str:
    return f"  {toml.key(left.name)}: {left.reason}"


def _rest() -> Iterator[str]:
    yield "[monitor]"
    yield toml.entry("span", toml.text(MonitorTable().span), 'the device counts what it sees by "day" or by "hour"')
    yield ""
    yield "[keys]"
    yield toml.entry("release", toml.text(KeysTable().release), "signs the box; `hakobu keys new` makes it")


def pipeline_file(draft: Draft, template: str) -> str:
    """Return the text of `pipeline.py`, from the template of the task."""
    categories, texts = ([kept.name for kept in draft.kept if kept.kind is kind] for kind in (Kind.CATEGORY, Kind.TEXT))
    numbers = [name for kept in draft.kept for name in _inputs(kept) if name not in {*categories, *texts}]
    large = draft.rows >= _LARGE
    return Template(template).substitute(
        numbers=_listed(numbers),
        categories=_listed(categories),
        texts=f"\nTEXTS = {_listed(texts)}" if texts else "",
        count_words=_COUNT_WORDS if texts else "",
        dense="\n        sparse_threshold=0,  # the trees read no sparse matrix" if texts else "",
        import_words="\nfrom sklearn.feature_extraction.text import CountVectorizer" if texts else "",
        rows=f"{draft.rows:,}",
        leaves=15 if large else 6 if draft.rows >= _MIDDLING else 3,
        share="a tenth" if large else "a fifth",
        fraction=0.1 if large else 0.2,
    )


_COUNT_WORDS = """
            # Whether each of the commonest words is there: 0 and 1 are exact wherever they are computed. Before a
            # linear model, TfidfVectorizer() without a limit is the better choice.
            *((f"text {n}", CountVectorizer(binary=True, max_features=300), name) for n, name in enumerate(TEXTS)),"""
_LARGE, _MIDDLING = 12_000, 2_500
_LOST = 1e-6


def _inputs(kept: Kept) -> list[str]:
    return [f"{kept.name}.{part}" for part in kept.parts] if kept.kind is Kind.DATE else [kept.name]


def _listed(names: list[str]) -> str:
    """Return a list in Python, a name a line; a string of TOML is one of Python too."""
    return "[\n" + "".join(f"    {toml.text(name)},\n" for name in names) + "]" if names else "[]"
