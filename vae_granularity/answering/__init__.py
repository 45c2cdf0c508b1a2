"""From a data set and a budget of time to an answer: which granularity do the data need?"""
