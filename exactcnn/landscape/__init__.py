"""Floor 4a: the loss surface: interpolation, gradients and their bounds, critical points, minima nearby.

Modules here take an instance whose targets matter; features come from the floor below.
"""
