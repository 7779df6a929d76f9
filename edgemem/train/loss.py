"""What a training run brings down."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from edgemem.frameworks import tf
from edgemem.train.batches import Batches


def window_entropy(batches: Batches) -> Callable[[Any, Any], Any]:
    """Cross-entropy of the mean logits over the window at the end of a sequence.

    The logits that it sees have the logarithm of their label's frequency on them, as far as the
    recipe says: those that the network gives then favour no label for coming often.

    Parameters
    ----------
    batches : Batches
        Whose labels and steps they are.

    Returns
    -------
    callable
        Of labels (batch, 1, 1) and outputs (batch, 1, n_steps * n_labels), as Keras takes it.
    """
    recipe, n_steps, window = batches.recipe, batches.n_steps, batches.window
    n_labels = len(batches.data.labels)
    adjustment = (recipe.adjustment * np.log(batches.frequencies)).astype(np.float32)
    entropy = tf.keras.losses.CategoricalCrossentropy(
        from_logits=True, label_smoothing=recipe.smoothing
    )

    def loss(target: Any, output: Any) -> Any:
        logits = tf.reshape(output, [-1, n_steps, n_labels])[:, n_steps - window :]
        wanted = tf.one_hot(tf.cast(tf.reshape(target, [-1]), tf.int32), n_labels)
        return entropy(wanted, tf.reduce_mean(logits, axis=1) + adjustment)

    return loss
