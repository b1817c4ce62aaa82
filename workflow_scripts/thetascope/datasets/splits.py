"""Division of cases into train, validation and test."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from thetascope.errors import UserError


@dataclass(frozen=True)
class Split:
    """How cases are divided: the configuration's `split`.

    Attributes
    ----------
    train, validation, test : float
        Shares of the cases, adding up to 1.
    seed : int
        Of the draw.
    """

    train: float
    validation: float
    test: float
    seed: int


def check(cases: Collection[str]) -> None:
    """Refuse cases that cannot be divided.

    Raises
    ------
    UserError
        If there are fewer than three.
    """
    if len(cases) < 3:
        raise UserError(
            f"{len(cases)} cases ({', '.join(cases)}) cannot make three parts; "
            "train, validation and test need at least one each"
        )


def assign(cases: Iterable[str], split: Split) -> dict[str, str]:
    """Assign each case to a part, at random but always in the same way.

    Cases are ordered by a hash of seed and name, so neither their order nor the platform matters,
    and a case that is added leaves most others where they are.

    Parameters
    ----------
    cases : iterable of str
        Names of the cases, each once.
    split : Split
        Sizes are rounded, with at least one case in each part.

    Returns
    -------
    dict
        Case → "train", "validation" or "test".

    Raises
    ------
    UserError
        If there are fewer than three cases.
    """
    order = sorted(cases, key=lambda case: hashlib.sha256(f"{split.seed}/{case}".encode()).digest())
    check(order)
    n_test = max(1, round(split.test * len(order)))
    n_validation = max(1, round(split.validation * len(order)))
    n_test = min(n_test, len(order) - 2)
    n_validation = min(n_validation, len(order) - n_test - 1)
    parts = ["test"] * n_test + ["validation"] * n_validation
    parts += ["train"] * (len(order) - len(parts))
    return dict(zip(order, parts, strict=True))
