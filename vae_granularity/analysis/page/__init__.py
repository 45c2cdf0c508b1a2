"""The report page: its charts, its words, its assets."""
