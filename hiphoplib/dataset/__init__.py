"""What models learn from: the spectrogram store, feature tables, splits and labels."""
