"""What the bench measured, as Markdown: the README's section on performance."""

import textwrap
from pathlib import Path

from hiphoplib.errors import BadInput
from hiphoplib.evaluation.evaluate import read_results
from hiphoplib.report.style import MODEL_LABELS

BEGIN, END = "<!-- bench -->", "<!-- /bench -->"  # the README has the tables between them
RATIOS = {  # what each is of, and the bar that it has to meet
    "mel_vs_librosa": ("file to mel spectrogram on one core, times as fast as with librosa",
                       "at least 1.5"),
    "mel_vs_decode": ("the same, against decoding the file and nothing else", "–"),
    "workers_2_vs_1": ("two worker processes, times as fast as one", "at least 1.8"),
    "dask_2_vs_workers_2": ("two workers of a Dask cluster here, times as fast as two processes",
                            "–"),
    "rnn_vs_crnn_cost": ("training, cost of the RNN in those of the CRNN, full grid",
                         "at least 20"),
    "rnn_vs_crnn_cost_quick": ("the same on the quick grid", "–"),
    "side_by_side": ("training two folds side by side, times as fast as one after the other", "–"),
    "memory_parent_16000_vs_2000": ("peak memory of `mels`, 16,000 clips against 2,000",
                                    "at most 1.2"),
    "memory_worker_16000_vs_2000": ("the same of its largest worker", "at most 1.2"),
    "memory_training_16000_vs_2000": ("the same of training, the model that grows most", "–")}


def bench_markdown(results: dict) -> str:
    """Return the results of a bench as Markdown tables; parts that are missing are left out.

    Parameters
    ----------
    results : dict
        As `bench` writes them.

    Returns
    -------
    str
    """
    parts = (_report, _mel, _workers, _training, _memory, _explain, _startup)
    sections = [_machine(results), *_ratios(results),
                *(part(results[part.__name__[1:]]) for part in parts
                  if part.__name__[1:] in results),
                *(f"Measured apart from the rest, on {made}: {what}, by `{command}`."
                  for what, (command, made) in results.get("apart", {}).items())]
    return "\n\n".join(sections)


def _machine(results):
    of, corpus = results["machine"], results["corpus"]
    packages = ", ".join(f"{name} {version}" for name, version in of["packages"].items())
    return _wrapped(
        f"Measured by `make bench` on {results['made']}, in {results['minutes']:.0f} minutes, "
        f"on this machine: {of['processor']}, {of['cores']} cores, {of['memory_gb']:.0f} GB; "
        f"{of['system']}; Python {of['python']}, {packages}. Clips: {corpus['clips']} of "
        f"“{corpus['name']}”, repeated where a corpus is larger. **Ratios** compare runs of this "
        "one bench; those of speed alternated and are medians of pairs [middle half of the pairs]. "
        "All other figures are **absolute**: they hold for this machine.")


def _ratios(results):
    ratios, rows = results["ratios"], []
    pairs = {name: " [{low:.2f}, {high:.2f}]".format(**pair) for part in results.values()
             if isinstance(part, dict) for name, pair in part.get("pairs", {}).items()}
    for name, (what, bar) in RATIOS.items():
        if name in ratios:
            rows.append((what, f"{ratios[name]:.2f}{pairs.get(name, '')}", bar))
    return [_table({"measured": "", "bar": ""}, rows, "ratio")] if rows else []


def _report(part):
    return ("`make report`, its longest stages and all of it, absolute; memory is that of all "
            "processes together:\n\n" + _table(
                dict.fromkeys(("wall (s)", "user (s)", "kernel (s)", "memory (MB)"), ",.0f"),
                [tuple(stage.values()) for stage in part["stages"]], "stage"))


def _mel(part):
    ways = {"full": "read_clip + mel_spectrogram, full grid", "quick": "the same, quick grid",
            "librosa": "librosa.load, melspectrogram, power_to_db", "decode": "decoding alone"}
    rows = [(way, part["ms_per_clip"][name], 1000 / part["ms_per_clip"][name])
            for name, way in ways.items()]
    return (f"Audio to mel, one thread, {part['measurements']} measurements ({part['kind']}), "
            "absolute:\n\n" + _table({"ms a clip": ".1f", "clips/s": ".0f"}, rows, "way"))


