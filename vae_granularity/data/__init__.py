"""Datasets: one short file each holds a declaration and the lines that read the official format.

`base.py` is the door (a LightningDataModule); data flows `sources` (find or fetch the files) → a
reader → `cache` (converted once) → `store` (uint8 images) → `batches` (which indices when) → float
images.
"""
