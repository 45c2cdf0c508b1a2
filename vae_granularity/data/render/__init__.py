"""Renderers, one file per data set: pure functions from factors to images, seen by `camera`, met in
`scene`, painted on `canvas`.
"""
