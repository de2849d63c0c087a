"""Pictures: a capture and a Spec in, a Frame out. Owns every rule about what is shown."""

from attn_widget.pictures.protocol import Frame, Spec
from attn_widget.pictures.state import PictureState
from attn_widget.pictures.views import VIEWS, Pictures

__all__ = ["VIEWS", "Frame", "PictureState", "Pictures", "Spec"]
