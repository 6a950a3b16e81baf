"""The history of a training: a dict of columns, one row for each epoch."""

from __future__ import annotations

from collections.abc import Mapping

# The last two are sums over the epochs so far.
HISTORY_COLUMNS = (
    "epoch",
    "train_loss",
    "validation_loss",
    "learning_rate",
    "seconds",
    "data_wait_seconds",
)


def with_row(history: Mapping[str, list], row: tuple) -> dict[str, list]:
    """Add a row to a copy, so that an interrupt cannot leave columns of different lengths.

    Parameters
    ----------
    history : dict of lists
    row : tuple
        A value for each column.

    Returns
    -------
    history : dict of lists

    Examples
    --------
    >>> with_row({"epoch": [0], "seconds": [0.0]}, (1, 2.5))
    {'epoch': [0, 1], 'seconds': [0.0, 2.5]}
    """
    columns = zip(history.items(), row, strict=True)
    return {name: [*values, value] for (name, values), value in columns}


def restored(history: Mapping[str, list]) -> dict[str, list]:
    """Copy a history that was saved; earlier versions have no column of the waiting for data.

    Parameters
    ----------
    history : dict of lists

    Returns
    -------
    history : dict of lists

    Examples
    --------
    >>> restored({"epoch": [0, 1]})
    {'epoch': [0, 1], 'data_wait_seconds': [0.0, 0.0]}
    """
    copied = {name: list(values) for name, values in history.items()}
    copied.setdefault("data_wait_seconds", [0.0] * len(copied["epoch"]))
    return copied
