"""Tables of the benchmarks, for the terminal."""

from __future__ import annotations

from typing import Any

from rich.table import Table

CONDITIONS = {
    "cells": "cells moved by {:g} %",
    "noise": "noise of {:g} %",
    "impurity": "impurity of {:g} %",
    "start": "from {:g}° 2θ",
    "end": "to {:g}° 2θ",
    "texture": "simulated, texture {:g}",
}
COLUMNS = ("hit@1", "hit@5", "hit@10", "hit@50", "hit@200", "mrr")


def robustness_table(result: dict[str, Any]) -> Table:
    """Hits of each first stage as cells and patterns are made worse."""
    depths = (1, 10, 200)
    table = Table(
        title=f"strict hits in % among the first {', '.join(map(str, depths))}; "
        f"{result['queries']} queries, {result['library']['entries']} entries",
        box=None,
        pad_edge=False,
    )
    table.add_column("")
    for stage in result["stages"]:
        table.add_column(stage.replace("_one_vector", ",\none vector"), justify="right")
    for row in result["conditions"]:
        shares = (row["strict"][stage] for stage in result["stages"])
        figures = [
            " ".join(f"{100 * hits[f'hit@{depth}']:3.0f}" for depth in depths) if hits else ""
            for hits in shares
        ]
        table.add_row(CONDITIONS[row["condition"]].format(row["level"]), *figures)
    return table


def cells_table(result: dict[str, Any]) -> Table:
    """Hits after the fit as all volumes change, cells fitted in size only and free."""
    rows = result["volumes"]
    table = Table(title="after the fit, strict hits in % among the first 1, 10", box=None)
    table.add_column("volume of every entry")
    for way in rows[0]["strict"]:
        table.add_column(f"cells {way}", justify="right")
    for row in rows:
        hits = (
            f"{100 * of['hit@1']:.1f} / {100 * of['hit@10']:.1f}" for of in row["strict"].values()
        )
        table.add_row(f"±{row['volume_percent']:g} %", *hits)
    return table


def verdict_table(found: dict[str, Any]) -> Table:
    """How often a match is called, rightly and not, and how honest certainties are."""
    table = Table(title="called a match, in %", box=None, pad_edge=False)
    table.add_column("")
    table.add_column("", justify="right")
    for key, title in (
        ("true_called_match", f"of {found['right_first']} whose first entry is right"),
        ("present_called_match", f"of all {found['present']} with the truth in the library"),
        ("withheld_called_match", f"of {found['withheld']} with the truth withheld"),
    ):
        table.add_row(title, f"{100 * found[key]:.1f}")
    for kept, false in found["withheld_called_match_at"].items():
        title = f"of those withheld, where {100 * float(kept):.0f} % of the right are kept"
        table.add_row(title, f"{100 * false:.1f}")
    honest = found["reliability"]
    table.add_row("Brier score of the certainty", f"{honest['brier']:.3f}")
    table.add_row("expected calibration error", f"{honest['expected_calibration_error']:.3f}")
    for one in honest["bins"]:
        if one["queries"]:
            title = f"said {100 * one['predicted']:.0f} % in {one['queries']} answers, seen"
            table.add_row(title, f"{100 * one['observed']:.0f}")
    return table


def scale_table(result: dict[str, Any]) -> Table:
    """Hits and times of vectors beside every entry."""
    table = Table(
        title=f"{result['queries']} queries, {result['failed']} failed, "
        f"{result['entries']} entries",
        box=None,
        pad_edge=False,
    )
    table.add_column("strict")
    columns = ("hit@1", "hit@10", "hit@200")
    for name in (*columns, "ms", "times faster", "points lost @1 (95 %)"):
        table.add_column(name, justify="right")
    for what, hits in result["strict"].items():
        stage = what.removesuffix(" and fit")
        lost = result["points_lost_at_1"].get(stage) if what != stage else None
        ratio = result["times_faster"].get(what)
        table.add_row(
            what,
            *(_figure(key, hits[key]) for key in columns),
            f"{result['median_ms'][what]:.1f}" if what == stage else "",
            f"{ratio:.1f}" if ratio else "",
            f"{lost['points']:.1f} ({lost['low']:.1f} to {lost['high']:.1f})" if lost else "",
        )
    return table


