"""Cases of the contract: the transforms that the first zoo is made of."""

from case import (
    MANY,
    MILD,
    SCALARS,
    STEPS,
    Case,
    D,
    chain_of_states,
    coupled,
    few_steps,
    gaussian_decoder,
    in_order,
    latent_and_data,
    latent_model,
    mlp,
    moved_latent_and_data,
    noisy,
    ode,
    on_normal,
    predicted,
)  # fmt: skip

from jaxgen import bases, numerics
from jaxgen import transforms as T
from jaxgen.model import Model

LAYER = T.chain(T.coupling(T.scale_and_shift(), mlp), T.flip())

CASES = {f"coupling-{name}": Case(lambda name=name: coupled(name), edge=2.0) for name in SCALARS}
# Of the scalars that couplings are held to, one on the whole space and one on the unit interval; "invert" has a spline.
CASES |= {f"autoregressive-{name}": Case(lambda name=name: in_order(name), edge=2.0) for name in ("affine", "binned")}
CASES |= {
    "chain": Case(lambda: on_normal(T.chain(T.triangular_affine(), LAYER, T.affine([1.0, 2.0, 3.0], -0.5)))),
    "alternating": Case(lambda: on_normal(T.alternating(T.scale_and_shift(), mlp, 3, unroll=2))),
    "repeat": Case(lambda: on_normal(T.repeat(LAYER, 3))),
    "invert": Case(lambda: on_normal(T.invert(in_order("spline").transform)), edge=2.0),
    "on": Case(lambda: latent_model(T.on("latent", T.triangular_affine()))),
    "affine": Case(lambda: on_normal(T.affine(0.5, [2.0, -3.0, 0.1]))),
    "triangular_affine": Case(lambda: on_normal(T.triangular_affine())),
    "flip": Case(lambda: on_normal(T.flip())),
    "on_condition": Case(lambda: on_normal(T.on_condition(lambda c: (c - 1) / 2, T.coupling(T.scale_and_shift(), mlp)))),
    "ode_flow-adaptive": Case(
        lambda: Model(bases.normal((2,)), ode(2, solver=numerics.adaptive(1e-4, 1e-4, max_steps=16))), tol=1e-3, edge=0.5, adaptive=True
    ),
    "ode_flow-fixed": Case(lambda: on_normal(ode(solver=numerics.fixed(24), scale=1.5)), tol=1e-5),
    "ode_flow-hutchinson": Case(lambda: on_normal(ode(solver=MANY, trace="hutchinson")), tol=1e-4),
    "probability_flow": Case(lambda: Model(bases.normal((2,)), T.probability_flow(*predicted(MILD, d=2), solver=MANY)), tol=1e-4),
    "ddim": Case(lambda: few_steps(T.ddim, MILD), tol=1e-4, square=False),
    "heun": Case(lambda: few_steps(T.heun, MILD), tol=1e-4, square=False),
    "ancestral": Case(lambda: noisy(T.ancestral), whole=chain_of_states(T.ancestral(*predicted(MILD, d=2), STEPS))),
    "euler_maruyama": Case(lambda: noisy(T.euler_maruyama), whole=chain_of_states(T.euler_maruyama(*predicted(MILD, d=2), STEPS))),
    "gaussian_decoder": Case(lambda: latent_model(gaussian_decoder()), whole=latent_and_data),
    "on-gaussian_decoder": Case(
        lambda: latent_model(T.chain(T.on("latent", T.triangular_affine()), gaussian_decoder())), whole=moved_latent_and_data
    ),
    "autoencoder": Case(lambda: Model(bases.normal((2,)), T.autoencoder(mlp(D), mlp(2))), square=False),
    "generator": Case(lambda: Model(bases.normal((2,)), T.generator(mlp(D))), square=False),
}  # fmt: skip
