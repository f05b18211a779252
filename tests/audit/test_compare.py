"""Computed against printed: the whole table, and wrong definitions that must not pass."""

from __future__ import annotations

import dataclasses

import pytest

from exactcnn.audit import ARCHITECTURES, audit
from exactcnn.audit import compare as compare_module
from exactcnn.audit.architecture import MNIST, Architecture
from exactcnn.audit.compare import Comparison, cut
from exactcnn.audit.googlenet import squeezenet
from exactcnn.audit.graph import Graph
from exactcnn.audit.notes import notes
from exactcnn.audit.plain import figure_1
from exactcnn.audit.published import EXPLANATIONS, FIGURE_1, TABLE_1, Explanation

# n_1, max n_k, some n_k >= 1,281,167, verdict: by hand from the papers' tables.
TABLE = {
    **{f"vgg-{c}": (224 * 224 * 64, 224 * 224 * 64, True, "as printed") for c in "abcde"},
    "inception-v3": (149 * 149 * 32, 147 * 147 * 64, True, "as printed"),
    "inception-v4": (149 * 149 * 32, 147 * 147 * 64, True, "as printed"),
    "squeezenet": (111 * 111 * 96, 111 * 111 * 96, False, "as printed"),
    "enet": (256 * 256 * 16, 256 * 256 * 16, False, "as printed"),
    "googlenet": (112 * 112 * 64, 112 * 112 * 64, False, "as printed"),
    "resnet-50": (112 * 112 * 64, 112 * 112 * 64, False, "as printed"),
    "resnet-152": (112 * 112 * 64, 112 * 112 * 64, False, "as printed"),
    "xception": (149 * 149 * 32, 147 * 147 * 128, True, "explained"),
    "convnext-t": (56 * 56 * 96, 56 * 56 * 384, False, "no number"),
    "efficientnet-b0": (112 * 112 * 32, 112 * 112 * 96, False, "no number"),
    "mobilenet-v2": (112 * 112 * 32, 112 * 112 * 96, False, "no number"),
    "vit-b-16": (14 * 14 * 768, 14 * 14 * 768, False, "no number"),
    "figure-1": (67600, 67600, True, "as printed"),
}


def test_the_table_names_every_architecture():
    """Nothing is audited that is not expected here, and the other way round."""
    assert set(TABLE) == set(ARCHITECTURES)
    assert set(TABLE_1) <= set(ARCHITECTURES)


@pytest.mark.parametrize("name", TABLE)
def test_widths_and_verdicts(name):
    """n_1, max n_k, the width condition and what came of the comparison."""
    found = audit(ARCHITECTURES[name]())
    architecture = found.architecture
    assert (
        architecture.first.width,
        architecture.widest.width,
        found.reaches_n,
        found.verdict,
    ) == TABLE[name]


def test_printed_numbers_are_lower_bounds():
    """So they are meant; a single one above the true width would be an error of the paper."""
    for name, (first, widest) in TABLE_1.items():
        architecture = ARCHITECTURES[name]()
        assert 1000 * first <= architecture.first.width
        assert 1000 * widest <= architecture.widest.width


def test_numbers_are_cut_not_rounded():
    """710,432 is 700K and 1,382,976 is 1300K."""
    assert [cut(n, d) for n, d in ((710432, 1), (1382976, 2), (1182816, 3), (99, 3), (0, 1))] == [
        700000,
        1300000,
        1180000,
        99,
        0,
    ]


def vgg_like(filters, **options):
    """VGG A's first layer, changed."""
    net = Graph((3, 224, 224))
    at = net.conv("conv1_1", "input", filters, 3, **({"padding": 1} | options))
    return Architecture("vgg-a", "VGG A", "planted 2026", net, (net.dense("fc", at, 1000),))


