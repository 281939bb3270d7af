"""Popularity from counts that grow with a track's age."""


def percentile_within(values, groups):
    """Share of its group that each value exceeds, with half of itself and of its equals.

    A track gains listens with every year that it is there; among those of its own year, the
    number of listens tells how well it is liked.

    Parameters
    ----------
    values : pd.Series of float
        For instance listens; may be missing.
    groups : pd.Series
        For instance the year, on the same index; may be missing.

    Returns
    -------
    pd.Series of float
        Above 0 and below 100, 50 on average over a group; NaN where value or group is missing.
    """
    ranked = values.astype(float).groupby(groups)
    return ((ranked.rank(method="average") - 0.5) / ranked.transform("count") * 100).rename(None)
