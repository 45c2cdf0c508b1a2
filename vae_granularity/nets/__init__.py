"""Encoder/decoder pairs, one file each; nothing here knows data, models or losses."""
