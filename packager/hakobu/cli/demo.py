"""`hakobu demo`: the five-minute story."""

from pathlib import Path

import click

from hakobu_runtime.console.progress import Progress


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), default="hakobu-demo", metavar="[DIR]")
def command(folder: Path) -> None:
    """Show the whole story on real flights in DIR (hakobu-demo): build, install, score offline, watch drift."""
    from hakobu.demo import STEPS, demo

    done = 0
    with Progress("demo", STEPS) as progress:

        def step(label: str) -> None:
            nonlocal done
            progress.reach(done, label)
            done += 1

        for words in demo(folder, step):
            progress.clear()
            click.echo(words)
        progress.reach(STEPS, "done")