def lookup_speed_table(figures: dict[str, Any]) -> Table:
    """Times of look-ups."""
    table = Table(
        title=f"wall time of a look-up in {figures['entries']} entries", box=None, pad_edge=False
    )
    table.add_column("stage")
    for name in ("ms", "times faster than the masked cosine"):
        table.add_column(name, justify="right")
    for stage, ms in figures["median_ms"].items():
        ratio = figures["times_faster"].get(stage)
        table.add_row(stage.replace("_", " "), f"{ms:.1f}", f"{ratio:.1f}" if ratio else "")
    for channel, rate in figures["crystals_a_second"].items():
        table.add_row(f"{channel}, crystals a second", f"{rate}")
    return table


def ingest_table(result: dict[str, Any]) -> Table:
    """CIFs a second into a library, by the atoms of their cells."""
    table = Table(title=f"into a library, on {result['cores']} cores", box=None, pad_edge=False)
    table.add_column("atoms in the cell")
    for name in (
        "files", "entries", "a second", "processor ms a file", "pymatgen ms a file", "times faster"
    ):  # fmt: skip
        table.add_column(name, justify="right")
    for name, row in result["by_atoms_in_cell"].items():
        reference = row["pymatgen"]["parse_ms"] + row["pymatgen"]["simulate_ms"]
        table.add_row(
            name,
            str(row["files"]),
            str(row["entries"]),
            f"{row['files_a_second']:.0f}",
            f"{row['processor_ms']:.1f}",
            f"{reference:.1f}",
            f"{row['times_faster']:.1f}",
        )
    return table


def speed_table(cases: dict[str, Any]) -> Table:
    """Times of the calculation of lines."""
    table = Table(title="processor time for a crystal", box=None, pad_edge=False)
    for name in ("case", "symmetry"):
        table.add_column(name)
    for name in ("crystals", "atoms", "pymatgen ms", "braggle ms", "times faster"):
        table.add_column(name, justify="right")
    for case, figures in cases.items():
        for way, ms in figures["braggle_ms"].items():
            table.add_row(
                case.replace("_", " "),
                way.removeprefix("symmetry_"),
                str(figures["crystals"]),
                f"{figures['atoms']:.1f}",
                f"{figures['pymatgen_ms']:.2f}",
                f"{ms:.4f}",
                f"{figures['times_faster'][way]:.0f}",
            )
    return table


def lookup_table(result: dict[str, Any]) -> Table:
    """Hits of the look-up, of first stages and of the control."""
    rows = {f"look-up, {notion}": result[notion] for notion in ("strict", "species", "twin")}
    stages = {
        **result["first_stage"],
        "control: masked cosine": result["controls"]["masked_cosine"],
    }
    rows |= {f"{stage}, strict": table["strict"] for stage, table in stages.items() if table}
    columns = [key for key in COLUMNS if any(key in row for row in rows.values())]
    table = Table(
        title=f"{result['queries']} queries, {result['failed']} failed, "
        f"{result['library']['entries']} entries, "
        f"median {result['median_ms']} ms, p95 {result['p95_ms']} ms",
        box=None,
        pad_edge=False,
    )
    table.add_column("")
    for column in columns:
        table.add_column(column, justify="right")
    for name, row in rows.items():
        table.add_row(name, *(_figure(key, row.get(key)) for key in columns))
    return table


