"""Measuring a model: protocol, held-out terms, scores, figures, tables; models and data enter."""
