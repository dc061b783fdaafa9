"""Training: data, losses, recipes and the trainers that run them."""
