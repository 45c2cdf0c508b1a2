"""Propose runs that would settle an open question, and run a deciding sweep until it is settled."""
