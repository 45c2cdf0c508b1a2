"""From a folder of finished runs to tables, trajectories, verdicts and one page to read."""