def _workers(part):
    rows = [(workers, part["clips_per_second"][name], part["parent_cpu_ms_per_clip"][name])
            for name, workers in (("1", "1 process"), ("2", "2 processes"),
                                  ("dask 2", "2 Dask workers"))]
    wanted, fed = part["workers_for_a_million_in_an_hour"], part["workers_that_one_writer_feeds"]
    most = part["writer_clips_per_second"]
    text = (f"A Dask worker makes {part['dask_clips_per_second_and_worker']:.1f} clips a second "
            f"here; a million clips in one hour want **{wanted} such workers** (computed, not "
            "run). The process that writes the store, and here schedules too, decodes nothing; by "
            f"its own CPU time it keeps up with at most {most:.0f} clips a second, which is "
            f"**{fed} such workers**")
    text += (f": more have to wait for it, and a million clips take {1e6 / most / 3600:.1f} hours."
             if wanted > fed else ".")
    return (f"`mels --grid full` of {part['clips']} clips, absolute:\n\n" + _table(
        {"clips/s": ".1f", "writer's CPU, ms a clip": ".1f"}, rows, "workers")
        + "\n\n" + _wrapped(text))


def _training(part):
    rows = [(_label(name), of["parameters"], part["quick"][name]["ms_per_clip_epoch"],
             of["ms_per_clip_epoch"]) for name, of in part["full"].items()]
    return "Training, absolute:\n\n" + _table(
        {"parameters on full": ",", "quick: ms a clip and epoch": ".1f",
         "full: ms a clip and epoch": ".1f"}, rows, "model")


def _memory(part):
    small, large = map(str, part["sizes"])

    def row(what, of, bar, who="parent_mb"):
        return what, of[small][who], of[large][who], f"{of[large][who] / of[small][who]:.2f}", bar

    rows = [row("`mels`", part["mels"], "ratio at most 1.2"),
            row("`mels`, largest of 2 workers", part["mels"], "ratio at most 1.2", "worker_mb"),
            *(row(f"training {_label(name)}", of, "at most 2,500 MB")
              for name, of in part["training"].items()),
            row("scoring every clip by the CRNN and evaluating", part["evaluate"], "–")]
    trained = ", ".join(f"{_label(name)} {of[large]['trained_on']:,}"
                        for name, of in part["training"].items())
    return _table({f"{int(small):,} clips": ",.0f", f"{int(large):,} clips": ",.0f", "ratio": "",
                   "bar": ""}, rows, "peak memory, full grid") + "\n\n" + _wrapped(
        "MB of 10⁶ bytes resident in the process, pages of mapped files included, absolute. A "
        f"training was stopped after {part['training_seconds']:g} s of steps or one epoch: all "
        "clips were in the training set and were read for the scaler, steps were made on so many "
        f"of the {int(large):,}: {trained}. What is read ahead of the steps can grow over a whole "
        f"epoch. `mels` of them took {part['mels'][large]['seconds']:.0f} s. Explaining one track "
        f"by the {_label(part['explain']['model'])} takes {part['explain']['parent_mb']:,.0f} MB "
        f"(quick grid, {part['explain']['clips']} clips). Gathering is not measured.")


def _explain(part):
    rows = [(_label(name), of["explain_seconds"], "at most 30", of["score_ms"])
            for name, of in part.items()]
    return _wrapped("One track, quick grid, absolute; explaining is 40 segments, two fill values, "
                    "five seeds, 400 samples each, and the other attribution methods:") + "\n\n" + (
        _table({"explaining it (s)": ".1f", "bar (s)": "",
                "scoring it from its file on (ms)": ".0f"}, rows, "model"))


def _startup(part):
    return f"Start-up, median of {part['starts']}, absolute:\n\n" + _table(
        {"s": ".2f"}, [(f"`{command}`", s) for command, s in part["seconds"].items()], "command")


def _label(model):
    return MODEL_LABELS.get(model, model)


def _wrapped(text):
    return textwrap.fill(text, width=100, break_long_words=False, break_on_hyphens=False)


def _table(columns, rows, first):
    """Return a table of a column of text and others, whose formats are given by their heads."""
    lines = [[first, *columns], ["---", *["---:"] * len(columns)],
             *([name, *map(format, cells, columns.values())] for name, *cells in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def insert_bench(readme: Path | str, results: Path | str) -> None:
    """Put the tables of a bench between their markers in a README.

    Parameters
    ----------
    readme, results : path-like
        The README, and what `bench` has written.

    Raises
    ------
    BadInput
        If the markers are not there.
    """
    head, begin, rest = Path(readme).read_text("utf-8").partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not (begin and end):
        raise BadInput(f"{readme}: the lines {BEGIN} and {END} are not in it; put them where the "
                       "tables belong")
    tables = bench_markdown(read_results(results))
    Path(readme).write_text(f"{head}{BEGIN}\n\n{tables}\n\n{END}{tail}", "utf-8")
