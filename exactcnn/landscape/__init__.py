"""Floor 4a: the loss surface: loss, gradients, Hessians, critical points, exactly or in balls."""
