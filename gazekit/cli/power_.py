"""``gazekit power``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click


class NumberList(click.ParamType[Any]):
    """Several numbers above 0, separated by commas."""

    name = "A,B,..."

    def convert(self, value: Any, param: Any, ctx: Any) -> list[int]:
        """Read them."""
        if isinstance(value, list):
            return value
        try:
            numbers = [int(part) for part in str(value).split(",")]
        except ValueError:
            numbers = []
        if not numbers or min(numbers) < 1:
            self.fail(f"{value!r} is not a list of whole numbers above 0, as 50,100,200", param, ctx)
        return numbers


@click.command("power")
@click.option("--difference", type=float, required=True, help="The difference in SRCC that is to be seen.")
@click.option("--pictures", type=NumberList(), default="50,100,200,500", show_default=True, help="Tested pictures.")
@click.option("--people", type=NumberList(), default="15", show_default=True, help="People who look at each picture.")
@click.option("--raters", type=NumberList(), default="12", show_default=True, help="Raters of each picture.")
@click.option("--seeds", type=NumberList(), default="1,3", show_default=True, help="Seeds of training.")
@click.option("--folds", type=click.IntRange(0), default=10, show_default=True, help="Of cross-validation; 0: a split.")
@click.option(
    "--alpha",
    default=0.05,
    show_default=True,
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="The share of false claims that is allowed; divide it by the number of comparisons of a family.",
)
@click.option("--pilot", type=click.Path(path_type=Path), help="Comparison folder of a pilot; default: typical values.")
@click.option("--score", type=click.FloatRange(0, 1, max_open=True), help="SRCC on whole pictures; default: 0.6.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Of the simulation.")
@click.option("--json", "as_json", is_flag=True, help="Print the table as JSON.")
def command(
    difference: float,
    pictures: list[int],
    people: list[int],
    raters: list[int],
    seeds: list[int],
    pilot: Path | None,
    score: float | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Tell how many pictures, people, raters and seeds it takes to see a difference, before there are data.

    Networks and raters are simulated as a pilot has them, or as is typical. The last line names the smallest study that
    sees the difference 8 times in 10.

    \b
    Example:  gazekit power --difference 0.05
              gazekit power --difference 0.1 --pictures 40,80,160 --people 5,15 --pilot runs/pilot
    """
    import json
    from dataclasses import replace

    from gazekit.core.errors import InputError
    from gazekit.stats.power import World, designs_of, power_table, world_of

    if not difference:
        raise InputError("a difference of 0 cannot be seen; say how large the one is that is to be seen")
    world = World() if pilot is None else world_of(pilot)
    world = world if score is None else replace(world, score=score)
    table = power_table(difference, designs_of(pictures, people, raters, seeds), world, **options)
    if as_json:
        click.echo(json.dumps(table.to_dict("records")))
        return
    click.echo(table.to_string(index=False, formatters={"power": "{:.2f}".format}))
    enough = table[table["power"] >= 0.8]
    if enough.empty:
        click.echo(f"None of these sees a difference of {difference:g} 8 times in 10; more pictures may.")
        return
    row = enough.iloc[0]
    click.echo(
        f"{row['pictures']:.0f} pictures with {row['people']:.0f} people, {row['raters']:.0f} raters and "
        f"{row['seeds']:.0f} seeds see a difference of {difference:g} {row['power']:.0%} of the time."
    )
