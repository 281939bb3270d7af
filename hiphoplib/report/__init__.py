"""Show: figures, sentences and the client's page."""

from lazy_loader import attach

__getattr__, __dir__, __all__ = attach(__name__, submod_attrs={
    "figures_data": ["age", "label_middle", "label_threshold", "missing_values",
        "popularity_by_year", "popularity_histogram", "popularity_shapes", "release_years",
        "reliability", "sieve", "tracks_per_artist", "versions", "waterfall"],
    "figures_explanation": ["cell_map", "cells_over", "clock", "drawable", "explained",
        "explanation", "faithfulness", "listening_bands", "listening_map", "listening_seconds",
        "planted", "ranking", "score_over_time"],
    "figures_models": ["confusion", "context", "corpora", "ladder", "mean_spectra", "power", "roc",
        "spectrogram", "splits", "threshold_sensitivity", "training_curves", "waveform"],
    "style": ["apart", "auc_ticks", "axes_for", "dots", "finding", "in_order", "label_of", "leader",
        "legend_below", "mel_image", "rows", "save", "span", "titled", "use_style", "PALETTE",
        "POPULAR", "UNPOPULAR", "NEUTRAL", "LEVELS", "MEL_TICKS", "STYLE", "MODEL_LABELS",
        "MODEL_COLORS", "METRIC_COLORS", "METRIC_LABELS", "NETWORKS", "ORACLES", "LONGEST"],
    "song_page": ["check_path", "detail", "inline", "make_report", "write_report"],
})
