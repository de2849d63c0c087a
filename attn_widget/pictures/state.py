"""The state of the picture on screen as a frozen value, from which figures and pages are made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from attn_widget.pictures.protocol import Spec
from attn_widget.pictures.views import Pictures
from attn_widget.records import Capture


@dataclass(frozen=True, eq=False)
class PictureState:
    """The picture on screen at one moment, and all other pictures of its capture.

    Attributes
    ----------
    pictures : Pictures
        The capture's numbers and frames.
    spec : Spec
        What the picture shows.
    heads : tuple of int
        The selected heads.
    query, key : tuple of int
        Pinned token positions.
    threshold : float
        Smaller weights are not drawn.
    traits : mapping
        The JSON of every synced trait, with ``info``: the state with which a page opens.
    """

    pictures: Pictures
    spec: Spec
    heads: tuple[int, ...] = ()
    query: tuple[int, ...] = ()
    key: tuple[int, ...] = ()
    threshold: float = 0.0
    traits: Mapping[str, Any] = field(default_factory=dict)

    @property
    def capture(self) -> Capture:
        """Return the capture that is shown, at the part on screen."""
        return self.pictures.at(self.spec)
