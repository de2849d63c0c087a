"""The public names: each loads its module on first use."""

from .api import compare as compare
from .api import explore as explore
from .api import plot_heads as plot_heads
from .attribution.flow import flow as flow
from .attribution.methods import attribute as attribute
from .attribution.networkx_graph import to_networkx as to_networkx
from .attribution.rollout import rollout as rollout
from .errors import AttnWidgetError as AttnWidgetError
from .errors import Cancelled as Cancelled
from .errors import InputError as InputError
from .errors import MethodError as MethodError
from .errors import NoAttentionError as NoAttentionError
from .heads.ablation import Ablation as Ablation
from .heads.ablation import ablate as ablate
from .heads.ablation import ablation_scan as ablation_scan
from .heads.head_table import HeadTable as HeadTable
from .heads.induction import induction_scores as induction_scores
from .heads.metrics import head_metrics as head_metrics
from .heads.search import search_heads as search_heads
from .heads.search_result import HeadSearch as HeadSearch
from .recording.capture import capture as capture
from .recording.from_arrays import from_arrays as from_arrays
from .recording.model_runner import ModelRunner as ModelRunner
from .recording.tracing.kernelised import implied_weights as implied_weights
from .records import Attribution as Attribution
from .records import Capture as Capture
from .records import HeadScores as HeadScores
from .records import LayerAttention as LayerAttention
from .records import Prediction as Prediction
from .records import Progress as Progress
from .records import Runner as Runner
from .records import Step as Step
from .records import Tokens as Tokens
from .truth.faithfulness import faithfulness as faithfulness
from .widget.comparison import Comparison as Comparison
from .widget.widget import AttentionWidget as AttentionWidget

__version__: str
__all__: list[str]
