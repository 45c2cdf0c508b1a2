"""Turn files into images: declarations, sources, downloads, readers, the conversion cache, hub."""
