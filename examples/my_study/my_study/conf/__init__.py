"""Options of my_study, found by hydra.searchpath=[pkg://my_study.conf]."""
