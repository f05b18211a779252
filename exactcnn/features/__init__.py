"""Floor 3: an instance -> its features F_k, exactly, in the domain asked for."""
