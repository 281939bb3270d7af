"""What the bench measured, as Markdown: the README's section on performance."""

import sys
import textwrap
from pathlib import Path

from hiphoplib.errors import BadInput
from hiphoplib.evaluation.evaluate import read_results
from hiphoplib.report.style import MODEL_LABELS

BEGIN, END = "<!-- bench -->", "<!-- /bench -->"  # the README has the tables between them
RATIOS = {  # what each says, and the least or the most that it has to be
    "mel_vs_librosa": ("file to mel spectrogram on one core, times as fast as with librosa",
                       1.5, None),
    "mel_vs_decode": ("the same, against decoding the file and nothing else", None, None),
    "workers_2_vs_1": ("two worker processes, times as fast as one", 1.8, None),
    "dask_2_vs_workers_2": ("two workers of a Dask cluster here, times as fast as two processes",
                            None, None),
    "rnn_vs_crnn_cost": ("training, cost of the RNN in those of the CRNN, full grid", 20, None),
    "rnn_vs_crnn_cost_quick": ("the same on the quick grid", None, None),
    "side_by_side": ("training two folds side by side, times as fast as one after the other", None,
                     None),
    "memory_parent_16000_vs_2000": ("peak memory of `mels`, {1:,} clips against {0:,}", None, 1.2),
    "memory_worker_16000_vs_2000": ("the same of its largest worker", None, 1.2),
    "memory_training_16000_vs_2000": ("the same of training, the model that grows most", None,
                                      None),
}
MOST_TRAINING_GB = 2.5
MOST_EXPLAINING_S = 30
SAMPLES = 400  # `explain.SAMPLES`, which takes seconds to import


def bench_markdown(results):
    """The results of a bench as tables.

    Parameters
    ----------
    results : dict
        As `hiphoplib.studies.bench` writes them; parts that are missing are left out.

    Returns
    -------
    str
        Markdown.
    """
    tables = {"report": _report, "mel": _mel, "workers": _workers, "training": _training,
              "memory": _memory, "explain": _explain, "startup": _startup}
    sections = [_machine(results), _ratios(results)]
    sections += [table(results[name]) for name, table in tables.items() if name in results]
    sections += [f"Measured apart from the rest, on {made}: {what}, by `{command}`."
                 for what, (command, made) in results.get("apart", {}).items()]
    return "\n\n".join(section for section in sections if section)


def _machine(results):
    """On what it was measured."""
    of, packages = results["machine"], results["machine"]["packages"]
    memory = f"{of['memory_gb']:.0f} GB" if of["memory_gb"] else "memory not known"
    said = (f"Measured by `make bench` on {results['made']}, in {results['minutes']:.0f} minutes, "
            f"on this machine: {of['processor']}, {of['cores']} cores, {memory}; {of['system']}; "
            f"Python {of['python']}, "
            + ", ".join(f"{name} {version}" for name, version in packages.items())
            + f". Clips: {results['corpus']['clips']} of “{results['corpus']['name']}”, repeated "
            "where a corpus is larger. **Ratios** compare runs of this one bench; those of speed "
            "alternated and are medians of pairs [middle half of the pairs]. All other figures are "
            "**absolute**: they hold for this machine.")
    return _wrapped(f"**A short run: its figures mean little.** {said}" if results["short"]
                    else said)


def _ratios(results):
    """Every ratio beside its bar."""
    sizes = results.get("memory", {}).get("sizes", (2000, 16_000))
    rows = []
    for name, (said, least, most) in RATIOS.items():
        if name not in results["ratios"]:
            continue
        bar = f"at least {least:g}" if least else f"at most {most:g}" if most else "–"
        spread = _spread(results, name)
        rows.append([said.format(*sizes), f"{results['ratios'][name]:.2f}{spread}", bar])
    return _table(["ratio", "measured", "bar"], rows) if rows else ""


def _spread(results, name):
    """Ends of the middle half of the pairs, where they are known."""
    for part in ("mel", "workers", "training"):
        pairs = results.get(part, {}).get("pairs", {})
        if name in pairs:
            return f" [{pairs[name]['low']:.2f}, {pairs[name]['high']:.2f}]"
    return ""


def _report(part):
    rows = [[stage["name"], *(f"{stage[name]:,.0f}" for name in ("wall", "user", "kernel",
                                                                 "memory_mb"))]
            for stage in part["stages"]]
    return ("`make report`, its longest stages and all of it, absolute; memory is that of all "
            "processes together:\n\n"
            + _table(["stage", "wall (s)", "user (s)", "kernel (s)", "memory (MB)"], rows))


def _mel(part):
    ms = part["ms_per_clip"]
    ways = {"full": "read_clip + mel_spectrogram, full grid",
            "quick": "the same, quick grid", "librosa": "librosa.load, melspectrogram, power_to_db",
            "decode": "decoding alone"}
    rows = [[said, f"{ms[way]:.1f}", f"{1000 / ms[way]:.0f}"] for way, said in ways.items()]
    return (f"Audio to mel, one thread, {part['measurements']} measurements ({part['kind']}), "
            "absolute:\n\n" + _table(["way", "ms a clip", "clips/s"], rows))


