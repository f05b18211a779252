"""Floor 5: published architectures against the paper's Table 1 and Figure 1."""
