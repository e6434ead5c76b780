"""Run `.hyrax` bundles: preprocessing and network, proven, without torch."""