def mixtures_table(result: dict[str, Any]) -> Table:
    """Phase sets and weights, all and by series, and what was not right."""
    table = Table(
        title=f"{result['queries']} mixtures, {result['failed']} failed, "
        f"{result['library']['entries']} entries, chemistry: {result['chemistry']}",
        box=None,
        pad_edge=False,
    )
    rows = {"all": result, **result["series"]}
    table.add_column("")
    for name in rows:
        table.add_column(name, justify="right")
    for key, title, unit in (
        ("all_phases_found@1", "all phases, first answer", "share"),
        ("all_phases_found@3", "all phases, among three", "share"),
        ("truth_within_ties", "all phases, ties counted", "share"),
        ("recall", "phases found", "share"),
        ("precision", "phases right", "share"),
        ("traces", "traces besides", ""),
        ("weight_mae_percent", "weight error, mean, points", ""),
        ("weight_worst_percent", "weight error, worst, points", ""),
        ("median_seconds", "seconds, median", ""),
        ("median_cpu_seconds", "seconds of processor, median", ""),
    ):
        figures = [row[key] for row in rows.values()]
        table.add_row(
            title,
            *(
                "" if one is None else f"{100 * one:.1f} %" if unit else f"{one:g}"
                for one in figures
            ),
        )
    for one in result["per_query"]:
        if "failed" in one or not one["right"]:
            found = one.get("failed") or ", ".join(phase["formula"] for phase in one["found"])
            table.add_row(f"not right: {one['query']}", found)
    return table


def spiked_table(result: dict[str, Any]) -> Table:
    """What is found of either phase, by the minor one's share of the net intensity."""
    table = Table(
        title=f"{result['pairs']} pairs, {result['library']['entries']} entries, "
        f"chemistry: {result['chemistry']}",
        box=None,
        pad_edge=False,
    )
    for name in ("share", "minor found", "major found", "others above traces", "seconds"):
        table.add_column(name, justify="right")
    for row in result["shares"]:
        minor = row["minor_found_percent"]
        table.add_row(
            f"{row['share_percent']} %",
            "" if minor is None else f"{minor:.1f} %",
            f"{row['major_found_percent']:.1f} %",
            f"{row['with_strangers_percent']:.1f} %",
            "" if row["median_cpu_seconds"] is None else f"{row['median_cpu_seconds']:g}",
        )
    return table


def encoders_table(result: dict[str, Any]) -> Table:
    """Recall of trained encoders, side by side."""
    table = Table(title="strict hits in %; but for twins in brackets", box=None, pad_edge=False)
    table.add_column("")
    for one in result["encoders"]:
        table.add_column(
            f"{one['name']}\n{one['kind']}\n{one['parameters'] / 1e6:.1f} M weights\n"
            f"{one['steps']} steps\n{one['crystals_a_second']} crystals/s",
            justify="right",
        )
    for name, size in result["held_out"].items():
        table.add_row(f"{size['queries']} held out, {name}: {size['answers']}")
        for laboratory in result["encoders"][0]["held_out"][name]:
            by_encoder = [one["held_out"][name][laboratory] for one in result["encoders"]]
            for depth in ("hit@1", "hit@10"):
                figures = [
                    f"{100 * hits[depth]:.1f} ({100 * hits[f'but for twins, {depth}']:.1f})"
                    for hits in by_encoder
                ]
                table.add_row(f"  {laboratory}, {depth}", *figures)
    for which, row in result["encoders"][0].get("measured", {}).items():
        table.add_row(f"{row['queries']} measured, {which}: {result['library']['entries']}")
        for depth in (column for column in COLUMNS if column in row):
            figures = [_figure(depth, one["measured"][which][depth]) for one in result["encoders"]]
            table.add_row(f"  {depth}", *figures)
    return table


def solve_table(name: str, figures: dict[str, Any]) -> Table:
    """How often a proposer was right, by kind of case."""
    table = Table(title=f"{name}: {figures['seconds_a_case']} s a case", box=None, pad_edge=False)
    table.add_column("")
    table.add_column("cases", justify="right")
    depths = list(next(iter(figures["groups"].values()))["strict"])
    for kind in ("strict", "loose"):
        for depth in depths:
            table.add_column(f"{kind}\n{depth}", justify="right")
    table.add_column("rmse", justify="right")
    for group, row in figures["groups"].items():
        shares = [
            f"{100 * row[kind][depth]:.1f}" for kind in ("strict", "loose") for depth in depths
        ]
        rmse = "" if row["rmse"] is None else f"{row['rmse']:.3f}"
        table.add_row(group.replace("_", " "), str(row["cases"]), *shares, rmse)
    return table


