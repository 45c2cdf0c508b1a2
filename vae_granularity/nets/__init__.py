"""Encoder/decoder pairs, one file each."""
