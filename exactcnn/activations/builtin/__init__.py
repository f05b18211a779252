"""Floor 1: the built-in activations, a module each with its ``ENTRY``; ``activations.library`` collects them."""
