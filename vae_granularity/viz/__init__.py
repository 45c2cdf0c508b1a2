"""Arrays in, matplotlib figures out; nothing here knows runs, models or metrics."""
