"""Datasets: one file each, a declaration and the lines that read its format; no model enters.

`base.py` is the door (a LightningDataModule); data flows `sources` (find or fetch the files) →
`readers` → `cache` (converted once) → `store` (uint8 images) → `batches` (which indices when) →
float images.
"""
