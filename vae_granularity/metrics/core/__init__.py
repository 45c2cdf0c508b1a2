"""What several metrics share: inputs, results, estimators, nulls, errors; no metric itself."""
