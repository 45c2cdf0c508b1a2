"""Many models of one architecture trained as one batched computation; each stays the run that it
would have been alone.
"""
