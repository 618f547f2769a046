"""The rest."""


class Box:
    """A box.

    Parameters
    ----------
    size
    """

    def open(self, how: str = "slow") -> None:
        """Open it.

        Args:
            how: The way.
        """


def find(name: str, default=None):
    """Find.

    Args:
        name: What.
        default: Else.
    """
