"""exactcnn audit: exit codes, one JSON object, one sentence for an unknown name."""

from __future__ import annotations

import json
import sys

import pytest

from exactcnn.audit import ARCHITECTURES
from exactcnn.audit.architecture import Architecture
from exactcnn.audit.googlenet import squeezenet
from exactcnn.audit.graph import Graph
from exactcnn.cli import main


@pytest.fixture
def run(monkeypatch, capsys):
    """Call the command line."""
    monkeypatch.delenv("EXACTCNN_DEBUG", raising=False)

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["exactcnn", *arguments])
        with pytest.raises(SystemExit) as caught:
            main()
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return caught.value.code, out, err

    return call


def odd_net():
    """One layer that no rule decides at its size."""
    net = Graph((3, 99, 99))
    at = net.conv("conv1", "input", 6, 3, stride=2, padding=1)
    return Architecture("odd", "Odd", "planted 2026", net, (net.dense("fc", at, 2),))


def test_the_whole_table(run):
    """Every architecture with both numbers, and the verdicts."""
    code, out, err = run("audit")
    assert (code, err) == (0, "")
    for text in ("3,211,264", "2,765,952", "1,204,224", "67,600", "N = 1,281,167", "explained"):
        assert text in out
    assert "unexplained" not in out


def test_json_is_one_object(run):
    """Numbers as numbers; layers only when asked for."""
    code, out, err = run("audit", "xception", "FIGURE-1", "xception", "--json")
    assert (code, err, len(out.splitlines())) == (0, "", 1)
    record = json.loads(out)
    assert record["verdict"] == "as expected"
    assert [entry["name"] for entry in record["architectures"]] == ["xception", "figure-1"]
    xception, figure = record["architectures"]
    assert (xception["n_1"]["n_k"], xception["max_n_k"]["n_k"], xception["reaches_N"]) == (
        710432,
        2765952,
        True,
    )
    assert (xception["verdict"], figure["verdict"], figure["N"]) == ("explained", "as printed", 60000)
    assert xception["first_reaching_N"]["layer"] == "block1_conv2"
    assert len(xception["assumption_2_4"]["refuted"]["convolutions"]) == 4
    assert "layers" not in xception


def test_json_with_layers(run):
    """Each layer with its width, each U with its bounds."""
    code, out, _ = run("audit", "resnet-50", "--layers", "--json")
    (entry,) = json.loads(out)["architectures"]
    assert code == 0
    layers = {layer["name"]: layer for layer in entry["layers"]}
    projection = layers["conv3_1/projection"]
    assert projection["n_k"] == 28 * 28 * 512
    assert (projection["U"]["verdict"], projection["U"]["upper"]) == ("refuted", 28 * 28 * 256)
    assert layers["pool1"]["U"] is None
    assert [layer["name"] for layer in entry["layers"] if not layer["hidden"]] == ["fc"]
    assert sum(layer["parameters"] for layer in entry["layers"]) == entry["parameters"] == 25557032


def test_layers_on_the_terminal(run):
    """A row for each layer, with the reason."""
    code, out, _ = run("audit", "vgg-c", "mobilenet-v2", "--layers")
    assert code == 0
    assert "conv5_3" in out
    assert "filters with one tap each" in out
    # Depthwise convolutions are outside Assumption 2.4: their rank is said, nothing is "proved".
    depthwise = [line for line in out.splitlines() if "/depthwise" in line]
    assert len(depthwise) == 17
    assert all("full rank" in line and "proved" not in line for line in depthwise)


@pytest.mark.parametrize("name", ["alexnet", "", "vgg", "[bold]", "xception\n"])
def test_an_unknown_name_is_one_sentence_with_the_known_ones(run, name):
    """Exit code 2, and what could have been meant."""
    code, out, err = run("audit", "vgg-a", name)
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert "architecture: expected one of vgg-a, vgg-b" in err
    assert "figure-1, found " in err
    code, out, _ = run("audit", name, "--json")
    assert code == 2
    assert list(json.loads(out)) == ["error"]


def test_an_unknown_option_is_bad_usage(run):
    """Typer's own complaint, in one sentence."""
    code, out, err = run("audit", "--everything")
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1


def test_a_planted_wrong_definition_fails_the_audit(run, monkeypatch):
    """Exit code 1, on the terminal and in JSON."""
    monkeypatch.setitem(ARCHITECTURES, "squeezenet", lambda: squeezenet(224))
    code, out, _ = run("audit")
    assert code == 1
    assert "unexplained" in out
    code, out, _ = run("audit", "squeezenet", "--json")
    assert (code, json.loads(out)["verdict"]) == (1, "difference unexplained")


def test_undecided_layers_matter_where_layers_are_asked_for(run, monkeypatch):
    """Exit code 3 with --layers, 0 without: the table does not depend on it."""
    monkeypatch.setitem(ARCHITECTURES, "odd", odd_net)
    assert run("audit", "odd")[0] == 0
    code, out, _ = run("audit", "odd", "--layers", "--json")
    record = json.loads(out)
    assert (code, record["undecided_layers"]) == (3, 1)
    assert record["architectures"][0]["assumption_2_4"]["undecided"]["convolutions"] == ["conv1"]
    assert "undecided at full size; proved for " in run("audit", "odd", "--layers")[1]


def test_help_has_examples_and_exit_codes(run):
    """What a newcomer needs is in --help."""
    code, out, _ = run("audit", "--help")
    assert code == 0
    for text in ("exactcnn audit xception --layers", "Exit codes", "ARCHITECTURE"):
        assert text in out
