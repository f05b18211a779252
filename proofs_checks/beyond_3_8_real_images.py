"""Beyond the paper, 3.8: on real images the effective width counts, not the nominal one.

Claim. Assumption 3.1 fails on real images (blank patches are everywhere), and where few patch values occur at a
position its T columns are nearly dependent: n_1 overstates what the layer can do. On MNIST's 60,000 images Figure
1's first layer has 67,600 units, of which at most 65,327 columns are independent by the first formula.

Checked here: the bound on the embedded digits, where it decides: N samples, n_1 >= N, and yet rank F_1 < N for
every choice of weights; MNIST's number with --full --mnist FILE.
"""

from exactcnn import load_data, verify
from exactcnn.features.bounds import counting_bounds
from proofs_checks._instances import conv, dense, network
from proofs_checks._script import Script, main


def checks(script: Script) -> None:
    data = load_data("digits")
    script.heading("Digits, single pixels as patches, 29 filters")
    net = network([1, 8, 8], conv(29, "sigmoid", kernel=1), dense(10))
    bound = counting_bounds(net, data, 1)[0]
    width = net.layer(1).width
    script.fact(
        "n_1 >= N, effective width below N",
        width >= data.N > bound.bound,
        f"{width} >= {data.N} > {bound.bound}",
    )
    script.expect("Assumption 3.1 fails", verify(net, data, statements="assumption-3.1"), "refuted")
    found = verify(net, data, statements="theorem-3.5", layer=1)
    script.counterexample("3.1 (the nominal width is not enough)", "rank F_1 < N for every parameter", found)
    script.heading("Digits, windows of 3 x 3: 3.1 fails as well, and the conclusion holds")
    few = load_data("digits", samples=500)
    net = network([1, 8, 8], conv(64, "sigmoid", kernel=3), dense(10))
    script.expect("Assumption 3.1 fails", verify(net, few, statements="assumption-3.1"), "refuted")
    script.expect("rank F_1 = N almost everywhere", verify(net, few, statements="theorem-3.5", layer=1))
    path = script.mnist("65,327 of 67,600 on MNIST")
    if path is not None:
        images = load_data(str(path))
        figure = network([1, 28, 28], conv(100, "sigmoid", kernel=3), dense(10))
        bounds = {each.kind: each.bound for each in counting_bounds(figure, images, 1)}
        script.fact("the first formula on MNIST", bounds["distinct-patches"] == 65_327, str(bounds))
        script.fact("the joint one is smaller still", bounds["restriction"] <= 64_253, str(bounds))


if __name__ == "__main__":
    main(checks)
