"""What several metrics share: inputs, results, estimators of information, nulls, errors; no metric itself."""
