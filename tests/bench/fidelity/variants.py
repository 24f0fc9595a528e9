"""What people do with estimators: gaps, categories, losses, thresholds, weights, mixed columns, other libraries."""

from collections.abc import Iterator

from fidelity.case import Case
from fidelity.variant_boosters import BOOSTERS
from fidelity.variant_columns import COLUMNS
from fidelity.variant_models import MODELS
from fidelity.variant_trees import TREES


def variants() -> Iterator[Case]:
    """Yield every variant whose library is installed."""
    for name, make, table in (*TREES, *MODELS, *COLUMNS, *BOOSTERS):
        yield Case(name, make, table, variant=True)
