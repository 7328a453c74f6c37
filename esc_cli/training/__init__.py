"""Training: recipes, patches, objectives, and one explicit loop. Prints nothing."""
