"""What commands have in common that compare variants of a model on several corpora."""

import argparse
import sys
from pathlib import Path

from hiphoplib.errors import BadInput
from hiphoplib.evaluation.evaluate import write_results


def search_parser(name, description):
    """Parser of such a command, with the options that all have."""
    parser = argparse.ArgumentParser(prog=f"python -m hiphoplib.{name}", description=description)
    parser.add_argument("corpora", type=Path, nargs="+", metavar="data/NAME")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the tables here")
    return parser


def search(parser, options, arguments, compare, **about):
    """Compare on every corpus, print the tables, best first, and write them.

    Parameters
    ----------
    parser : argparse.ArgumentParser
    options : argparse.Namespace
        What it made of `arguments`, list of str or None for those of the process.
    compare : callable
        From a corpus' folder to a pd.DataFrame with one row a variant: "auc", and lists in
        columns that begin with "by", which are written and not shown.
    **about
        To be written beside the tables.

    Returns
    -------
    int
        The exit status: 1 for an error told in one line.
    """
    results = {}
    try:
        for folder in options.corpora:
            table = compare(folder)
            shown = table[[column for column in table if not column.startswith("by")]]
            best_first = shown.sort_values("auc", ascending=False)
            print(f"{folder.name}\n{best_first.round(4).to_string()}")
            results[folder.resolve().name] = table.to_dict("index")
    except BadInput as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if options.json:
        command = f"{parser.prog} {' '.join(arguments or sys.argv[1:])}"
        write_results({**about, "corpora": results, "command": command}, options.json)
    return 0
