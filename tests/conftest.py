"""Fixtures shared by all tests."""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from pathlib import Path

import pytest

# Files whose cases are many and alike, and one in how many of each test's cases is run without --thorough.
SAMPLED = {
    "activations/test_activations.py": 6,
    "activations/test_custom_activations.py": 5,
    "activations/test_floats.py": 3,
    "arithmetic/test_enclosures.py": 2,
    "certificates/test_regular.py": 12,
    "certificates/test_tampering.py": 20,
    "checker/test_cells.py": 8,
    "checker/test_checker_malformed.py": 4,
    "checker/test_forgers.py": 8,
    "checker/test_hostile.py": 10,
    "checker/test_intervals.py": 3,
    "checker/test_surface.py": 6,
    "docs/test_pages.py": 4,
    "features/test_balls.py": 8,
    "features/test_exact_features.py": 4,
    "features/test_graph_features.py": 3,
    "interop/test_activations.py": 4,
    "interop/test_difference.py": 2,
    "interop/test_from_onnx.py": 6,
    "interop/test_from_torch.py": 6,
    "interop/test_graphs.py": 3,
    "interop/test_three_ways.py": 3,
    "interop/test_windows.py": 3,
    "landscape/test_derivatives.py": 6,
    "landscape/test_elimination.py": 6,
    "landscape/test_enumeration.py": 6,
    "landscape/test_instances.py": 6,
    "landscape/test_minima.py": 6,
    "landscape/test_streamed.py": 5,
    "linalg/test_modular_lu.py": 5,
    "oracles/test_rank_agreement.py": 8,
    "proofs_checks/test_scripts.py": 8,
    "properties/test_certificates.py": 8,
    "report/test_report.py": 3,
    "sampling/test_command_line.py": 3,
    "sampling/test_ranks.py": 2,
    "statements/test_assumption_2_4.py": 4,
    "statements/test_extensions.py": 4,
    "statements/test_figure_1.py": 3,
    "statements/test_float_rank.py": 2,
    "statements/test_loss_at_size.py": 4,
    "statements/test_theorem_3_4.py": 8,
    "statements/test_theorem_3_5.py": 5,
    "statements/test_zero_loss_nearby.py": 5,
    "test_bad_inputs.py": 10,
    "test_cli.py": 6,
}

# Single tests of ten seconds to a minute and a half, run with --thorough only.
LONG = {
    "test_a_killed_dask_worker",
    "test_bad_minimum_of_an_all_sigmoid_network",
    "test_claims_are_bound_to_their_instance",
    "test_existence_without_explicit_parameters_is_certified",
    "test_exit_codes_of_a_script_and_of_all",
    "test_pattern_route_agrees_with_the_exact_one",
    "test_square_network_of_yun_sra_jadbabaie",
    "test_the_page_on_speed",
    "test_the_sample_for_a_model_of_ones_own",
    "test_theorem_3_5_on_all_60000_images",
}


def pytest_addoption(parser):
    parser.addoption(
        "--thorough", action="store_true", help="run every case of the files that are sampled otherwise"
    )


def pytest_collection_modifyitems(config, items):
    """The same cases on every machine; one of each test at least."""
    if config.getoption("--thorough") or any("::" in argument for argument in config.args):
        return
    here, groups = Path(__file__).parent, defaultdict(list)
    for item in items:
        name = item.path.relative_to(here).as_posix() if item.path.is_relative_to(here) else ""
        if name in SAMPLED:
            groups[name, item.originalname].append(item)
    left = {item for item in items if getattr(item, "originalname", None) in LONG}
    for (name, _), cases in groups.items():
        ranked = sorted(cases, key=lambda item: hashlib.sha256(item.name.encode()).digest())
        left.update(ranked[-(-len(cases) // SAMPLED[name]) :])
    config.hook.pytest_deselected(items=[item for item in items if item in left])
    items[:] = [item for item in items if item not in left]


@pytest.fixture(scope="session")
def mnist() -> Path:
    """EXACTCNN_MNIST, or shared/data/mnist beside one of the folders above this file."""
    named = os.environ.get("EXACTCNN_MNIST")
    candidates = (
        [Path(named)] if named else [up / "shared/data/mnist" for up in Path(__file__).resolve().parents]
    )
    for folder in candidates:
        if (folder / "train-images-idx3-ubyte.gz").is_file():
            return folder
    pytest.skip("the MNIST files are absent: name their folder in EXACTCNN_MNIST")
