"""Sound: files, mel spectrograms, windows of whole songs, hand-crafted features, the tagger."""
