"""How bytes become images: declarations, sources, downloads, readers, the conversion cache, hub."""