@pytest.mark.parametrize(
    "planted, quantity, computed",
    [
        (vgg_like(48), "n_1", 48 * 224 * 224),
        (vgg_like(128), "max n_k", 128 * 224 * 224),
        (vgg_like(64, stride=2), "n_1", 64 * 112 * 112),
        # Right widths, wrong everything else: the parameters tell.
        (vgg_like(64), "parameters", (3 * 9 + 1) * 64 + (64 * 224 * 224 + 1) * 1000),
        (squeezenet(224), "n_1", 109 * 109 * 96),
    ],
)
def test_a_wrong_definition_is_a_difference_without_explanation(planted, quantity, computed):
    """The verdict is computed: it follows the definition."""
    found = audit(planted)
    assert found.verdict == "unexplained"
    (entry,) = (c for c in found.comparisons if c.quantity == quantity)
    assert (entry.computed, entry.status) == (computed, "unexplained")
    assert any(f"{quantity} is {computed:,}, printed " in line for line in notes(found))
    assert any(line.endswith("no explanation is recorded.") for line in notes(found))


def test_an_explanation_holds_for_its_own_number_only():
    """Xception with another widest layer is not explained by the text about 147 x 147 x 128."""
    net = Graph((3, 299, 299))
    at = net.conv("block1_conv1", "input", 32, 3, stride=2)
    at = net.conv("block1_conv2", at, 130, 3)
    found = audit(Architecture("xception", "Xception", "planted 2026", net, (net.dense("fc", at, 1000),)))
    statuses = {entry.quantity: entry.status for entry in found.comparisons}
    assert statuses == {"n_1": "as printed", "max n_k": "unexplained", "parameters": "unexplained"}


def test_a_recorded_difference_that_is_not_there_fails(monkeypatch):
    """Explanations cannot outlive what they explain."""
    stale = Explanation("vgg-a", "n_1", 224 * 224 * 64, "it is narrower")
    monkeypatch.setattr(compare_module, "EXPLANATIONS", (*EXPLANATIONS, stale))
    found = audit(ARCHITECTURES["vgg-a"]())
    assert found.verdict == "unexplained"
    assert any("they agree, yet a difference is recorded" in line for line in notes(found))


def test_without_the_explanation_xception_fails(monkeypatch):
    """The difference is really there."""
    monkeypatch.setattr(compare_module, "EXPLANATIONS", ())
    assert audit(ARCHITECTURES["xception"]()).verdict == "unexplained"


def test_every_recorded_explanation_is_used():
    """Each belongs to a comparison that differs."""
    for entry in EXPLANATIONS:
        found = audit(ARCHITECTURES[entry.architecture]())
        assert any(c.explanation == entry.text and c.status == "explained" for c in found.comparisons)


def test_figure_1_layer_by_layer():
    """All seven widths exactly; a layer more or another kernel is found."""
    found = audit(figure_1())
    assert [c.computed for c in found.comparisons] == [6, *FIGURE_1]
    net = Graph((1, 28, 28))
    at = net.maxpool("pool1", net.conv("conv1", "input", 100, 3), 2)
    longer = Architecture("figure-1", "Figure 1", "planted 2026", net, (net.dense("fc", at, 10),), MNIST)
    statuses = {c.quantity: c.status for c in audit(longer).comparisons}
    assert statuses["layers"] == statuses["n_3"] == "unexplained"
    assert statuses["n_2"] == "as printed"


def test_a_printed_number_above_the_computed_one_differs():
    """Not only looser bounds: wrong ones, too."""
    entry = Comparison("n_1", 800_000, 710_432, 1, "planted", None)
    assert entry.status == "unexplained"
    assert dataclasses.replace(entry, printed=700_000).status == "as printed"


def test_what_counts_as_a_layer_is_said():
    """ENet's number needs its join; nobody else's does."""
    for name, build in ARCHITECTURES.items():
        lines = [line for line in notes(audit(build())) if "counts the concat" in line]
        assert bool(lines) == (name == "enet"), name
    (line,) = (line for line in notes(audit(ARCHITECTURES["enet"]())) if "counts the concat" in line)
    assert "851,968 (800K, not the 1000K printed)" in line


def test_near_misses_are_said():
    """Three of today's networks reach 1200K and not N."""
    near = {n for n, b in ARCHITECTURES.items() if any("rounded N" in line for line in notes(audit(b())))}
    assert near == {"convnext-t", "efficientnet-b0", "mobilenet-v2"}
