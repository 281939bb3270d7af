"""Show: figures, sentences and the client's page."""

from lazy_loader import attach

_NAMES = {
    "figures_explanation": "explanation faithfulness listening planted segment_map swapped",
    "figures_models": "answer corpora metadata_gain model_comparison precision_at_k"
    " selective_accuracy",
    "figures_robustness": "label_sensitivity learning_curve splits",
    "sentences": "FOUR_KINDS explanation_summary headline results_table swap_sentences",
    "style": "MODEL_COLORS MODEL_LABELS NETWORK_NAMES NEUTRAL PALETTE POPULAR UNPOPULAR clock"
    " in_order label_of spectrogram title_model titled use_style",
}
__getattr__, __dir__, __all__ = attach(
    __name__, submod_attrs={module: names.split() for module, names in _NAMES.items()}
)
