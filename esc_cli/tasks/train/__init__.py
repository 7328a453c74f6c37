"""`esc train`: a recipe and pictures in, a trained network out."""
