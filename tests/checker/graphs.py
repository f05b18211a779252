"""Graphs with every kind of node, all of rational activations."""

from math import prod

from handmade import (
    RELU,
    act,
    add,
    average,
    concat,
    conv,
    dense,
    inline,
    instance,
    network,
    pool,
    scale,
    seed,
)
from naive import places, shapes

LEAKY = act({"name": "leaky_relu", "slope": "1/3"})
GRAPHS = {
    "residual": network(
        [2, 3], conv(2, kernel=[3], padding=[1]), act(RELU), conv(2, kernel=[1], bias="filter"), add(2, 3)
    ),
    "twice the same": network([3], dense(2, "unit"), add(1, 1), act("square")),
    "add of the input and a copy": network([2, 2], scale([3, "-1/2"], [1, 0]), add(0, 1), dense(3)),
    "three summands": network([4], dense(3), dense(3, "unit", of=[0]), dense(3, of=[1]), add(1, 2, 3), LEAKY),
    "channels of two convolutions": network(
        [1, 4],
        conv(2, kernel=[2]),
        conv(1, kernel=[2], of=[0], bias="unit"),
        concat("channels", 1, 2, 1),
        conv(2, kernel=[3]),
    ),
    "channels on a plane": network(
        [2, 2, 2], conv(1, kernel=[1, 1]), pool([1, 1], of=[0]), concat("channels", 2, 1), act("relu6")
    ),
    "units of the input and more": network(
        [2, 2], conv(2, kernel=[2]), act(RELU), concat("units", 0, 2, 0), dense(4)
    ),
    "units in place of channels": network(
        [2, 3], conv(3, kernel=[2]), pool([2], of=[0]), concat("units", 1, 2)
    ),
    "average, padding left out": network([2, 4], average([3], [2], [[1, 2]]), dense(3)),
    "average, padding counted": network([2, 4], average([3], [2], [[1, 2]], True), dense(3, "unit"), LEAKY),
    "average over a plane": network([2, 3, 3], average([2, 3], padding=[[1, 0], [0, 2]]), act("square")),
    "average above a convolution": network([5], conv(3, kernel=[2]), act(RELU), average([2]), dense(4)),
    "average over lists": network(
        [4], dense(4), {"kind": "avgpool-lists", "patches": [[0, 1, 2], [3], [2, 1]]}, dense(3)
    ),
    "maxima over lists": network(
        [4], dense(4), {"kind": "maxpool-lists", "patches": [[0, 1, 2], [3, 0], [2, 1]]}, dense(3)
    ),
    "maxima of the input, asymmetric": network([2, 4], pool([2], [2], [[1, 0]]), pool([2], dilation=[1])),
    "scale of the input": network([3, 2], scale(["1/2", 3, -1], [0, "1/5", 1]), dense(3)),
    "scale of filters": network([2, 3], conv(2, kernel=[2]), scale(["2/3", -1], ["1/7", 0]), act(RELU)),
    "groups": network([4, 3], conv(6, kernel=[2], groups=2, bias="filter"), act(RELU), dense(4)),
    "a filter for each channel": network(
        [3, 4], conv(3, kernel=[2], groups=3, padding=[[0, 1]]), act("square")
    ),
    "groups on groups": network(
        [4, 2], conv(4, kernel=[1], groups=4), conv(8, kernel=[2], groups=2, bias="unit")
    ),
    "asymmetric": network([1, 4], conv(2, kernel=[3], padding=[[2, 0]], stride=[2]), act(RELU), dense(3)),
    "asymmetric plane": network(
        [2, 3, 2], conv(2, kernel=[2, 2], padding=[[0, 1], [1, 0]], dilation=[2, 1]), act(RELU)
    ),
    "space": network(
        [2, 1, 2, 2], conv(2, kernel=[1, 2, 1], padding=[[0, 0], [1, 0], [0, 0]]), average([1, 1, 2])
    ),
    "lists with padding, then a kernel": network(
        [4], conv(2, patches=[[0, -1], [1, -7], [2, 3], [3, 0]], extents=[2, 2]), conv(2, kernel=[2, 1])
    ),
    "polygons": network(
        [3],
        act({"name": "hardtanh", "low": "-1/2", "high": "7/3"}),
        dense(3, "unit"),
        act({"name": "prelu", "slope": "-2/5"}),
        dense(3),
        act("relu6"),
    ),
    "activation of the input": network([2, 2], act("relu"), act("square"), conv(3, kernel=[1])),
}


def case_of(net):
    """A few more samples than the last node has units, so that every column is met by a kernel."""
    count = len(places(shapes(net)[-1])) + 2
    inputs = prod(net["input"])
    rows = [[(5 * i * i + 3 * j * j + 7 * i * j + i) % 13 - 6 for j in range(inputs)] for i in range(count)]
    return instance(net, inline(rows, 2), seed(11, 5))
