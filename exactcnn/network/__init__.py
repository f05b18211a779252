"""Floor 2: what a CNN is: geometry, layers, lifting, activations, weights, spec files."""