def _workers(part):
    rates, each = part["clips_per_second"], part["dask_clips_per_second_and_worker"]
    cpu, most = part["parent_cpu_ms_per_clip"], part["writer_clips_per_second"]
    wanted, fed = (part["workers_for_a_million_in_an_hour"], part["workers_that_one_writer_feeds"])
    rows = [[said, f"{rates[name]:.1f}", f"{cpu[name]:.1f}"] for name, said in (
        ("1", "1 process"), ("2", "2 processes"), ("dask 2", "2 Dask workers"))]
    said = (f"A Dask worker makes {each:.1f} clips a second here; a million clips in one hour want "
            f"**{wanted} such workers** (computed, not run). The process that writes the store, "
            "and here schedules too, decodes nothing; by its own CPU time it keeps up with at most "
            f"{most:.0f} clips a second, which is **{fed} such workers**")
    said += (f": more have to wait for it, and a million clips take {1e6 / most / 3600:.1f} hours."
             if wanted > fed else ".")
    return (f"`mels --grid full` of {part['clips']} clips, absolute:\n\n"
            + _table(["workers", "clips/s", "writer's CPU, ms a clip"], rows)
            + "\n\n" + _wrapped(said))


def _training(part):
    rows = [[MODEL_LABELS.get(name, name), f"{of['parameters']:,}",
             f"{part['quick'][name]['ms_per_clip_epoch']:.1f}", f"{of['ms_per_clip_epoch']:.1f}"]
            for name, of in part["full"].items()]
    return ("Training, absolute:\n\n" + _table(
        ["model", "parameters on full", "quick: ms a clip and epoch", "full: ms a clip and epoch"],
        rows))


def _memory(part):
    small, large = map(str, part["sizes"])
    rows = []
    for who, said in (("parent", "`mels`"), ("worker", "`mels`, largest of 2 workers")):
        rows.append([said, *_peaks(part["mels"], who, small, large), "ratio at most 1.2"])
    rows += [[f"training {MODEL_LABELS.get(name, name)}", *_peaks(of, "parent", small, large),
              f"at most {1000 * MOST_TRAINING_GB:,.0f} MB"]
             for name, of in part["training"].items()]
    rows.append(["scoring every clip by the CRNN and evaluating",
                 *_peaks(part["evaluate"], "parent", small, large), "–"])
    trained = ", ".join(f"{MODEL_LABELS.get(name, name)} {of[large]['trained_on']:,}"
                        for name, of in part["training"].items())
    head = ["peak memory, full grid", f"{int(small):,} clips", f"{int(large):,} clips", "ratio",
            "bar"]
    return (_table(head, rows)
            + "\n\n" + _wrapped(
                "MB of 10⁶ bytes resident in the process, pages of mapped files included, "
                f"absolute. A training was stopped after {part['training_seconds']:g} s of steps "
                "or one epoch: all clips were in the training set and were read for the scaler, "
                f"steps were made on so many of the {int(large):,}: {trained}. What is read ahead "
                "of the steps can grow over a whole epoch. `mels` of them took "
                f"{part['mels'][large]['seconds']:.0f} s. Explaining one track by the "
                f"{MODEL_LABELS[part['explain']['model']]} takes "
                f"{part['explain']['parent_mb']:,.0f} MB (quick grid, {part['explain']['clips']} "
                "clips). Gathering is not measured."))


def _peaks(sizes, who, small, large):
    """Peak at both sizes, and their ratio."""
    peaks = [sizes[size][f"{who}_mb"] for size in (small, large)]
    return [*(f"{peak:,.0f}" for peak in peaks), f"{peaks[1] / peaks[0]:.2f}"]


def _explain(part):
    rows = [[MODEL_LABELS.get(name, name), f"{of['explain_seconds']:.1f}",
             f"at most {MOST_EXPLAINING_S}", f"{of['score_ms']:.0f}"] for name, of in part.items()]
    return ("One track, quick grid, absolute; explaining is 40 cells, two fillings, five seeds, "
            f"{SAMPLES} samples each, and the witnesses:\n\n" + _table(
                ["model", "explaining it (s)", "bar (s)", "scoring it from its file on (ms)"],
                rows))


def _startup(part):
    rows = [[f"`{command}`", f"{seconds:.2f}"] for command, seconds in part["seconds"].items()]
    return (f"Start-up, median of {part['starts']}, absolute:\n\n"
            + _table(["command", "s"], rows))


def _wrapped(text):
    """A paragraph in the README's lines."""
    return textwrap.fill(text, width=100, break_long_words=False, break_on_hyphens=False)


def _table(head, rows):
    """A Markdown table, numbers as they are given."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def insert(readme, results):
    """A README with the tables of a bench between its markers, str.

    Raises
    ------
    BadInput
        If the markers are not there.
    """
    head, begin, rest = readme.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not (begin and end):
        raise BadInput(f"README: the lines {BEGIN} and {END} are not in it; put them where the "
                       "tables belong")
    return f"{head}{BEGIN}\n\n{bench_markdown(results)}\n\n{END}{tail}"


if __name__ == "__main__":  # README.md notebooks/results/bench.json
    readme = Path(sys.argv[1])
    readme.write_text(insert(readme.read_text("utf-8"), read_results(sys.argv[2])), "utf-8")
