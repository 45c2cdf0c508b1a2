"""Datasets: one file each, a declaration and the lines that read its format; no model enters.

`base.py` is the door (a LightningDataModule) with splits and loaders; `source.py` below it settles
the source and fills the cache. Data flow `sources` (find or fetch the files) → `readers` → `cache`
(converted once) → `store` (uint8 images) → `batches` (indices of each step) → float images.
"""
