"""Show: figures, sentences and the client's page."""

from lazy_loader import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    submod_attrs={
        "figures_explanation": ["explanation", "faithfulness", "listening", "planted",
                                "score_over_time", "segment_map"],
        "figures_models": ["corpora", "label_sensitivity", "learning_curve", "metadata_gain",
                           "model_comparison", "precision_at_k", "splits"],
        "sentences": ["FOUR_KINDS", "attributions", "explanation_summary", "headline",
                      "results_table"],
        "song_page": ["inline", "make_report", "write_report"],
        "style": ["MODEL_COLORS", "MODEL_LABELS", "NETWORK_NAMES", "NEUTRAL", "PALETTE", "POPULAR",
                  "STYLE", "UNPOPULAR", "clock", "in_order", "label_of", "leader", "save",
                  "spectrogram", "titled", "use_style"],
    },
)
