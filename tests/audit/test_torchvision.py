"""The definitions against the networks as torchvision runs them: every convolution's shape, one by one."""

from __future__ import annotations

from collections import Counter

import pytest

from exactcnn.audit import ARCHITECTURES

torch = pytest.importorskip("torch")
try:
    from torchvision import models
except (ImportError, RuntimeError):  # absent, or built for another PyTorch
    pytest.skip("torchvision cannot be imported", allow_module_level=True)

SAME = {
    "vgg-a": "vgg11", "vgg-b": "vgg13", "squeezenet": "squeezenet1_0", "mobilenet-v2": "mobilenet_v2",
    "efficientnet-b0": "efficientnet_b0", "inception-v3": "inception_v3", "resnet-50": "resnet50",
}  # fmt: skip


@pytest.mark.parametrize("name", SAME)
def test_convolutions_have_the_shapes_of_a_forward_pass(name):
    """Multisets of (channels, extents); squeeze-and-excitation's 1 x 1 convolutions are dense layers here."""
    options = {"aux_logits": False, "init_weights": False} if name == "inception-v3" else {}
    architecture = ARCHITECTURES[name]()
    size = architecture.graph["input"].above.extents
    seen = Counter()
    model = getattr(models, SAME[name])(**options).eval()
    for module in model.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.register_forward_hook(lambda m, i, out: seen.update([tuple(out.shape[1:])]))
    with torch.no_grad():
        model(torch.zeros(1, 3, *size))
    theirs = Counter({shape: count for shape, count in seen.items() if shape[1:] != (1, 1)})
    mine = Counter(
        (node.above.channels, *node.above.extents) for node in architecture.graph.nodes if node.kind == "conv"
    )
    if name == "resnet-50":  # torchvision strides the 3x3 convolution of a block, He et al. the first 1x1
        moved = {(c, e, e): n for c, e, n in ((128, 56, 1), (256, 28, 1), (512, 14, 1))}
        theirs -= Counter(moved)
        theirs += Counter({(c, e // 2, e // 2): n for (c, e, _), n in moved.items()})
    assert theirs == mine
    assert sum(p.numel() for p in model.parameters()) == architecture.parameters
