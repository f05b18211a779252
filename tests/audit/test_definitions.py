"""The definitions against what others counted: parameter totals and the papers' own output sizes."""

from __future__ import annotations

import networkx
import pytest

from exactcnn.audit import ARCHITECTURES
from exactcnn.audit.googlenet import squeezenet
from exactcnn.audit.residual import enet

# Totals as printed by torchvision's, Keras's and Caffe's tables (not taken from exactcnn.audit).
TOTALS = {
    "vgg-a": 132863336, "vgg-b": 133047848, "vgg-d": 138357544, "vgg-e": 143667240,
    "inception-v4": 42679816, "squeezenet": 1248424, "googlenet": 6998552, "resnet-50": 25557032,
    "resnet-152": 60192808, "convnext-t": 28589128, "efficientnet-b0": 5288548, "mobilenet-v2": 3504872,
    "vit-b-16": 16 * 16 * 3 * 768 + 768,
}  # fmt: skip

# Layer, height x width x channels: from the tables of the papers.
SHAPES = {
    "vgg-d": {"conv1_2": (224, 64), "pool2": (56, 128), "conv4_3": (28, 512), "pool5": (7, 512)},
    "vgg-c": {"conv3_3": (56, 256), "conv5_3": (14, 512)},
    "googlenet": {
        "conv1": (112, 64), "pool1": (56, 64), "conv2": (56, 192), "pool2": (28, 192), "3a": (28, 256),
        "3b": (28, 480), "pool3": (14, 480), "4a": (14, 512), "4d": (14, 528), "4e": (14, 832),
        "pool4": (7, 832), "5a": (7, 832), "5b": (7, 1024),
    },
    "inception-v3": {
        "conv1_1": (149, 32), "conv1_2": (147, 32), "conv1_3": (147, 64), "pool1": (73, 64),
        "conv2_1": (73, 80), "conv2_2": (71, 192), "pool2": (35, 192), "5b": (35, 256), "5d": (35, 288),
        "6a": (17, 768), "6e": (17, 768), "7a": (8, 1280), "7c": (8, 2048),
    },
    "inception-v4": {
        "stem1_3": (147, 64), "stem2": (73, 160), "stem3": (71, 192), "stem4": (35, 384), "A4": (35, 384),
        "reduction_A": (17, 1024), "B7": (17, 1024), "reduction_B": (8, 1536), "C3": (8, 1536),
    },
    "squeezenet": {
        "conv1": (111, 96), "maxpool1": (55, 96), "fire2": (55, 128), "fire4": (55, 256), "maxpool4": (27, 256),
        "fire8": (27, 512), "maxpool8": (13, 512), "fire9": (13, 512), "conv10": (13, 1000),
    },
    "enet": {
        "initial": (256, 16), "bottleneck1.0": (128, 64), "bottleneck2.0": (64, 128), "bottleneck3.7": (64, 128),
        "bottleneck4.0": (128, 64), "bottleneck5.0": (256, 16), "bottleneck5.1": (256, 16), "fullconv": (512, 19),
    },
    "resnet-50": {
        "conv1": (112, 64), "pool1": (56, 64), "conv2_3": (56, 256), "conv3_4": (28, 512),
        "conv4_6": (14, 1024), "conv5_3": (7, 2048),
    },
    "resnet-152": {"conv3_8": (28, 512), "conv4_36": (14, 1024)},
    "xception": {
        "block1_conv1": (149, 32), "block1_conv2": (147, 64), "block2_sepconv2/pointwise": (147, 128),
        "block2": (74, 128), "block3": (37, 256), "block4": (19, 728), "block12": (19, 728),
        "block13": (10, 1024), "block14_sepconv2/pointwise": (10, 2048),
    },
    "mobilenet-v2": {
        "conv1": (112, 32), "bottleneck1_1/project": (112, 16), "bottleneck2_2": (56, 24),
        "bottleneck3_3": (28, 32), "bottleneck4_4": (14, 64), "bottleneck6_3": (7, 160), "conv2": (7, 1280),
    },
    "efficientnet-b0": {
        "stem": (112, 32), "stage3_2": (56, 24), "stage4_2": (28, 40), "stage5_3": (14, 80),
        "stage6_3": (14, 112), "stage7_4": (7, 192), "head": (7, 1280),
    },
    "convnext-t": {"stem": (56, 96), "stage2_3": (28, 192), "stage3_9": (14, 384), "stage4_3": (7, 768)},
    "vit-b-16": {"patch_embedding": (14, 768)},
    "figure-1": {"conv1": (26, 100), "pool1": (13, 100), "conv2": (12, 20), "pool2": (6, 20)},
}  # fmt: skip


