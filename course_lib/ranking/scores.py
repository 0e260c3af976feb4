"""Transferability scores: how well frozen features fit the labels of a target, worked out without training.

    x, y = features[rows], labels[rows]        # float N,D of a frozen body, and int N; of training images, never of test
    nearest_mean(x, y)                         # share of images nearest to the mean of their own class, 0 to 1
    logme(x, y)                                # log evidence of a linear model, nats an image
    h_score(x, y, shrink=shrinkage(x))         # spread between classes over spread at all
    linear_cka(x, others)                      # how alike two sets of features are, 0 to 1
    leep(probabilities, y)                     # what the classes of the source say about ours, nats an image
    nce(source_labels, y)                      # the same from one source class an image

All take NumPy arrays or tensors, work in float64, and grow with how well the source fits. A score compares sources on the same
images and labels; its size says nothing by itself.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import CourseError

RIDGES = np.logspace(-10, 10, 201)  # of `logme`: prior precision over noise precision, in units of the features' size


def nearest_mean(features: Any, labels: Any) -> float:
    """Share of images that lie nearest to the mean of their own class, when the image itself is left out of that mean.

    Arguments:
        features: float N,D. labels: int N, every class with 2 images or more.

    Returns a share, 0 to 1; one over the number of classes is chance. Distances are Euclidean.
    Raises `CourseError` for what does not fit together.
    """
    x, y, classes = _checked(features, labels, least=2)
    counts = np.bincount(y, minlength=classes)
    means = np.stack([x[y == k].mean(0) for k in range(classes)])
    squares = (x**2).sum(1)[:, None] - 2 * x @ means.T + (means**2).sum(1)  # N,classes
    own = counts[y]
    # Without the image, the mean of its class moves away from it by 1 / (n - 1) of their distance.
    squares[np.arange(len(y)), y] *= (own / (own - 1)) ** 2
    return float((squares.argmin(1) == y).mean())


def logme(features: Any, labels: Any) -> float:
    """LogME: the largest log evidence of a linear model from features to labels, a number an image and class, in nats.

    For each class the target is 1 on its images and 0 on others; weights have a Gaussian prior of precision alpha, noise has
    precision beta, and both are chosen so that the targets are most probable once the weights are averaged over. So a body
    is not rewarded for having many numbers, as it would be by the fit alone.

    Arguments:
        features: float N,D. labels: int N.

    Returns the mean over classes of the log evidence, divided by N; higher is better.
    Raises `CourseError` for what does not fit together.

    Reference: You, Liu, Wang and Long 2021, LogME: Practical Assessment of Pre-trained Models for Transfer Learning, ICML
    (arXiv 2102.11005), section 4. With t = alpha / beta the best beta has a closed form, so one number is searched for.
    """
    x, y, classes = _checked(features, labels)
    u, sizes, _ = np.linalg.svd(x, full_matrices=False)
    power, count = sizes**2, len(y)  # r squared singular values
    targets = np.eye(classes)[y]  # N,classes
    along = (u.T @ targets) ** 2  # r,classes: what of each target lies along each direction of the features
    outside = np.maximum((targets**2).sum(0) - along.sum(0), 0)

    def evidence(t: np.ndarray) -> np.ndarray:
        """Log evidence at its best beta, T -> T,classes; beta is N over the misfit with its penalty."""
        kept = t[:, None] / (t[:, None] + power)  # T,r
        misfit = np.maximum(outside + kept @ along, 1e-300)
        complexity = np.log1p(power / t[:, None]).sum(1)[:, None]
        return count / 2 * (np.log(count / (2 * np.pi * misfit)) - 1) - complexity / 2

    ridges = RIDGES * max(power.max(), 1e-300)
    best = evidence(ridges).argmax(0)
    found = []
    for label, at in enumerate(best):
        low, high = np.log(ridges[max(at - 1, 0)]), np.log(ridges[min(at + 1, len(ridges) - 1)])
        for _ in range(4):  # each look narrows the search tenfold
            grid = np.linspace(low, high, 21)
            values = evidence(np.exp(grid))[:, label]
            low, high = grid[max(values.argmax() - 1, 0)], grid[min(values.argmax() + 1, 20)]
        found.append(values.max())
    return float(np.mean(found) / count)


def h_score(features: Any, labels: Any, shrink: float = 0.0) -> float:
    """H-score: how much of the features' spread is spread between classes, each direction measured by its own size.

    Arguments:
        features: float N,D. labels: int N.
        shrink: 0 for the covariance as it is; above 0 and below 1 for one pulled towards a round one, which few images need
            (`shrinkage(features)` says how far); the score is then scaled by 1 - shrink.

    Returns trace(covariance of features ^ -1 @ covariance of class means), 0 to classes - 1. With shrink=0 it stays the same
    under every invertible linear map of the features. Raises `CourseError` for what does not fit together, and with shrink=0
    where there are too few images: then it would be classes - 1 whatever the features are.

    Reference: Bao et al. 2019, An Information-Theoretic Approach to Transferability in Task Transfer Learning, ICIP (arXiv
    2212.10082); shrunk: Ibrahim, Ponomareva and Mazumder 2021, Newer is not always better (arXiv 2110.06893).
    """
    x, y, classes = _checked(features, labels)
    if not 0 <= shrink < 1:
        raise CourseError(f"shrink={shrink!r} is out of range; use 0 to below 1, or shrinkage(features).")
    x = x - x.mean(0)
    if shrink == 0 and np.linalg.matrix_rank(x) >= len(x) - 1:
        raise CourseError(
            f"{len(x)} images with {x.shape[1]} numbers each leave the covariance without a use: any labels would get the highest "
            "H-score. Give more images than numbers, or shrink=shrinkage(features)."
        )
    means = np.stack([x[y == k].mean(0) for k in range(classes)])[y]  # N,D
    covariance, between = x.T @ x / len(x), means.T @ means / len(x)
    if shrink:
        round_one = np.trace(covariance) / x.shape[1] * np.eye(x.shape[1])
        covariance = (1 - shrink) * covariance + shrink * round_one
    inverse = np.linalg.pinv(covariance, rcond=1e-12, hermitian=True)
    return float((1 - shrink) * (inverse * between).sum())


def shrinkage(features: Any) -> float:
    """How far a covariance is best pulled towards a round one, judged from the features alone; 0 to 1.

    Arguments:
        features: float N,D, not all rows alike.

    Reference: Ledoit and Wolf 2004, A well-conditioned estimator for large-dimensional covariance matrices, Journal of
    Multivariate Analysis 88(2), section 3.
    """
    x = _matrix(features)
    x = x - x.mean(0)
    count, width = x.shape
    covariance = x.T @ x / count
    size = np.trace(covariance) / width
    away = ((covariance - size * np.eye(width)) ** 2).sum()
    # The sum over images of |x x' - covariance| squared, multiplied out.
    noise = (((x**2).sum(1) ** 2).sum() - count * (covariance**2).sum()) / count**2
    return float(np.clip(noise / away, 0, 1)) if away > 0 else 1.0


def linear_cka(features: Any, others: Any) -> float:
    """Linear CKA: how alike two sets of features of the same images are, 0 (nothing in common) to 1.

    Arguments:
        features: float N,D. others: float N,E, row by row of the same images. One-hot labels make it the agreement of
            features and classes (centred kernel alignment, Cortes, Mohri and Rostamizadeh 2012).

    It stays the same when either set is rotated, or multiplied by a number. Raises `CourseError` for other shapes, and where all
    rows of a set are alike.

    Reference: Kornblith, Norouzi, Lee and Hinton 2019, Similarity of Neural Network Representations Revisited, ICML (arXiv
    1905.00414), section 3.
    """
    a, b = _matrix(features), _matrix(others)
    if len(a) != len(b):
        raise CourseError(f"CKA compares the same images: received {len(a)} rows and {len(b)}. Give one row an image.")
    a, b = a - a.mean(0), b - b.mean(0)
    sizes = [np.linalg.norm(one.T @ one if one.shape[1] < len(one) else one @ one.T) for one in (a, b)]
    if not all(sizes):
        raise CourseError("CKA needs features that differ from image to image; in one of the two sets all are alike.")
    return float(np.linalg.norm(a.T @ b) ** 2 / (sizes[0] * sizes[1]))


def leep(probabilities: Any, labels: Any) -> float:
    """LEEP: mean log probability of our labels, guessed from what the source's own head says; nats an image, at most 0.

    Arguments:
        probabilities: float N,Z, what the source's head gives each of its Z classes; each row sums to 1.
        labels: int N, ours.

    Raises `CourseError` for what does not fit together, and for rows that are no probabilities.

    Reference: Nguyen, Hassner, Seeger and Archambeau 2020, LEEP: A New Measure to Evaluate Transferability of Learned
    Representations, ICML (arXiv 2002.12462), section 3.
    """
    given, y, classes = _checked(probabilities, labels)
    if (given < 0).any() or not np.allclose(given.sum(1), 1, atol=1e-4):
        raise CourseError("LEEP takes probabilities: rows of numbers from 0 that sum to 1. Give softmax(scores).")
    together = np.stack([given[y == k].sum(0) for k in range(classes)]) / len(y)  # classes,Z: P(ours, theirs)
    ours = together / np.maximum(together.sum(0), 1e-300)  # P(ours | theirs)
    return float(np.log((given @ ours.T)[np.arange(len(y)), y]).mean())


def nce(source_labels: Any, labels: Any) -> float:
    """NCE: minus the entropy that is left in our labels once the source's label is known; nats an image, at most 0.

    Arguments:
        source_labels: int N, a class of the source for each image, such as the one that its head gives most to.
        labels: int N, ours.

    Reference: Tran, Nguyen and Hassner 2019, Transferability and Hardness of Supervised Classification Tasks, ICCV (arXiv
    1908.08142), section 4.
    """
    theirs, ours = _labels(source_labels), _labels(labels)
    if len(theirs) != len(ours):
        raise CourseError(f"NCE takes two labels an image: received {len(theirs)} and {len(ours)}.")
    pairs, counts = np.unique(np.stack([theirs, ours]), axis=1, return_counts=True)
    of_source = np.bincount(theirs)[pairs[0]]
    return float((counts / len(ours) * np.log(counts / of_source)).sum())


def _checked(features: Any, labels: Any, least: int = 1) -> tuple[np.ndarray, np.ndarray, int]:
    """Features float64 N,D; labels numbered from 0 without holes; how many classes there are."""
    x, given = _matrix(features), _labels(labels)
    if len(x) != len(given):
        raise CourseError(f"A label for each row is needed: received {len(x)} rows and {len(given)} labels.")
    kinds, y, counts = np.unique(given, return_inverse=True, return_counts=True)
    if len(kinds) < 2 or counts.min() < least:
        raise CourseError(
            f"Scores need two classes or more, each with {least} images or more; received {dict(zip(kinds.tolist(), counts.tolist(), strict=True))}."
        )
    return x, y, len(kinds)


def _matrix(features: Any) -> np.ndarray:
    x = np.asarray(features.detach().cpu() if hasattr(features, "detach") else features)
    if x.ndim != 2 or len(x) < 2 or not x.shape[1] or x.dtype.kind not in "fiu":
        raise CourseError(
            f"Features are numbers N,D with 2 rows or more; received {x.dtype} of shape {x.shape}. Flatten what a block "
            "gives with x.flatten(1)."
        )
    if not np.isfinite(x).all():
        raise CourseError(
            "Features must be finite; received a number that is missing or infinite. Leave such rows out."
        )
    return x.astype(np.float64)


def _labels(labels: Any) -> np.ndarray:
    y = np.asarray(labels.detach().cpu() if hasattr(labels, "detach") else labels)
    if y.ndim != 1 or not len(y) or y.dtype.kind not in "iu" or y.min() < 0:
        raise CourseError(f"Labels are whole numbers from 0, one an image; received {y.dtype} of shape {y.shape}.")
    return y.astype(np.int64)
