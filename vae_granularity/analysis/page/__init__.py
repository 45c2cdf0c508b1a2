"""Write the report page: its charts, tables, words and assets."""