@pytest.mark.parametrize("name", TOTALS)
def test_trained_parameters(name):
    """One wrong kernel, width, bias or norm anywhere changes the total."""
    assert ARCHITECTURES[name]().parameters == TOTALS[name]


def test_totals_that_are_counted_in_other_ways():
    """Auxiliary heads, stored statistics and rounding, as the sources count them."""
    v3 = ARCHITECTURES["inception-v3"]()
    # The auxiliary head of torchvision: 1x1 to 128, 5x5 to 768, both with batch norm; dense to 1000.
    head = 768 * 128 + 2 * 128 + 5 * 5 * 128 * 768 + 2 * 768 + 768 * 1000 + 1000
    assert v3.parameters + head == 27161264
    xception = ARCHITECTURES["xception"]()
    assert (xception.parameters, xception.parameters + xception.statistics) == (22855952, 22910480)
    # VGG's own Table 2: 133, 133, 134, 138, 144 million.
    millions = [round(ARCHITECTURES[f"vgg-{c}"]().parameters / 10**6) for c in "abcde"]
    assert millions == [133, 133, 134, 138, 144]
    # ENet's paper: 0.37 M, with what batch norm stores.
    net = enet()
    assert round((net.parameters + net.statistics) / 10**4) == 37


@pytest.mark.parametrize("name", SHAPES)
def test_output_sizes_of_the_papers_tables(name):
    """Square layers: extent and channels."""
    graph = ARCHITECTURES[name]().graph
    for layer, (extent, channels) in SHAPES[name].items():
        assert (graph[layer].above.extents, graph[layer].above.channels) == ((extent, extent), channels), (
            layer
        )


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_graphs_are_acyclic_and_lead_from_input_to_output(name):
    """One source, one sink, every layer on a path between them, sources named."""
    architecture = ARCHITECTURES[name]()
    dag = architecture.graph.dag
    assert networkx.is_directed_acyclic_graph(dag)
    assert [node for node in dag if dag.in_degree(node) == 0] == ["input"]
    sinks = [node for node in dag if dag.out_degree(node) == 0]
    assert len(sinks) == 1
    assert architecture.outputs in ((sinks[0],), ())
    assert architecture.name == name
    assert "20" in architecture.source


def test_depths_are_those_of_the_names():
    """Layers with weights on the longest path: 16 and 19 for VGG D and E, 50 and 152 for ResNet."""
    for name, depth in {
        "vgg-d": 16,
        "vgg-e": 19,
        "resnet-50": 50,
        "resnet-152": 152,
        "googlenet": 22,
    }.items():
        architecture = ARCHITECTURES[name]()
        longest = {"input": 0}
        for node in networkx.topological_sort(architecture.graph.dag):
            if node != "input":
                below = max(longest[name] for name in architecture.graph.dag.predecessors(node))
                longest[node] = below + (architecture.graph[node].kind in ("conv", "dense"))
        assert max(longest.values()) == depth, name


def test_first_layer_of_a_graph_that_begins_with_branches():
    """ENet's layer 1 is the concatenation; convolution alone it is narrower."""
    net = enet()
    assert (net.first.name, net.first.width) == ("initial", 16 * 256 * 256)
    assert (net.first_weighted.name, net.first_weighted.width) == ("initial/conv", 13 * 256 * 256)
    assert squeezenet(224).first.width == 109 * 109 * 96
