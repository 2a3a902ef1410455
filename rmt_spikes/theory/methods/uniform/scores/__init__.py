"""What the regression says of single samples: its score given the latent variables."""
