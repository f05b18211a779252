"""What needs loss, slopes and curvature: exact numbers, jets, the loss surface, and the judgments and statements on it."""
