"""Renderers: pure functions from integer factors to images, one file per data set, drawn by `scene`
where the picture is of solids.
"""
