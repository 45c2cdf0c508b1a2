"""Analyse a folder of finished runs: tables, trajectories, verdicts and one page to read."""