def engines_table(engines: dict[str, dict[str, Any]]) -> Table:
    """What each engine gives of the right first answers, alone, and what is lost without it."""
    table = Table(title="what each engine gives (strict, %)", box=None, pad_edge=False)
    table.add_column("")
    depths = list(next(iter(engines.values()))["alone"]["strict"])
    for name in (
        "right first\nanswers",
        *(f"alone\n{depth}" for depth in depths),
        *(f"lost without\n{depth}" for depth in depths),
    ):
        table.add_column(name, justify="right")
    for name, row in engines.items():
        alone = [f"{100 * row['alone']['strict'][depth]:.1f}" for depth in depths]
        lost = [f"{100 * row['lost_without']['strict'][depth]:.1f}" for depth in depths]
        table.add_row(name, str(row["right_first_answers"]), *alone, *lost)
    return table


def distances_table(result: dict[str, Any]) -> Table:
    """How far predicted distances are off, by network and control."""
    title = f"distances of {result['crystals']} crystals of {result['formulas']} formulas, Å"
    table = Table(title=title, box=None, pad_edge=False)
    table.add_column("")
    table.add_column("")
    for name in ("crystals", "rmse", "rmse of likeliest", "overlap"):
        table.add_column(name, justify="right")
    controls = {f"control: {name}": one for name, one in result["controls"].items()}
    for name, groups in {**result["networks"], **controls}.items():
        for place, (group, row) in enumerate(groups.items()):
            table.add_row(
                name.replace("_", " ") if place == 0 else "",
                group.replace("_", " "),
                str(row["crystals"]),
                f"{row['rmse_angstrom']:.3f}",
                f"{row['rmse_of_likeliest_angstrom']:.3f}",
                f"{row['overlap']:.4f}",
            )
    return table


def sheets_table(name: str, result: dict[str, Any]) -> Table:
    """Hits of the sheets of one part, in percent, by condition and what ranks."""
    part = result["parts"][name]
    title = f"held out {name}: {part['queries']} patterns"
    table = Table(title=title, box=None, pad_edge=False)
    for heading in ("", "among", ""):
        table.add_column(heading)
    depths = list(next(iter(result["paper"].values())))
    for depth in depths:
        table.add_column(depth, justify="right")
    for condition in result["conditions"]:
        for place, (ranked, by) in enumerate(part[condition].items()):
            for among, hits in by.items():
                first = condition if place == 0 and among == next(iter(by)) else ""
                shares = [f"{100 * hits[depth]:.1f}" for depth in depths]
                table.add_row(first, among, ranked, *shares)
        if condition in result["paper"]:
            theirs = [f"{100 * result['paper'][condition][depth]:.0f}" for depth in depths]
            table.add_row("", "796", "the paper's, on its sheets", *theirs)
    return table


def breakdown_table(kinds: dict[str, dict[str, dict[str, float]]]) -> Table:
    """Hits by what the truth is."""
    titles = {
        "crystal_system": "crystal system",
        "volume": "cell volume, Å³",
        "source": "source",
    }
    table = Table(title="strict hits by what the truth is", box=None, pad_edge=False)
    table.add_column("")
    table.add_column("")
    for name in ("queries", "hit@1", "hit@10"):
        table.add_column(name, justify="right")
    for kind, groups in kinds.items():
        for place, (name, row) in enumerate(groups.items()):
            figures = [_figure(key, row[key]) for key in ("hit@1", "hit@10")]
            title = titles[kind] if place == 0 else ""
            table.add_row(title, name, str(row["queries"]), *figures)
    return table


def _figure(key: str, share: float | None) -> str:
    if share is None:
        return ""
    return f"{share:.3f}" if key == "mrr" else f"{100 * share:.1f} %"
