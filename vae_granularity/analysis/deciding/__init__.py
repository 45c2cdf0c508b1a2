"""Which runs to add next, and when to stop: questions, the looks at them, and their error rate."""
