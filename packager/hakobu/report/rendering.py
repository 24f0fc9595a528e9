"""How pages are made: from templates that escape whatever stands in the data, with the one script that may run."""

from base64 import b64encode
from hashlib import sha256

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from hakobu.resources import folder
from hakobu_runtime.version import __version__


def render(template: str, **values: object) -> str:
    """Return the page that a template makes of `values`."""
    place = folder("templates") / "report"
    environment = Environment(
        loader=FileSystemLoader(place),
        autoescape=True,  # names of columns, categories, devices and texts may hold HTML
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    script = (place / "page.js").read_text("utf-8")
    return environment.get_template(template).render(
        **values,
        script=Markup(script),  # noqa: S704 - our own file
        # Only this very script may run, whatever a column is called.
        allowed=b64encode(sha256(script.encode()).digest()).decode(),
        hakobu=__version__,
    )
